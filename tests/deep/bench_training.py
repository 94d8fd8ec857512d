"""How soon a course stands: a class of eight from the checkpoint, an office of four hosts reset, a course judged."""

import json
import shlex
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import yaml

from tests.deep.bench_lab import Place, ran
from tests.deep.bench_tools import Broken, Number, at_most, say
from tests.stage import Stage, make

COURSE, JUDGED, FOUR = "routeur-en-panne", "depart-technicien", ("router", "server", "desktop", "desktop-2")
CLASS, MEMORY_GIB, GIB = [f"trainee-{number}" for number in range(1, 9)], 12, 1 << 30
LIKENESS = Path(__file__).with_name("likeness.py")


def training(place: Place) -> list[Number]:
    """Starts and resets from a checkpoint that is there; what the machine's free memory fell by while eight offices stand."""
    stage = make(place.folder / "class")
    place.ending.callback(stage.take_down)
    for course in (COURSE, JUDGED):
        say(f"the checkpoint of {course}")
        _start(stage, course, "anna")
        _finish(stage, course, "anna")
    free = psutil.virtual_memory().available
    took_s = _class(stage)
    memory = (free - psutil.virtual_memory().available) / GIB
    say(f"eight offices in {took_s:.1f} s, {memory:.1f} GiB")
    for name in CLASS:
        _finish(stage, COURSE, name)
    _start(stage, JUDGED, "anna")
    judged = [_check(stage, JUDGED) for _ in range(5)]
    _finish(stage, JUDGED, "anna")
    return [
        at_most("training: eight trainees' offices of router and server begun, from the checkpoint", 90, took_s),
        Number(
            "training: the machine's memory that these eight take", f"{MEMORY_GIB} GiB", f"{memory:.1f} GiB", memory <= MEMORY_GIB
        ),
        at_most(f"training: a check of the course {JUDGED} (median of five)", 20, statistics.median(judged)),
        *_reset(place),
    ]


def _reset(place: Place) -> list[Number]:
    """An office of four hosts, changed and brought back: how long, and whether it is what it was at the beginning."""
    stage = make(place.folder / "four")
    place.ending.callback(stage.take_down)
    dossier = yaml.safe_load(stage.dossier.read_text())
    dossier["hosts"]["desktop-2"] = {"kind": "desktop", "address": "192.168.1.22", "mac": "02:00:5e:10:01:02"}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    course = stage.inventory / "courses" / COURSE / "course.yml"
    course.write_text(course.read_text().replace("hosts: [router, server]\n", f"hosts: [{', '.join(FOUR)}]\n"))
    stage.git("commit", "-q", "-a", "-m", "four hosts")
    say("the checkpoint of an office of four hosts")
    _start(stage, COURSE, "anna")
    inventory = stage.home / f"provisioner/training/{COURSE}/anna/inventory"
    before = _likeness(stage, inventory)
    took = []
    for _ in range(3):
        for host in FOUR:
            _on(stage, inventory, host, "sudo sh -c 'touch /etc/changed; rm -f /etc/motd; useradd stranger'")
        if _likeness(stage, inventory) == before:
            raise Broken("what was changed is not seen")
        took.append(ran(stage, "training", "reset", COURSE, "--trainee", "anna").took_s)
    same = _likeness(stage, inventory) == before
    say(f"reset in {', '.join(f'{one:.1f}' for one in took)} s, {'the same' if same else 'NOT the same'}")
    _finish(stage, COURSE, "anna")
    what = f"training: a reset of an office of {len(FOUR)} hosts (median of {len(took)})"
    return [
        at_most(what, 10, statistics.median(took)),
        Number("training: hosts that are not what they were at the beginning, after it", "0", "0" if same else "some", same),
    ]


def _class(stage: Stage) -> float:
    """Begin the course for eight, four at a time as `training class` does; seconds until the last has an office."""
    began = time.monotonic()
    with ThreadPoolExecutor(4) as four:
        list(four.map(lambda name: _start(stage, COURSE, name), CLASS))
    return time.monotonic() - began


def _start(stage: Stage, course: str, name: str) -> float:
    return ran(stage, "training", "start", course, "--trainee", name).took_s


def _finish(stage: Stage, course: str, name: str) -> None:
    stage.run("training", "finish", course, "--trainee", name, timeout_s=600)


def _check(stage: Stage, course: str) -> float:
    said = stage.json("training", "check", course, "--trainee", "anna")
    if said.code != 7:  # nothing was done yet
        raise Broken(f"the check of {course} ended with {said.code}: {said.err[-500:]}")
    return said.took_s


def _on(stage: Stage, inventory: Path, host: str, line: str) -> str:
    said = stage.json("--inventory", str(inventory), "ssh", "demo", host, "--lab", "--", line)
    if said.code:
        raise Broken(f"{host}: {said.err[-500:]}")
    return str(said.data["stdout"])


def _likeness(stage: Stage, inventory: Path) -> Sequence[dict[str, str]]:
    """What each host is now."""
    program = f"sudo python3 -c {shlex.quote(LIKENESS.read_text())}"
    return [json.loads(_on(stage, inventory, host, program)) for host in FOUR]
