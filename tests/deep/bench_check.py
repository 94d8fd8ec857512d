"""What `check` costs: shown again over ten thousand offices; a round over a hundred hosts, beside Ansible and clush."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from provisioner.check import store
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from tests.deep import bench_lab
from tests.deep.bench_tools import (
    BIN,
    ROOT,
    Broken,
    Cost,
    Number,
    at_most,
    at_most_one_in,
    at_most_times,
    cost,
    environment,
    in_turn,
    say,
)
from tests.deep.light_hosts import LOGIN, LightHosts, light_hosts

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


LIGHT, AT_ONCE, ROUNDS = 100, 64, 3
GROUPS = Path("/sys/fs/cgroup/unified")  # every process of a command counts, those that stay behind for its connections too
# A process that makes rounds: how long each took, when its last good host was told, and what it cost the group (s).
SEVERAL = """
import json, sys, time
from pathlib import Path
from provisioner.check import check
from provisioner.findings import Level
from provisioner.inventory.target import Target
root, group, rounds, ill = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
targets = [Target(root, path.name) for path in sorted((root / "offices").iterdir())]
def spent():
    return int(dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())["usage_usec"]) / 1e6
for number in range(rounds):
    began, before, last = time.monotonic(), spent(), []
    def done(report):
        met = any(one.check == "reached" and one.level is Level.OK for one in report.findings)
        assert met == (report.office not in ill), (report.office, report.problem, report.findings)
        if met:
            last.append(time.monotonic() - began)
    check(targets, done=done, close=rounds == 1)
    print(json.dumps({"wall_s": time.monotonic() - began, "good_s": max(last), "good": len(last), "cpu_s": spent() - before}))
"""


@contextlib.contextmanager
def _group() -> Iterator[Path]:
    """A control group of its own, empty at the end."""
    path = GROUPS / f"pvb-{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir()
    try:
        yield path
    finally:
        (path / "cgroup.kill").write_text("1")
        while (path / "cgroup.procs").read_text():
            time.sleep(0.05)
        path.rmdir()


def _spent(words: Sequence[str | Path], env: dict[str, str]) -> tuple[Cost, str]:
    """What a command and all that it started took, and what it printed.

    Raises:
        Broken: it failed.
    """
    with _group() as group:
        entered = ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', str(group), *map(str, words)]
        began = time.monotonic()
        done = subprocess.run(entered, env=env, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        wall_s = time.monotonic() - began
        used = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    if done.returncode not in (0, 7):
        raise Broken(f"{' '.join(map(str, words[:8]))} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
    return Cost(int(used["usage_usec"]) / 1e6, wall_s), done.stdout


def _rounds(hosts: LightHosts, env: dict[str, str], rounds: int, ill: Sequence[str] = ()) -> list[dict[str, float]]:
    """Rounds of one process, the connections kept between them."""
    with _group() as group:
        words = [
            *hosts.inside,
            sys.executable,
            "-c",
            SEVERAL,
            str(hosts.inventory),
            str(group),
            str(rounds),
            json.dumps(list(ill)),
        ]
        entered = ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', str(group), *words]
        done = subprocess.run(entered, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"rounds of check: {done.stderr[-1500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def rounds(place: bench_lab.Place) -> list[Number]:
    """What a round over a hundred hosts costs beside Ansible and clush, and whether an ill host holds up the others."""
    folder = place.folder / "light"
    folder.mkdir()
    with light_hosts(folder, LIGHT) as hosts:
        env = environment(
            XDG_STATE_HOME=str(folder / "state"), ANSIBLE_CONFIG=str(folder / "blank.cfg"), ANSIBLE_HOME=str(folder / "ansible")
        )
        ssh = f"-F none -i {hosts.key} -o UserKnownHostsFile={hosts.known_hosts} -o IdentitiesOnly=yes -o BatchMode=yes"
        (folder / "blank.cfg").write_text("")
        ini = folder / "hosts.ini"
        words = ["[all:vars]", "ansible_ssh_use_tty=false", f"ansible_user={LOGIN}", f"ansible_ssh_common_args={ssh}"]
        ini.write_text("\n".join([*hosts.addresses, *words, ""]))
        asked = "sudo -n python3 -c x </dev/null"

        def ours() -> float:
            spent, said = _spent(
                [*hosts.inside, BIN / "provisioner", "--inventory", hosts.inventory, "--json", "check", "--all"], env
            )
            reached = [
                one["level"] for office in json.loads(said)["offices"] for one in office["findings"] if one["check"] == "reached"
            ]
            if reached != ["ok"] * LIGHT:
                raise Broken(f"check reached {reached.count('ok')} of {LIGHT}: {said[:600]}")
            return spent.cpu_s

        def ansible() -> float:
            fresh = {**env, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / f"cp-{time.monotonic_ns()}")}
            spent, said = _spent(
                [*hosts.inside, BIN / "ansible", "-i", ini, "all", "-f", str(AT_ONCE), "-m", "raw", "-a", asked], fresh
            )
            if said.count("| CHANGED") != LIGHT:
                raise Broken(f"ansible reached {said.count('| CHANGED')} of {LIGHT}")
            return spent.cpu_s

        def clush() -> float:
            words = ["clush", "-f", str(AT_ONCE), "-l", LOGIN, "-o", ssh, "-w", ",".join(hosts.addresses), asked]
            spent, said = _spent([*hosts.inside, *words], env)
            if said.count("\n") < LIGHT:
                raise Broken(f"clush had {said.count(chr(10))} lines of {LIGHT} hosts")
            return spent.cpu_s

        seen = in_turn(ROUNDS, ours=ours, clush=clush, ansible=ansible)
        kept = _rounds(hosts, env, 4)[1:]
        say(f"  kept open: {kept}")
        open_s = sorted(one["cpu_s"] for one in kept)[1]
        walls: dict[bool, list[float]] = {False: [], True: []}
        for ill in (False, True) * ROUNDS:
            hosts.ill(hosts.addresses[3] if ill else "", hosts.addresses[7] if ill else "")
            (one,) = _rounds(hosts, env, 1, ["office-00003", "office-00007"] if ill else [])
            walls[ill].append(one["good_s"])
            say(f"  ill {ill}: {one}")
    what = f"check: a round over {LIGHT} light hosts"
    return [
        at_most_one_in(f"{what}, to `ansible -m raw` (CPU of the laptop)", 10, seen["ours"], seen["ansible"]),
        at_most_times(f"{what}, to `clush` of the same command (CPU of the laptop)", 1, seen["ours"], seen["clush"]),
        at_most_one_in(f"{what}, the connections kept open, to `clush` (CPU of the laptop)", 20, open_s, seen["clush"]),
        at_most_times(
            f"{what}, one dead and one hanging: the other {LIGHT - 2} done, to {LIGHT} good ones (wall)", 1.3,
            sorted(walls[True])[ROUNDS // 2], sorted(walls[False])[ROUNDS // 2],
        ),
    ]  # fmt: skip
