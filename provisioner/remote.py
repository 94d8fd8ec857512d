"""`remote`: this laptop's end of the way in. Open, every verb reaches an office by its own ULA, wherever the laptop is.

A technician has one link, to the hub, and what is open decides which offices are routed into it. The laptop's key is made here
and never leaves it; its public half is the reseller's file's to know, and with it the hub's.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from provisioner import lab
from provisioner.errors import BadInput, HostFailed, HostKeyChanged, Missing, Unreachable, Unreadable
from provisioner.hosts import answers
from provisioner.hosts.access import SshAccess
from provisioner.hosts.keys import technician_key
from provisioner.hosts.lookup import look_up
from provisioner.inventory import open_inventory, technicians, way_in
from provisioner.inventory.target import Target
from provisioner.inventory.way_in import Opened
from provisioner.language import N_
from provisioner.laptop import disk, git
from provisioner.laptop.processes import run
from provisioner.operation import Operation, operation
from provisioner.operation.from_afar import Way, hub_at, key_file, laptop_key, read
from provisioner.operation.selection import prepare, technician
from provisioner.runs import Event

ANSWERS_S = 20  # a tunnel that both ends have had up answers within a second; one that starts, by its first keepalive
HEARD_S = 180  # an end that was not heard for so long is not there (WireGuard, REJECT_AFTER_TIME)
REASON = 200

# The kernel's WireGuard or, where it has none, wireguard-go; the private key by its file alone, never as a word.
_UP = """set -e
link=$1; key=$2; peer=$3; endpoint=$4; allowed=$5; own=$6
if ! ip link show "$link" >/dev/null 2>&1; then
  ip link add "$link" type wireguard 2>/dev/null || wireguard-go "$link" >/dev/null 2>&1
fi
wg set "$link" private-key "$key" peer "$peer" endpoint "$endpoint" persistent-keepalive 25 allowed-ips "$allowed"
ip address replace "$own/128" dev "$link"
ip link set "$link" up
ip -6 route flush dev "$link" proto static
for network in $(echo "$allowed" | tr , ' '); do ip -6 route replace "$network" dev "$link" proto static; done
"""


@dataclass
class Status:
    """How a way in is: on this laptop, at the hub, at the office; each what was seen, None where nobody could be asked."""

    opened: Opened | None = None
    hub_heard_s: float | None = None  # since the hub was last heard here
    hub_knows_office_s: float | None = None  # since the hub last heard the office
    office: Mapping[str, Any] | None = None  # what the office's own end says
    problems: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the office was really met by it just now."""
        return bool(self.opened and self.office and self.office.get("up"))


def open_way(target: Target, because: str) -> Way:
    """Put this laptop's link up and route the office into it; open it is once `announce` has met the office by it.

    Raises:
        BadInput: no reason, no way in, or the reseller's file does not know this laptop's key.
        Missing: no key of the hub's is known, a program is missing, or (lab) the hub is not up on the same Internet.
        HostFailed: the link could not be made.
    """
    because, way = _reason(because), read(target)
    login, name, _ = technician(target)
    path, public = laptop_key(way)
    known = open_inventory(target.inventory).reseller(way.office.reseller).technicians[login].tunnel_key
    if not target.lab and known != public:
        raise BadInput(
            f"the key of this laptop is not {login}'s in resellers/{way.office.reseller}.yml: the hub would not know you",
            hint=f"write there, under technicians.{login}: tunnel_key: {public}; then: provisioner apply {way.hub.name}",
        )
    hub_key = way_in.public_key(way.hub_target)
    if not hub_key:
        raise Missing(f"nobody has made the key of the hub {way.hub.name} yet", hint=f"provisioner apply {way.hub_target.words}")
    for program in ("wg", "ip"):
        _needed(program)
    with _one_at_a_time(way):
        _record(target, Opened(way.hub.name, name, because, time.time(), way_in.boot(), way_in.process(os.getpid())))
        _route(way, path, hub_key, login, _led(way))
    return way


