"""The bench's numbers that need a lab: how soon it stands, our share of a run, the second apply, the whole demo."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from provisioner import package_cache
from provisioner.lab import base
from provisioner.lab.remove import remove_tree
from tests.deep.bench_tools import (
    BIN,
    ROOT,
    Broken,
    Number,
    at_most,
    at_most_one_in,
    at_most_times,
    cost,
    environment,
    in_turn,
    say,
)
from tests.lab.light import light, power
from tests.stage import CommandResult, Stage, make


@dataclass(frozen=True, slots=True)
class Installed:
    """The demo office in a lab, applied twice: what each of them said."""

    stage: Stage
    first: CommandResult
    again: CommandResult


@dataclass
class Place:
    """Where the bench works; `ending` takes everything down."""

    folder: Path
    ending: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def installed(self) -> Installed:
        """The installed office, made once for whoever asks, from a package cache that has all it needs."""
        while True:
            stage = make(self.folder / f"office-{time.monotonic_ns()}")
            self.ending.callback(ran, stage, "lab", "down", stage.office)
            had = _fetched()
            ran(stage, "lab", "up", stage.office)
            ran(stage, "adopt", stage.office, "--lab", "--yes")
            say("installing the demo office")
            first = ran(stage, "--json", "apply", stage.office, "--lab", "--yes")
            if _fetched() - had < 1_000_000:  # package lists move a little
                break
            say("the package cache was cold; once more with a warm one")
            ran(stage, "lab", "down", stage.office)
        say(f"installed in {first.took_s:.1f} s; applying again")
        again = ran(stage, "--json", "apply", stage.office, "--lab", "--yes")
        say(f"applied again in {again.took_s:.1f} s")
        return Installed(stage, first, again)


def ran(stage: Stage, *words: str, **more: str) -> CommandResult:
    """A verb that must succeed.

    Raises:
        Broken: it did not.
    """
    said = stage.run(*words, timeout_s=3000, **more)
    if said.code:
        raise Broken(f"provisioner {' '.join(words)} ended with {said.code}: {(said.out + said.err)[-1500:]}")
    return said


def _fetched() -> int:
    """Bytes of packages that the cache holds."""
    return sum(path.stat().st_size for path in package_cache.folder().rglob("*.deb"))


def lab(place: Place) -> list[Number]:
    """A base and labs of three blank hosts, in a folder of their own; the base's packages are on this machine."""
    folder = place.folder / "lab"
    folder.mkdir()
    stage = make(place.folder / "blank")
    own = {"PROVISIONER_LAB_DIR": str(folder)}
    place.ending.callback(remove_tree, folder)
    place.ending.callback(lambda: ran(stage, "lab", "down", stage.office, **own))
    code = "from provisioner.lab import base; base.ensure('trixie', print)"
    built: list[float] = []
    for _ in range(2):  # the first fills the package cache where it is cold
        for former in (folder / "bases").glob("trixie-*"):
            remove_tree(former)
        built.append(cost([sys.executable, "-c", code], stage.environment | own).wall_s)
        say(f"base built in {built[-1]:.1f} s")
    ups, downs = [], []
    for _ in range(3):
        ups.append(ran(stage, "lab", "up", stage.office, **own).took_s)
        downs.append(ran(stage, "lab", "down", stage.office, **own).took_s)
        say(f"lab up in {ups[-1]:.1f} s, down in {downs[-1]:.1f} s")
    return [
        at_most("lab: three blank hosts up, the base being there (median of 3)", 10, statistics.median(ups)),
        at_most("lab: the base built, in a fresh folder, the package cache warm", 90, built[-1]),
        at_most("lab: down again (median of 3)", 5, statistics.median(downs)),
    ]


def share(place: Place) -> list[Number]:
    """Our CPU on the laptop for a play that changes nothing, to that of ansible-runner alone; the hosts' own is not in it."""
    stage = place.installed.stage
    expected: list[object] = []

    def play(way: str) -> float:
        said = stage.plugged(sys.executable, str(ROOT / "tests/deep/bench_share.py"), way, str(stage.inventory), stage.office)
        if said.code:
            raise Broken(f"bench_share.py {way}: {(said.out + said.err)[-1500:]}")
        result = json.loads(said.out.splitlines()[-1])
        expected.append(result["hosts"])
        if result["hosts"] != expected[0] or any(changed or failed for _, changed, failed in result["hosts"].values()):
            raise Broken(f"bench_share.py {way}: not the same play without a change: {result['hosts']}")
        return float(result["cpu_s"])

    play("bare")  # opens the SSH connections that the others share
    seen = in_turn(5, ours=lambda: play("ours"), bare=lambda: play("bare"))
    what = "share: events, journal and progress of a no-change play on three lab hosts, to bare ansible-runner (CPU)"
    return [at_most_times(what, 1.05, seen["ours"], seen["bare"])]


