"""What `check` costs: shown again from its file, over ten thousand offices."""

from pathlib import Path

from provisioner.check import store
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from tests.deep import bench_lab
from tests.deep.bench_tools import BIN, Number, at_most, cost, environment, in_turn, say

OFFICES, HOSTS, CHECKS, BAD = 10_000, 5, 20, 20  # one in BAD has something to tell
SENTENCE, SEEN = "{host} has room left in {where}.", "52% of 100 GB free, 90% of the inodes"


def check(place: bench_lab.Place) -> list[Number]:
    """Whether all that the last rounds found is there at once."""
    root, state = place.folder / "checked", place.folder / "state"
    (root / "offices").mkdir(parents=True)
    (state / "provisioner").mkdir(parents=True, mode=0o700)
    say(f"writing {OFFICES} reports of {HOSTS * CHECKS} findings: some minutes")
    with store.store(state / "provisioner/check.sqlite") as file:
        file.execute("PRAGMA synchronous=OFF")
        for number in range(OFFICES):
            findings = [
                Finding(
                    f"check-{at}", Level.WARNING if number % BAD == 0 and host == 0 and at < 3 else Level.OK, SENTENCE,
                    {"host": f"host-{host}", "where": "/"}, f"host-{host}", SEEN, at=1e9,
                )
                for host in range(HOSTS)
                for at in range(CHECKS)
            ]  # fmt: skip
            worst = max(one.level for one in findings)
            store.keep(file, Target(root, f"office-{number:05d}"), findings, worst, took_s=1.0, samples={})
    env = environment(XDG_STATE_HOME=str(state))
    words: list[str | Path] = [BIN / "provisioner", "--inventory", root, "check", "--all", "--last"]
    seen = in_turn(5, shown=lambda: cost(words, env).cpu_s)
    what = f"check: `--all --last` over {OFFICES:,} offices of {HOSTS * CHECKS} findings, one in {BAD} with three to tell (CPU)"
    return [at_most(what, 2, seen["shown"])]