def rekey(target: Target, because: str, *, say: Callable[[str], None], commit: bool = True) -> Way:
    """A new key of the office's end: with the next `apply` of the hub the old one opens nothing there.

    Raises:
        BadInput, Missing, Locked: nothing is changed.
    """
    from provisioner.secrets import rotation

    way, because = read(target), _reason(because)
    with _noted(target, way.gate, because, say=say, commit=commit) as op:
        op.more["key"] = rotation.rekey(target)
    return way


def rekey_technician(
    target: Target, login: str, because: str, *, say: Callable[[str], None], commit: bool = True
) -> tuple[Way, str]:
    """Another key of a technician's laptop in the reseller's file: a new one of this laptop, or none where it is somebody else's.

    With the next `apply` of the hub the one before opens nothing there. Returns the way and the new public key.

    Raises:
        BadInput, Missing, Busy: nothing is changed.
    """
    from provisioner.secrets.certificates import tunnel

    way, because, me = read(target), _reason(because), technician(target)
    if target.lab:
        raise BadInput("in a lab the reseller's file says nothing of laptops: each lab has its own key", hint="without --lab")
    new = tunnel() if login == me[0] else {}
    with _noted(way.hub_target, way_in.gate(way.hub), because, say=say, commit=commit) as op:
        op.more |= {"laptop_of": login, "key": new.get("key_public", "")}
        path = key_file(way)
        if new:
            disk.write(path.with_name("tunnel.new.key"), new["key"] + "\n")
        inventory = open_inventory(target.inventory)
        technicians.set_tunnel_key(inventory, way.office.reseller, login, new.get("key_public", ""))
        if new:
            disk.move(path.with_name("tunnel.new.key"), path)
    if commit:
        said = f"{way.office.reseller}: {'another' if new else 'no'} key of {login}'s laptop in tunnels"
        git.commit(inventory.root, [inventory.root / "resellers" / f"{way.office.reseller}.yml"], said, name=me[1], email=me[2])
    return way, new.get("key_public", "")


@contextlib.contextmanager
def _noted(target: Target, host: str, because: str, *, say: Callable[[str], None], commit: bool) -> Iterator[Operation]:
    """A change of keys, kept in the audit; no machine is asked: the next `apply` tells them."""
    selection = prepare(target, [host])
    with operation(
        selection, "remote rekey", watch=lambda _: None, say=say, leased=False, reaching=False, commit=commit,
        detail={"because": because},
    ) as op:  # fmt: skip
        yield op
        op.begun, op.status = True, "changed"


def _reason(because: str) -> str:
    """Why somebody does it, as one line.

    Raises:
        BadInput: it is none that can be read.
    """
    because = " ".join(because.split())
    if not because or len(because) > REASON or not because.isprintable():
        raise BadInput(
            f"why do you come? one line of at most {REASON} characters, which the office reads", hint='--because "updates of May"'
        )
    return because


def close_way(target: Target) -> bool:
    """Take the office's route away, and the link with the last one, a killed `open`'s too; False when it was not open."""
    way = read(target)
    there = way_in.opened(target) is not None
    with _one_at_a_time(way):
        written = (target.state / way_in.RECORD).exists()
        (target.state / way_in.RECORD).unlink(missing_ok=True)
        if left := _led(way):
            path, _ = laptop_key(way)
            _route(way, path, way_in.public_key(way.hub_target), technician(target)[0], left)
        elif written or (not target.lab and way_in.linked(way.link)):
            with contextlib.suppress(HostFailed, Missing):
                run(_within(way, ["ip", "link", "delete", way.link]))
    return there