def apply(place: Place) -> list[Number]:
    """The second apply changes nothing and is soon over."""
    done = place.installed
    changed = {name: host["changed"] for name, host in done.again.data["hosts"].items()}
    nothing = not any(changed.values())
    what = "apply: the demo office again, to its first apply on blank hosts with a warm package cache (wall time)"
    tasks = {host: played(done.stage, done.again.data["run"], host) for host in ("server", "desktop")}
    return [
        Number("apply: changed on any host by the second apply", "0", str(sum(changed.values())), nothing and len(changed) == 3),
        at_most_one_in(what, 3, done.again.took_s, done.first.took_s),
        Number("apply: tasks of a no-change apply on the server", "40", str(tasks["server"]), tasks["server"] <= 40),
        Number("apply: tasks of a no-change apply on a desktop", "25", str(tasks["desktop"]), tasks["desktop"] <= 25),
    ]


# The tasks that include a role, by the words of apply.yml.
INCLUDES = ("Each role of the pack", "beside the one it was met at")


def played(stage: Stage, run: str, host: str) -> int:
    """How many tasks a run played on a host; facts, argument validation and the including of roles are none."""
    journal = next((stage.home / "provisioner/labs").glob(f"*/journals/{run}.jsonl"))
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    mine = [e["task"] for e in events if e["host"] == host and e["what"] in ("host_ok", "host_changed") and e["task"]]
    return len([task for task in mine if "Validating arguments" not in task and not any(word in task for word in INCLUDES)])


def desktops(place: Place) -> list[Number]:
    """What three desktops fetch from outside, to what one does, and how much of its first apply is apt's and dpkg's own."""
    folder = place.folder / "desktops"
    own = {"XDG_CACHE_HOME": str(folder / "cache")}  # a package cache that has nothing
    stage = light(folder, {"desktop": ["base", "desktop"]}, hosts=("router", "desktop"))
    dossier = yaml.safe_load(stage.dossier.read_text())
    for n in (2, 3):
        dossier["hosts"][f"desktop-{n}"] = {"kind": "desktop", "address": f"192.168.1.{20 + n}", "mac": f"02:00:5e:10:01:0{n}"}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "three desktops")
    place.ending.callback(lambda: ran(stage, "lab", "down", stage.office, **own))
    ran(stage, "lab", "up", stage.office, **own)
    ran(stage, "adopt", stage.office, "--lab", "--yes", **own)
    cache = folder / "cache/provisioner/packages"

    def fetched() -> int:
        return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())

    before = fetched()
    first = ran(stage, "--json", "apply", stage.office, "--lab", "--yes", "--host", "desktop", **own)
    one = fetched() - before
    say(f"one desktop: {one / 1e6:.1f} MB in {first.took_s:.0f} s")
    ran(stage, "apply", stage.office, "--lab", "--yes", **own)
    three = fetched() - before
    say(f"three desktops: {three / 1e6:.1f} MB")
    theirs = _apts(stage, first.data["run"], "desktop") / first.took_s
    what = "desktops: of the first apply of one, the time that is not apt's and dpkg's own (cold package cache)"
    return [
        at_most_times("desktops: bytes fetched from outside for three of them, to those for one", 1.05, three, one,
                      unit="MB", scale=1e-6),
        Number(what, "20 %", f"{1 - theirs:.0%} of {first.took_s:.0f} s", theirs >= 0.8),
    ]  # fmt: skip


# The tasks that do nothing but wait for apt or dpkg.
APT = ("package lists are fresh", "are installed", "is installed")


def _apts(stage: Stage, run: str, host: str) -> float:
    """How many seconds of a run a host spent in apt and dpkg: each task from the end of the one before to its own."""
    journal = next((stage.home / "provisioner/labs").glob(f"*/journals/{run}.jsonl"))
    spent, last = 0.0, 0.0
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        if event["host"] != host:
            continue
        if last and any(word in (event["task"] or "") for word in APT):
            spent += event["at"] - last
        last = event["at"]
    return spent


_SCREEN = """
sudo sh -c '
mkdir -p /etc/xdg/lightdm/lightdm.conf.d
printf "[LightDM]\\nlogind-check-graphical=false\\n[Seat:*]\\nxserver-command=/usr/local/bin/bench-screen\\n" \
  > /etc/xdg/lightdm/lightdm.conf.d/90-bench.conf
printf "#!/bin/sh\\nexec Xvfb \\$1 -noreset -screen 0 1280x800x24 -nolisten tcp\\n" > /usr/local/bin/bench-screen
chmod 755 /usr/local/bin/bench-screen'
"""


