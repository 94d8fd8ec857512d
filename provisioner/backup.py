"""Backups: what the office's server keeps each night, asked for, made now, and put back.

The work is done by `office-backup` on the server (role `backup`), the same that its timer calls; here are the choice of a
snapshot, the lease, the journal and the audit. Whoever goes away in the middle stops it, and a restore undoes itself then.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from provisioner import runs
from provisioner.errors import BadInput, HostFailed, Missing, Unreachable
from provisioner.inventory import git, open_inventory
from provisioner.inventory.ansible import services
from provisioner.inventory.target import Target
from provisioner.lease import Lease
from provisioner.nights import Offer, Place, Snapshot, choose, moment
from provisioner.runs import Event, Run
from provisioner.ssh import explain
from provisioner.work import Listener, Work, begin, bystanders, end, reach, technician

PROGRAM = "/usr/local/sbin/office-backup"


def keeper(target: Target) -> str:
    """The host that makes the office's backups.

    Raises:
        Missing: the office has none.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    found = services(inventory.pack(office.pack), office).get("backup")
    if not found:
        raise Missing(
            f"{target.office} has no backups: no server whose pack has them", hint=f"provisioner office show {target.office}"
        )
    return found["name"]


# ---------------------------------------------------------------------------------------------- asking


def _address(work: Work, watch: Listener) -> tuple[str, str]:
    """The keeper and where it answers, as every other chosen host does."""
    reach(work, watch)
    for host in work.hosts:
        if host not in work.met:
            raise Unreachable(work.found[host].problem, hint=work.found[host].hint or f"is {host} switched on and plugged in?")
    host = keeper(work.target)
    return host, work.met[host]


