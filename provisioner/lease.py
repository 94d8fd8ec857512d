"""Who works on an office now, and whose copy of its dossier is the newer one.

The lease is a small file on every reachable host of the office, root only, taken in the order of names, all or none, and
on disk (fsync) before anything is done. It is live when it was renewed within `LEASE_S`; the host judges that by its time
since boot, so neither the laptop's clock nor a jump of the host's own decides who may work. One from before the host's start
lives as long from that start on: its holder renews it in that time, and no clock can tell how old it is. Beside it lies the
mark: what was last applied, from which commit; and from which commit a technician who left was shut out (access.py), until
the next mark: a copy that lacks it still has that technician on its list.
"""

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.causes import cause
from provisioner.errors import Busy, HostFailed, HostKeyChanged, Unreachable
from provisioner.inventory import git
from provisioner.inventory.disk import write
from provisioner.inventory.target import state_home
from provisioner.ssh import Door

LEASE_S = int(os.environ.get("PROVISIONER_LEASE_S", "900"))  # shortened only by tests

# Runs on the host as root, request in argv[1], one JSON object out. Python's standard library only: Debian has it.
_HOST_SIDE = r"""
import fcntl, json, os, sys, time
ask = json.loads(sys.argv[1])
base = "/var/lib/provisioner"
def boot(): return open("/proc/sys/kernel/random/boot_id").read().strip()
def up(): return time.clock_gettime(time.CLOCK_BOOTTIME)
def read(name):
    try:
        with open(f"{base}/{name}") as f: return json.load(f)
    except FileNotFoundError: return None
    except ValueError: return None
def put(name, data):
    part = f"{base}/.{name}.part"
    try:
        with open(part, "w") as f:
            os.fchmod(f.fileno(), 0o600); json.dump(data, f); f.flush(); os.fsync(f.fileno())
    except OSError:
        if os.path.exists(part): os.unlink(part)
        raise
    os.rename(part, f"{base}/{name}")
    d = os.open(base, os.O_RDONLY); os.fsync(d); os.close(d)
def ago(lease): return up() - (lease["renewed_up"] if lease["boot"] == boot() else 0)
def live(lease): return bool(lease) and 0 <= ago(lease) < lease["lease_s"]
def applied():
    mark, refused = read("applied.json"), read("refused.json")
    return {**(mark or {}), "refused": list(refused.values())} if refused else mark
do = ask["do"]
if do == "read":
    print(json.dumps({"lease": read("lease.json"), "live": live(read("lease.json")), "applied": applied()}))
    sys.exit()
os.makedirs(base, mode=0o700, exist_ok=True)
os.chmod(base, 0o700)
lock = os.open(base, os.O_RDONLY); fcntl.flock(lock, fcntl.LOCK_EX)
lease = read("lease.json")
mine = bool(lease) and lease["token"] == ask["token"]
answer = {"ok": True}
def stamp(who): return {**who, "boot": boot(), "renewed_up": up()}
if do == "take":
    if live(lease) and not mine and lease["token"] != ask["over"]:
        answer = {"ok": False, "lease": lease, "ago_s": ago(lease), "restarted": lease["boot"] != boot()}
    else: put("lease.json", stamp({**ask["who"], "token": ask["token"]}))
elif do == "renew":
    if mine: put("lease.json", stamp({k: v for k, v in lease.items()}))
    else: answer = {"ok": False, "lease": lease}
elif do in ("release", "mark"):
    if not mine: answer = {"ok": False, "lease": lease}
    elif do == "mark":
        put("applied.json", ask["applied"])
        if os.path.exists(f"{base}/refused.json"): os.unlink(f"{base}/refused.json")  # this copy knew who had left
    else: os.unlink(f"{base}/lease.json")
answer["applied"] = applied()
print(json.dumps(answer))
"""


def laptop() -> str:
    """A name of this laptop and account that no other has: the host name and eight random digits made once."""
    path = state_home() / "laptop"
    if not path.exists():
        write(path, f"{socket.gethostname()}-{secrets.token_hex(4)}\n")
    return path.read_text().strip()


def _born(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22): with the pid it names one process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _dead(lease: Mapping[str, Any]) -> bool:
    """Whether the holder was a process of this laptop that has ended."""
    return lease.get("laptop") == laptop() and _born(int(lease.get("pid", 0))) != lease.get("born")


def ask(door: Door, host: str, address: str, request: Mapping[str, Any], *, timeout_s: float = 30) -> dict[str, Any]:
    """One question to the lease keeper of a host; its answer.

    Raises:
        Unreachable, HostKeyChanged: as `Door.run`.
        HostFailed: the host could not keep a lease: a full or read-only disk.
    """
    words = ["sudo", "-n", "python3", "-", json.dumps(request)]
    done = door.run(host, address, words, stdin=_HOST_SIDE, timeout_s=timeout_s)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        where = f"{door.target.office} {host}{' --lab' if door.target.lab else ''}"
        raise HostFailed(
            f"{host} cannot keep a lease: {cause(last) or last}",
            hint=f"provisioner ssh {where} -- df -h --output=target,avail,iavail",
        ) from error
    return answer


