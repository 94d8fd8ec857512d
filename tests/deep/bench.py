"""The numbers of docs/numbers.md, as `make bench` measures them: ratios of two things measured in turn in the same run.

`bench.py NAME …` measures only those. Exits 7 when a number is missed, 2 for a name it does not know.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # called by path, as the Makefile does

from provisioner.inventory.target import state_home
from provisioner.lab.remove import remove_tree
from tests import network
from tests.deep import (
    bench_build,
    bench_check,
    bench_lab,
    bench_monitor,
    bench_pages,
    bench_router,
    bench_training,
    bench_website,
)
from tests.deep.bench_tools import BIN, ROOT, Number, at_most_one_in, at_most_times, cost, environment, in_turn, say, table

OFFICES = 10_000

READ = """
import sys, time
from pathlib import Path
from provisioner.inventory import open_inventory
root, names = Path(sys.argv[1]), sys.argv[2:]
open_inventory(root).office(names[0])
began = time.process_time()
for name in names:
    open_inventory(root).office(name)
print((time.process_time() - began) / len(names))
"""


def start(_: bench_lab.Place) -> list[Number]:
    """How soon the tool is there."""
    env = environment()

    def cpu(*command: str) -> Callable[[], float]:
        return lambda: cost([BIN / command[0], *command[1:]], env).cpu_s

    asked = {
        "version": cpu("provisioner", "--version"),
        "help": cpu("provisioner", "--help"),
        "ansible": cpu("ansible", "--version"),
    }
    for call in asked.values():
        call()  # bytecode and page cache
    seen = in_turn(11, **asked)
    return [
        at_most_one_in(f"start: `provisioner --{word}`, to `ansible --version` (CPU)", 6, seen[word], seen["ansible"])
        for word in ("version", "help")
    ]


def inventory(place: bench_lab.Place) -> list[Number]:
    """Whether one office is as cheap among ten thousand as among ten, and what the list of all costs."""
    say(f"writing 10 and {OFFICES} offices of 5 hosts")
    few, many = network.generate(place.folder / "few", 10), network.generate(place.folder / "many", OFFICES)
    env = environment(XDG_CACHE_HOME=str(place.folder / "cache"), ANSIBLE_CONFIG=str(ROOT / "playbooks/ansible.cfg"))
    env["ANSIBLE_HOME"] = str(place.folder / "ansible")

    def read(root: Path, offices: int) -> Callable[[], float]:
        chosen = itertools.islice(itertools.cycle(range(0, offices, offices // 10)), 200)
        words = [sys.executable, "-c", READ, str(root), *(f"office-{n:05d}" for n in chosen)]
        return lambda: float(subprocess.run(words, env=env, cwd=ROOT, check=True, capture_output=True, text=True).stdout)

    one = in_turn(9, many=read(many, OFFICES), few=read(few, 10))

    listing: list[str | Path] = [BIN / "provisioner", "--inventory", many, "office", "list"]
    anew: list[float] = []
    unchanged: list[float] = []

    def list_twice() -> None:
        shutil.rmtree(place.folder / "cache", ignore_errors=True)
        anew.append(cost(listing, env).cpu_s)
        unchanged.extend(cost(listing, env).cpu_s for _ in range(3))

    list_twice()
    list_twice()
    say(f"ansible-inventory over the same {OFFICES} dossiers: some minutes")
    theirs = cost([BIN / "ansible-inventory", "-i", many / "offices", "--list"], env, unwanted="WARNING").cpu_s
    list_twice()
    say(f"  anew {anew}, unchanged {unchanged}, ansible-inventory {theirs:.1f}")
    what = f"inventory: `office list` over {OFFICES:,} offices of 5 hosts"
    once = "to `ansible-inventory --list` over the same dossiers by our plugin (CPU; that one measured once, between ours)"
    return [
        at_most_times(f"inventory: one office read among {OFFICES:,}, to one among 10 (CPU)", 1.2, one["many"], one["few"],
                      unit="ms", scale=1000),
        at_most_one_in(f"{what}, {once}", 15, sorted(anew)[len(anew) // 2], theirs),
        at_most_one_in(f"{what}, nothing changed since the last time, to the same", 100,
                       sorted(unchanged)[len(unchanged) // 2], theirs),
    ]  # fmt: skip


NUMBERS: dict[str, Callable[[bench_lab.Place], list[Number]]] = {
    "start": start,
    "inventory": inventory,
    "check": bench_check.check,
    "rounds": bench_check.rounds,
    "lab": bench_lab.lab,
    "share": bench_lab.share,
    "apply": bench_lab.apply,
    "access": bench_lab.access,
    "verify": bench_lab.verify,
    "screen": bench_lab.screen,
    "desktops": bench_lab.desktops,
    "website": bench_website.website,
    "build": bench_build.build,
    "pages": bench_pages.pages,
    "routers": bench_router.routers,
    "monitor": bench_monitor.monitor,
    "training": bench_training.training,
    "demo": bench_lab.demo,
}


def main(names: Sequence[str]) -> int:
    """Measure the named numbers, or all; the table goes to stdout, all else to stderr."""
    if unknown := [name for name in names if name not in NUMBERS]:
        print(f"no number {unknown[0]!r}: one of {', '.join(NUMBERS)}", file=sys.stderr)
        return 2
    for name in [n for n in os.environ if n.startswith("PROVISIONER_") and n != "PROVISIONER_LAB_DIR"]:
        del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a technician's Python keeps its bytecode
    # Not in /tmp: on a tmpfs with nosuid, as Debian 13 has it, no host of a lab would have a sudo.
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=state_home()))
    place = bench_lab.Place(folder)
    numbers: list[Number] = []
    with contextlib.ExitStack() as last:
        last.callback(remove_tree, folder)
        last.enter_context(place.ending)
        for name in names or NUMBERS:
            say(f"{name}: {(NUMBERS[name].__doc__ or '').splitlines()[0]}")
            numbers += NUMBERS[name](place)
    print(table(numbers))
    return 0 if all(number.passed for number in numbers) else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