def _said(work: Work, host: str, address: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the program says, as it says it. It stops when we go away: its standard input is our sign of life.

    Raises:
        HostFailed: the host has no such program yet, or it broke.
        Unreachable, HostKeyChanged: the connection failed or broke.
    """
    command = work.door.command(host, address, ["sudo", "-n", PROGRAM, "--attached", *words])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            stderr = process.stderr.read()
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdin.close()
    if process.returncode == 255:
        raise explain(host, address, work.door.user, stderr)
    if process.returncode not in (0, 1):
        said = (stderr.strip().splitlines() or ["no reason given"])[-1]
        missing = "not found" in said
        raise HostFailed(
            f"{host} makes no backups yet" if missing else f"office-backup broke on {host}: {said}",
            hint=f"provisioner apply {work.target.office}",
        )


def ask(work: Work, place: str = "", watch: Listener = lambda _: None) -> list[Place]:
    """All snapshots of every place, or of one; a place that cannot be asked says why.

    Raises:
        HostFailed: the host knows no such place, or makes no backups.
        Unreachable, HostKeyChanged: it gives no answer.
    """
    host, address = _address(work, watch)
    found = []
    for line in _said(work, host, address, ["list", *_place(place)]):
        if line["event"] == "failed":
            raise _error(line, work)
        name = line["place"]
        if line["event"] == "place_failed":
            found.append(Place(name, line["cause"]))
            continue
        snapshots = tuple(
            Snapshot(one["id"], name, moment(one["time"]), one["hostname"], int(one["bytes"])) for one in line["snapshots"]
        )
        known = {word: line.get(word) or "" for word in ("last_success", "last_failure", "cause")}
        found.append(Place(name, "", snapshots, **known))
    return found


def _place(place: str) -> list[str]:
    return ["--place", place] if place else []


def _error(line: Mapping[str, Any], work: Work) -> BadInput | HostFailed:
    office = f"{work.target.office}{' --lab' if work.target.lab else ''}"
    if line.get("input"):
        return BadInput(line["cause"], hint=f"provisioner backup list {office}")
    return HostFailed(f"{keeper(work.target)}: {line['cause']}", hint=f"provisioner backup list {office}")


# ---------------------------------------------------------------------------------------------- doing


def run(work: Work, *, place: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True) -> Run:
    """Back the office up now, to every place or to one; what became of each is an event.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke.
    """

    def heard(line: Mapping[str, Any], host: str) -> Iterator[Event]:
        what, name = line["event"], line.get("place", "")
        task = f"Back up to {name}"
        if what == "place_started":
            yield Event("task_started", host, task)
        elif what == "place_done":
            yield Event("host_changed", host, task, {"diff": "", **{k: v for k, v in line.items() if k != "event"}})
        elif what == "place_failed":
            yield Event("host_failed", host, task, {"problem": f"{name}: {line['cause']}", "place": name})
        elif what == "failed":
            yield Event("host_failed", host, "Back up", {"problem": line["cause"]})
        elif what == "progress" and line["total"]:
            say(f"  {name}: {line['done'] / line['total']:.0%} of {line['total'] / 1e6:,.0f} MB")

    return _do(work, "backup", ["run", *_place(place)], heard, watch, commit=commit)


def offer(work: Work, *, place: str = "", at: str = "", path: str = "", to: str = "", onto: str = "", watch: Listener) -> Offer:
    """What a restore would put back: the first place that has a fitting snapshot, unless one is named.

    With `onto`, it goes into the folder `to` of that host of the office instead, which `work` must hold too.

    Raises:
        BadInput: no such snapshot, no such path in it.
        HostFailed: no place can be asked, or the disk is too small for it.
    """
    asked = ask(work, place, watch)
    usable = [one for one in asked if one.snapshots]
    if not usable:
        why = "; ".join(f"{one.name}: {one.problem or 'nothing was backed up there yet'}" for one in asked)
        raise HostFailed(f"there is nothing to restore from: {why}", hint=f"provisioner backup run {work.target.office}")
    chosen, refused = None, None
    for one in usable:
        try:
            chosen = choose(one.snapshots, at, work.office.timezone)
            break
        except BadInput as error:
            refused = refused or error
    if chosen is None:
        assert refused
        raise refused
    words = ["restore", "--plan", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", path] if path else []), *(["--to", "/var/lib/office-backup/export" if onto else to] if to else [])]
    host = keeper(work.target)
    address = work.met[host]
    items: list[dict[str, Any]] = []
    for line in _said(work, host, address, words):
        if line["event"] == "failed":
            raise _error(line, work)
        items = line.get("items", items)
    if onto:
        items = [item | {"target": f"{onto}:{to}", "replaces": False} for item in items]
        _room(work, onto, to, sum(item["bytes"] for item in items))
    return Offer(chosen, path, to, onto, items, [one.name for one in usable if one.name != chosen.place])


def restore(work: Work, offered: Offer, *, watch: Listener, commit: bool = True) -> Run:
    """Put back what was offered; what fails leaves the host as it was.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke and the host undid it.
    """
    chosen, onto = offered.snapshot, offered.onto
    words = ["export" if onto else "restore", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", offered.path] if offered.path else []), *(["--to", offered.to] if offered.to and not onto else [])]

    def heard(line: Mapping[str, Any], host: str) -> Iterator[Event]:
        what = line["event"]
        if what == "staging":
            yield Event("task_started", host, f"Read {', '.join(line['names'])} from {chosen.place}")
        elif what == "moving":
            yield Event("task_started", host, f"Put {', '.join(line['names'])} in place")
        elif what == "restored":
            detail = {"diff": "", **{word: value for word, value in line.items() if word != "event"}}
            yield Event("host_changed", host, f"Restore {', '.join(line['items'])}", detail)
        elif what == "failed":
            yield Event("host_failed", host, "Restore", {"problem": line["cause"]})

    asked = {"from": chosen.place, "snapshot": chosen.id[:8], "snapshot_at": chosen.at.isoformat(), "path": offered.path}
    asked |= {word: value for word, value in (("to", offered.to), ("onto", onto)) if value}
    return _do(work, "restore", words, heard, watch, commit=commit, asked=asked, carry=(onto, offered.to) if onto else None)


# On the other host: beside its place first, then into it; what stands there already stays. Standard input: a tar.
_UNPACK = """
set -eu
mkdir -p -- "$1"
part=$(mktemp -d "$1/.office-restore.XXXXXX")
trap 'rm -rf -- "$part"' EXIT
tar -x --no-same-owner -C "$part"
find "$part" -mindepth 1 -maxdepth 1 -exec sh -c '
  for path; do [ ! -e "$0/${path##*/}" ] || { echo "$0/${path##*/} is there already" >&2; exit 1; }; done
  mv -t "$0" -- "$@"' "$1" {} +
"""


def _room(work: Work, host: str, to: str, size: int) -> None:
    """Stop where the other host has not the room, or when the folder cannot be one."""
    if not to.startswith("/"):
        raise BadInput(f"{to or 'no folder'} is no folder of {host}", hint="--to with a path that begins with /")
    near = 'path=$1; while [ ! -d "$path" ]; do path=$(dirname "$path"); done; df -B1 --output=avail "$path" | tail -n 1'
    done = work.door.run(host, work.met[host], ["sudo", "-n", "sh", "-c", near, "sh", to])
    free = int(done.stdout.strip() or 0)
    if size > free:
        raise HostFailed(
            f"the disk is too small: {size / 1e6:.1f} MB are to be restored and {free / 1e6:.1f} MB are free on {host}"
        )


def _carried(work: Work, host: str, address: str, words: Sequence[str], carry: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """The same as `_said`, and what the program writes goes over this laptop's two connections into another host's folder."""
    onto, to = carry
    there = work.door.command(onto, work.met[onto], ["sudo", "-n", "sh", "-c", _UNPACK, "unpack", to])
    here = work.door.command(host, address, ["sudo", "-n", PROGRAM, *words])
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(here, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace") as giver,
        subprocess.Popen(there, stdin=giver.stdout, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as taker,
    ):
        assert giver.stdout and giver.stderr and taker.stderr
        giver.stdout.close()  # the taker's now: its end is the giver's
        last: dict[str, Any] = {}
        for line in giver.stderr:
            if line.startswith("{"):
                last = json.loads(line)
                if last["event"] != "restored":
                    yield last
        refused = taker.stderr.read().strip()
    if 255 in (giver.returncode, taker.returncode):
        raise explain(host if giver.returncode == 255 else onto, "", work.door.user, refused)
    if taker.returncode and last.get("event") in ("restored", "moving"):
        yield {"event": "failed", "cause": f"{onto}: {(refused.splitlines() or ['it did not take it'])[-1]}"}
    elif last.get("event") == "restored":
        yield last


def _do(
    work: Work,
    verb: str,
    words: Sequence[str],
    heard: Callable[[Mapping[str, Any], str], Iterator[Event]],
    watch: Listener,
    *,
    commit: bool,
    asked: Mapping[str, Any] | None = None,
    carry: tuple[str, str] | None = None,
) -> Run:
    """One run under the lease: journal, fold, summary, commit."""
    recorder = begin(work, verb, watch, **(asked or {}))
    status, error, begun = "interrupted", "", False
    lease: Lease | None = None
    try:
        host, address = _address(work, recorder)
        lease = Lease(work.door, work.met | bystanders(work), work.run_id, work.door.user, lost=lambda _: None)
        lease.__enter__()
        recorder(Event("lease_taken", detail={"hosts": sorted(lease.met)}))
        begun = True
        for line in _carried(work, host, address, words, carry) if carry else _said(work, host, address, words):
            for event in heard(line, host):
                recorder(event)
        status = runs.verdict(runs.fold(recorder.events).hosts)
    except BaseException as problem:
        status, error = ("interrupted" if isinstance(problem, KeyboardInterrupt) else "stopped"), str(problem)
        raise
    finally:
        done = end(recorder, status, error)
        try:
            if begun:
                _keep(work, done, commit=commit)
        finally:
            if lease:
                lease.__exit__()
            work.door.close()
    return done


def _keep(work: Work, done: Run, *, commit: bool) -> None:
    """The summary in the audit, and one commit (real offices)."""
    target = work.target
    runs.keep(target.summaries, runs.summary(done))
    if commit and not target.lab:
        _, name, email = technician(target)
        message = f"{target.office}: {done.verb} by {done.technician}: {done.status}\n\nrun {done.id}\n"
        git.commit(target.inventory, [target.folder], message, name=name, email=email)