def screen(place: Place) -> list[Number]:
    """From power-on to the log-in screen, with the pack's settings and without them, in turn."""
    stage = place.installed.stage
    role = yaml.safe_load((ROOT / "playbooks/roles/desktop/defaults/main.yml").read_text())
    ours = " ".join(file["dest"] for file in role["desktop_files"])
    stage.on("desktop", _SCREEN)
    stage.on("desktop", f"sudo tar -C / -cPf /root/ours.tar {ours}")
    log = base.lab_home() / stage.target.id / "hosts/desktop/root/var/log/lightdm/lightdm.log"

    def boot(line: str) -> Callable[[], float]:
        def once() -> float:
            stage.on("desktop", f"sudo sh -c '{line}; rm -f /var/log/lightdm/*; sync'")
            power(stage, "off", "desktop")
            began = time.monotonic()
            power(stage, "on", "desktop")
            while "Prompt greeter with" not in (log.read_text(errors="replace") if log.exists() else ""):
                if time.monotonic() - began > 120:
                    raise Broken("no log-in screen came up within 120 s")
                time.sleep(0.05)
            return time.monotonic() - began

        return once

    seen = in_turn(3, ours=boot("tar -C / -xPf /root/ours.tar"), plain=boot(f"rm -f {ours}"))
    stage.on("desktop", "sudo tar -C / -xPf /root/ours.tar")
    stage.on("desktop", "sudo rm -f /etc/xdg/lightdm/lightdm.conf.d/90-bench.conf /usr/local/bin/bench-screen /root/ours.tar")
    what = "screen: from power-on to the log-in screen, to the same packages without our settings (median of 3 each)"
    return [at_most_times(what, 1.2, seen["ours"], seen["plain"])]


def verify(place: Place) -> list[Number]:
    """The whole office tried by a witness, after a first backup."""
    stage = place.installed.stage
    ran(stage, "backup", "run", stage.office, "--lab")
    took = ran(stage, "verify", stage.office, "--lab").took_s
    say(f"verified in {took:.1f} s")
    return [at_most("verify: the demo office, without a restart", 90, took)]


@contextlib.contextmanager
def _clone(place: Place) -> Iterator[tuple[Path, dict[str, str]]]:
    """A fresh clone of the last commit and the environment that gives it state, caches and labs of its own."""
    folder = place.folder / "nothing"
    own = {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PROVISIONER_LAB_DIR": str(folder / "lab"),
    }
    env = environment(**own)
    env["PATH"] = env["PATH"].removeprefix(f"{BIN}:")
    env.pop("VIRTUAL_ENV", None)
    clone = folder / "provisioner"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    try:
        yield clone, env
    finally:
        tool = clone / ".venv/bin/provisioner"
        if tool.exists():
            subprocess.run([str(tool), "lab", "down", "demo"], cwd=clone, env=env, check=False, capture_output=True)
        remove_tree(folder)


def demo(place: Place) -> list[Number]:
    """`make demo` where there is nothing, then where all is there."""
    needed = ("apt-cacher-ng", "mmdebstrap", "systemd-container")
    asked = ["dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n", *needed]
    states = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    there = [line.split()[0].split(":")[0] for line in states.splitlines() if line.endswith(" installed")]
    had = f"this machine had {', '.join(there)}" if there else "this machine had none of its packages"
    with _clone(place) as (clone, env):
        first = cost(["make", "demo"], env, clone).wall_s
        say(f"make demo: {first:.0f} s")
        again = cost(["make", "demo"], env, clone).wall_s
        say(f"make demo again: {again:.0f} s")
    return [
        at_most(f"demo: `make demo` from a fresh clone, no environment, base or package cache ({had})", 900, first),
        at_most("demo: `make demo` again", 180, again),
    ]


def access(place: Place) -> list[Number]:
    """How long it takes to shut a technician out of 200 light hosts, each a Debian of its own, and to prove it."""
    stage = light(place.folder / "access", {}, hosts=("router",))
    text = stage.dossier.read_text()
    many = "".join(
        f"  desktop{number}: {{kind: desktop, address: 192.168.0.{number}, mac: '02:00:5e:20:00:{number:02x}'}}\n"
        for number in range(2, 201)
    )
    text = text.replace("network: 192.168.1.0/24", "network: 192.168.0.0/22").replace("groups:\n", f"{many}groups:\n", 1)
    for old, new in (("dhcp_first: 192.168.1.100", "dhcp_first: 192.168.2.1"), ("192.168.1.199", "192.168.3.200")):
        text = text.replace(old, new)
    stage.dossier.write_text(text)
    stage.git("commit", "-q", "-a", "-m", "200 hosts")
    place.ending.callback(ran, stage, "lab", "down", stage.office)
    for words in (("lab", "up", stage.office), ("adopt", stage.office, "--lab", "--yes")):
        say(f"{words[0]}: {ran(stage, *words).took_s:.0f} s")
    revoke = ("access", "revoke", "n.petit", "--lab", "--office", stage.office, "--yes")
    took_s = []
    for _ in range(2):  # the second finds nothing left to shut, and proves it again
        said = ran(stage, "--json", *revoke)
        states = Counter(host["state"] for host in said.data["offices"][stage.office]["hosts"].values())
        if states != {"refused": 200}:
            raise Broken(f"not all of 200 hosts were shut: {states}")
        took_s.append(said.took_s)
    say(f"200 hosts {took_s}")
    about = "access: a technician shut out of 200 light hosts, proven; hosts and laptop on one machine"
    return [at_most(about, 300, max(took_s))]