@contextlib.contextmanager
def _one_at_a_time(way: Way) -> Iterator[None]:
    """One process at a time decides what is led into this laptop's link to a hub."""
    with (way.hub_target.state / "remote.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record(target: Target, opened: Opened) -> None:
    disk.write(target.state / way_in.RECORD, json.dumps(asdict(opened)))


def announce(target: Target, *, say: Callable[[str], None], commit: bool = True) -> str:
    """Meet the office by the way, write down there who came and why, and here in the audit; then it is open.

    Returns the host it was met at. However it ends else, the way is closed again, so that the next verb looks on the LAN.

    Raises:
        Unreachable: it did not answer.
        HostKeyChanged: somebody else did.
        Unreadable: it did not note it; nothing is in the audit.
        BadInput: somebody closed it meanwhile.
    """
    way, opened = read(target), _begun(target)
    _record(target, replace(opened, owner=way_in.process(os.getpid())))  # a call plugged into a lab is another process
    try:
        _announce(target, way, opened, say=say, commit=commit)
        with _one_at_a_time(way):
            _record(target, replace(_begun(target), owner="", met=True))
    except BaseException:
        with contextlib.suppress(HostFailed, Missing):
            close_way(target)
        raise
    return way.gate


def _begun(target: Target) -> Opened:
    """What `open` has written down so far; a `close` beside it takes that away."""
    if found := way_in.recorded(target):
        return found
    raise BadInput(f"{target.office} was closed meanwhile", hint=f"provisioner remote open {target.words} --because …")


def _announce(target: Target, way: Way, opened: Opened, *, say: Callable[[str], None], commit: bool) -> None:
    selection, detail = prepare(target, [way.gate]), {"because": opened.because, "hub": opened.hub}
    with operation(
        selection, "remote open", watch=lambda _: None, say=say, leased=False, reaching=False, commit=commit, detail=detail
    ) as op:
        _announced(target, way, opened)
        op.recorder(Event("host_changed", way.gate, "Note who came and why"))
        op.begun, op.status = True, "changed"


def _announced(target: Target, way: Way, opened: Opened) -> None:
    ssh = _ssh(target)
    try:
        until = time.monotonic() + ANSWERS_S
        while not (found := look_up(ssh, {way.gate: [way.address(way.gate)]})[way.gate]).address:
            if found.key_changed:
                raise HostKeyChanged(found.problem, hint=found.hint)
            if time.monotonic() > until:
                raise Unreachable(
                    f"{target.office} does not answer through {way.hub.name}: {found.problem}",
                    hint="closed by the office, switched off, or without a line: ask them",
                )
            time.sleep(1)
        words = ["sudo", "-n", "/usr/local/libexec/office-remote", "note"]
        asked = json.dumps({"who": opened.who, "because": opened.because})
        done = ssh.run(way.gate, found.address, words, stdin=asked + "\n", timeout_s=30)
        if done.returncode:
            raise Unreadable(f"{way.gate} of {target.office} did not note why you came: {done.stderr.strip()[:200]}")
    finally:
        ssh.close()


class Peer(answers.Answer):
    """Another end that this one knows, and when it was heard last, in seconds since 1970 by its own clock; 0: never."""

    name: answers.Short
    heard: Annotated[float, Field(ge=0, le=1e11)]


class Ends(answers.Answer):
    """What an end of a tunnel says of the others, and what time it is there."""

    peers: list[Peer] = Field(max_length=20_000)
    now: Annotated[float, Field(ge=0, le=1e11)]


def status(target: Target) -> Status:
    """How the way in is, asked at every end that can be asked now; changes nothing."""
    way = read(target)
    seen = Status(opened=way_in.opened(target))
    if seen.opened:
        seen.hub_heard_s = _heard(way)
        if seen.hub_heard_s is None or seen.hub_heard_s > HEARD_S:
            seen.problems.append(N_("the hub {name} does not answer this laptop").format(name=way.hub.name))
    ssh = _ssh(target)
    try:
        at = way.address(way.gate) if seen.opened else str(way.office.hosts[way.gate].address)
        seen.office = _asked(ssh, way.gate, at, seen.problems)
    finally:
        ssh.close()
    if seen.opened and seen.hub_heard_s is not None and way.hub.name != way.office.name:
        _ask_hub(way, seen)
    return seen


def _ask_hub(way: Way, seen: Status) -> None:
    """When the hub last heard the office."""
    gate, ssh = way_in.gate(way.hub), _ssh(way.hub_target)
    try:
        at = str(way_in.address(way.hub, way.hub.hosts[gate].address))
        said = _asked(ssh, gate, at, seen.problems)
    finally:
        ssh.close()
    peers = {one.get("name"): one for one in (said or {}).get("peers", []) if isinstance(one, dict)}
    peer, now = peers.get(way.office.name), (said or {}).get("now", 0)
    if said and not peer:
        seen.problems.append(
            N_("the hub does not know {name}: provisioner apply {words}").format(name=way.office.name, words=way.hub_target.words)
        )
    elif peer and peer.get("heard"):
        seen.hub_knows_office_s = max(0.0, float(now) - float(peer["heard"]))
    elif peer:
        seen.problems.append(N_("the hub has never heard {name}").format(name=way.office.name))


def _asked(ssh: SshAccess, host: str, at: str, problems: list[str]) -> dict[str, Any] | None:
    """What an end of a tunnel says of itself."""
    try:
        done = ssh.run(host, at, ["sudo", "-n", "/usr/local/libexec/office-remote", "status"], timeout_s=30)
        said = answers.plain(done.stdout) if done.returncode == 0 and answers.read(done.stdout, Ends) else None
    except (HostKeyChanged, Unreachable) as problem:
        problems.append(str(problem))
        return None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        problems.append(f"{host} ({at}) does not say how its way in is: {done.stderr.strip()[:200] or done.stdout[:80]}")
        return None
    return said


def _heard(way: Way) -> float | None:
    """How long ago the hub was heard on this laptop's link, in seconds; None: never, or there is no link."""
    with contextlib.suppress(HostFailed, ValueError, IndexError):
        last = int(run(_within(way, ["wg", "show", way.link, "latest-handshakes"])).split()[1])
        return time.time() - last if last else None
    return None


def _led(way: Way) -> set[str]:
    """The offices of this hub that are open on this laptop, or about to be."""
    assert way.hub.hub
    names = {way.hub.name, *way.hub.hub.offices}
    found = {name: way_in.recorded(Target(way.target.inventory, name, way.target.lab)) for name in names}
    return {name for name, one in found.items() if one and one.hub == way.hub.name}


def _route(way: Way, key: Path, hub_key: str, login: str, offices: set[str]) -> None:
    """Have the link, its peer the hub, and these offices' addresses (and the hub's own) led into it."""
    inventory = open_inventory(way.target.inventory)
    networks = sorted({str(way.hub.ula), *(str(inventory.office(name).ula) for name in offices)})
    assert way.hub.hub
    endpoint = hub_at(way.target) if way.target.lab else way.hub.hub.endpoint
    if not endpoint:
        raise Missing(f"the lab of the hub {way.hub.name} is not up", hint=f"provisioner lab up {way.hub.name} --internet NAME")
    words = [way.link, str(key), hub_key, f"{endpoint}:{way_in.PORT}", ",".join(networks)]
    run(_within(way, ["sh", "-c", _UP, "up", *words, str(way_in.technician(way.hub, login))]))


def _within(way: Way, words: Sequence[str]) -> list[str]:
    """A command where this laptop's link is: in its own network, or in a lab on the Internet of that lab."""
    return [*lab.on_the_internet(way.target), *words] if way.target.lab else list(words)


def _ssh(target: Target) -> SshAccess:
    return SshAccess(target, technician(target)[0], technician_key(target), shared=False)


def _needed(program: str) -> None:
    import shutil

    if not shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"):
        raise Missing(f"this laptop has no {program}", hint="sudo apt install wireguard-tools wireguard-go")