def marks(door: Door, met: Mapping[str, str]) -> dict[str, dict[str, Any] | None]:
    """What was last applied on each host, as the host remembers it: host -> mark or None."""
    return {host: ask(door, host, met[host], {"do": "read"}).get("applied") for host in sorted(met)}


def refuse_older_copy(root: Path, applied: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Stop when what was last applied on a host came from a commit that our copy does not hold.

    Raises:
        Busy: our copy is the older one.
    """
    known: dict[str, bool] = {}
    marks = [(host, one) for host, mark in sorted(applied.items()) if mark for one in (mark, *mark.get("refused", []))]
    for host, mark in marks:
        commit = mark.get("commit")
        if commit and commit not in known:
            known[commit] = git.contains(root, commit)
        if commit and not known[commit]:
            raise Busy(
                f"your copy is older: {host} was last set by {mark.get('technician')} on {mark.get('at')}"
                f" from commit {commit[:10]}, which you do not have",
                hint="git pull, then plan again (--force applies your copy all the same, and the audit says so)",
            )


@dataclass
class Lease:
    """The lease on some hosts, held while used as a context manager; renewed by a thread of its own."""

    door: Door
    met: Mapping[str, str]
    run: str
    technician: str
    lost: Callable[[str], None]
    applied: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: secrets.token_hex(16))
    _taken: list[str] = field(default_factory=list)
    _at: dict[str, str] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        """Take it on every host, in the order of names; on the first refusal give back what was taken.

        Raises:
            Busy: somebody else holds one.
        """
        who = {
            "technician": self.technician, "laptop": laptop(), "run": self.run, "lease_s": LEASE_S,
            "pid": os.getpid(), "born": _born(os.getpid()), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        }  # fmt: skip
        try:
            for host in sorted(self.met):
                request = {"do": "take", "token": self._token, "who": who, "over": ""}
                answer = self._ask(host, request)
                if not answer["ok"] and _dead(answer["lease"]):  # a killed run of this very laptop: no need to wait
                    answer = self._ask(host, {**request, "over": answer["lease"]["token"]})
                if not answer["ok"]:
                    other, ago = answer["lease"], f"{answer['ago_s']:.0f} s ago"
                    life = f"no sign of life since the start of {host} {ago}" if answer.get("restarted") else ""
                    raise Busy(
                        f"{other['technician']} works on {self.door.target.office} from {other['laptop']}"
                        f" since {other.get('since', 'an unknown time')}"
                        f" (run {other['run']}, {life or f'last sign of life {ago} on {host}'})",
                        hint=f"wait for them, or until {other['lease_s'] // 60} minutes after "
                        f"{f'that start of {host}' if life else 'their last sign of life'}",
                    )
                self._taken.append(host)
                self.applied[host] = answer.get("applied")
        except BaseException:
            self.release()
            raise
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread:
            self._thread.join(timeout=60)
        self.release()

    def _ask(self, host: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """At the address where the host last answered, else at the one the play may have moved it to meanwhile."""
        known = self._at.setdefault(host, self.met[host])
        other = self.moved.get(host, known)
        try:
            return ask(self.door, host, known, request)
        except (Unreachable, HostKeyChanged):
            if other == known:
                raise
            answer = ask(self.door, host, other, request)
            self._at[host] = other
            return answer

    def settled(self, hosts: Iterable[str]) -> None:
        """Tell where hosts are for certain once the play has moved them: asking the old address costs a time-out."""
        self._at |= {host: self.moved[host] for host in hosts if host in self.moved}

    def _renew(self) -> None:
        """Every fifth of the lease; a host that could not be asked for three fifths of it, or says no, ends the run."""
        import time

        answered = dict.fromkeys(self._taken, time.monotonic())
        while not self._done.wait(LEASE_S / 5):
            for host in list(self._taken):
                try:
                    answer = self._ask(host, {"do": "renew", "token": self._token})
                except (Unreachable, HostKeyChanged, HostFailed) as error:
                    if time.monotonic() - answered[host] > LEASE_S * 3 / 5:
                        self.lost(f"the lease on {host} cannot be renewed: {error}")
                        return
                    continue
                if not answer["ok"]:
                    other = (answer.get("lease") or {}).get("technician", "somebody")
                    self.lost(f"the lease on {host} was taken over by {other}")
                    return
                answered[host] = time.monotonic()

    def mark(self, applied: Mapping[str, Any], hosts: list[str]) -> list[str]:
        """Leave on the hosts what was applied; returns those that could not be told."""
        untold = []
        for host in sorted(set(hosts) & set(self._taken)):
            try:
                told = self._ask(host, {"do": "mark", "token": self._token, "applied": dict(applied)})["ok"]
            except (Unreachable, HostKeyChanged, HostFailed):
                told = False
            if not told:  # unreachable, or somebody else's by now
                untold.append(host)
        return untold

    def release(self) -> None:
        """Give it back; a host that cannot be told will see it run out."""
        for host in self._taken:
            try:
                self._ask(host, {"do": "release", "token": self._token})
            except (Unreachable, HostKeyChanged, HostFailed):
                continue
        self._taken = []
