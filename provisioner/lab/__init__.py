"""The lab: a virtual office on this laptop, the dossier's hosts as real blank Debian systems on a LAN of their own.

The whole command line runs plugged into that LAN (`plugged`), so everything that works at a client's works here
unchanged. What a lab has made is written down before it is made; `down` removes it all, whatever was killed before.
"""

import concurrent.futures
import dataclasses
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from provisioner import package_cache
from provisioner.errors import BadInput, HostFailed, Missing, one_of
from provisioner.inventory import way_in
from provisioner.inventory.dossier import Office
from provisioner.inventory.models import Kind
from provisioner.inventory.target import Target
from provisioner.lab import base, blank, devices, disks, frr, machines, network, requirements, snapshot
from provisioner.lab.devices import Device, printers, provider
from provisioner.lab.internet import Internet
from provisioner.lab.power import console, cut, mend, power_off, power_on, replace
from provisioner.lab.remove import mounts_below, remove_tree
from provisioner.lab.snapshot import Snapshot
from provisioner.lab.state import Lab, State, folder_of, id_of, locked, read, ready
from provisioner.laptop.processes import as_root

__all__ = ["Lab", "console", "cut", "mend", "power_off", "power_on", "replace"]


def up(
    office: Office, target: Target, *, suite: str = "trixie", start: str = "", internet: str = "",
    disk_mib: int = disks.SIZE_MIB, say: Callable[[str], None] = base.quiet,
) -> Lab:  # fmt: skip
    """Bring the office's lab up and wait until the sshd of every host answers; a server has a second disk of `disk_mib`.

    A lab that is up stays as it is; hosts that died in it are started again. What a killed `up` left is removed first.
    With `start`, its machines are not blank but as the snapshot of that name has them. With `internet`, the lab is on the
    Internet of that name with others that say the same, and alone on one of its own without.

    Raises:
        Missing: this laptop lacks something; nothing was touched.
        BadInput: the lab is up with another suite, other hosts or on another Internet.
        HostFailed, Unreachable: a host did not come up; the message shows its console, the lab has been removed.
    """
    lab_id = id_of(target)
    base.path_of(suite)
    shared = Internet(internet) if internet else None
    with locked(lab_id):
        state = read(lab_id)
        plan = network.plan(office, lab_id)
        if state and state.ready and _stands(state):
            return _again(state, plan, suite, shared, say)
        beside = sum(up != "off" for lab in every() if id_of(lab.target) != lab_id for _, up, _ in lab.hosts)
        requirements.check(plan.machines, base.lab_home(), beside)
        if state or folder_of(lab_id).exists():
            say("Removing what an interrupted lab left.")
            _remove(lab_id, state)
        try:
            second = {name: disk_mib for name, host in office.hosts.items() if host.kind is Kind.SERVER}
            return _create(office, target, plan, suite, second, snapshot.get(start, suite) if start else None, shared, say)
        except BaseException:
            _remove(lab_id, read(lab_id))
            raise


def _stands(state: State) -> bool:
    """Whether the lab's namespaces and disks are still there: after the laptop's reboot they are not."""
    line = state.network.line
    if line and not Internet(line.internet).stands:
        return False
    return all((network.NAMESPACES / name).exists() for name in state.network.namespaces) and all(
        machine.root.is_mount() and (not machine.disk_mib or machine.disk.is_mount())
        for machine in devices.systems(state).values()
    )


def _again(state: State, plan: network.Network, suite: str, shared: Internet | None, say: Callable[[str], None]) -> Lab:
    line = state.network.line
    if line != (shared and shared.lines.get(state.id)):
        where = f"the Internet {line.internet}" if line else "an Internet of its own"
        raise BadInput(f"the lab of {state.office} is up on {where}", hint=f"provisioner lab down {state.office}")
    plan = dataclasses.replace(plan, line=line)
    if (state.suite, state.network) != (suite, plan):
        what = (
            f"with {state.suite}" if state.suite != suite else "with other hosts, printers or providers than the dossier has now"
        )
        raise BadInput(f"the lab of {state.office} is up {what}", hint=f"provisioner lab down {state.office}")
    say(f"The lab of {state.office} is up.")
    _ensure_forward(state)
    dead = {name: machine for name, machine in devices.systems(state).items() if machine.process is None}
    for name in dead:
        say(f"Starting {name} again.")
    for device in devices.of(state):
        device.start()
    for name, machine in state.machines.items():
        if name in dead:
            machines.power_on(machine)
    if dead:
        machines.wait(dead, state.network, say, machines.BOOT_TIMEOUT_S, before=plan.machines - len(dead))
    return _describe(state)


def _create(
    office: Office, target: Target, plan: network.Network, suite: str, second: dict[str, int], start: Snapshot | None,
    shared: Internet | None, say: Callable[[str], None],
) -> Lab:  # fmt: skip
    began = time.monotonic()
    login = start.login if start else (base.USER, "-".join(secrets.token_hex(2) for _ in range(3)))
    inventory = str(target.inventory.resolve())
    state = State(office.name, inventory, id_of(target), suite, login, plan, second, snapshot=str(start.folder) if start else "")
    state.folder.mkdir(mode=0o700)
    state.write()
    if shared:
        state.network = plan = dataclasses.replace(plan, line=shared.join(state.id))
    for previous in (
        target.known_hosts,
        target.state / "addresses.json",
        target.state / way_in.RECORD,
    ):  # what was known of machines that are no more
        previous.unlink(missing_ok=True)
    if start:
        start.recall(target)
    base.ensure(suite, say)
    around = devices.of(state)
    for packages in [device.packages for device in around] + [frr.PACKAGES for _ in plan.real]:
        if packages:
            base.with_packages(suite, packages, say)
    say(f"Starting {len(plan.cables)} hosts of {office.name}.")
    network.build(plan)
    if shared and plan.line:
        shared.connect(plan, plan.line)
    _write_resolver(state, office)
    origin = blank.origin(suite, login, target, start)
    hosts = state.machines
    gateway = {plan.router: hosts.pop(plan.router)}
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        # The gateway boots while the others are made: a host that asks DHCP in vain asks again only seconds later.
        first = pool.submit(blank.make, gateway[plan.router], plan, origin)
        rest = [pool.submit(_begin, device, origin) for device in around]
        rest += [pool.submit(blank.make, machine, plan, origin) for machine in hosts.values()]
        first.result()
        machines.power_on(gateway[plan.router])
        _ensure_forward(state)
        machines.wait(gateway, plan, say, machines.BOOT_TIMEOUT_S)
        for made in rest:
            made.result()
        for _ in pool.map(machines.power_on, hosts.values()):
            pass
    waiting = {name: machine for name, machine in devices.systems(state).items() if name not in gateway}
    machines.wait(waiting, plan, say, machines.BOOT_TIMEOUT_S, before=1)
    state.ready, state.started_s = True, round(time.monotonic() - began, 1)
    state.write()
    say(f"The lab of {office.name} is up: {len(plan.cables)} hosts in {state.started_s} s.")
    return _describe(state)


def _begin(device: Device, origin: blank.Origin) -> None:
    device.create(origin)
    device.start()


def _write_resolver(state: State, office: Office) -> None:
    """What a laptop plugged in would be told by DHCP: the office's names live on its server, else on its router."""
    order = {"server": 0, "router": 1}
    found = sorted((order[host.kind], host.address) for host in office.hosts.values() if host.kind in order)
    lines = [f"nameserver {address}" for _, address in found[:3]]
    lines += [f"search {office.lan.domain}", "options timeout:1 attempts:1"]
    (state.folder / "resolv.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _ensure_forward(state: State) -> None:
    if state.forward and state.forward.process:
        return
    with package_cache.in_use() as cache:
        state.forward = package_cache.plan_forward(
            str(network.NAMESPACES / state.network.internet),
            str(network.INTERNET.ip),
            network.PROXY_PORT,
            cache.port,
            record=state.folder / "forward",
            while_exists=state.folder / "lab.json",
        )
        state.write()  # first: whoever cleans up after us must know its command line
        package_cache.start_forward(state.forward)


def down(target: Target, *, say: Callable[[str], None] = base.quiet) -> bool:
    """Remove the office's lab and all it made, whatever state it is in; False when there was nothing."""
    lab_id = id_of(target)
    with locked(lab_id):
        state = read(lab_id)
        there = state is not None or folder_of(lab_id).exists()
        if there:
            say(f"Ending the lab of {target.office}.")
            _remove(lab_id, state)
    return there


def forget(target: Target) -> None:
    """Remove what a lab that is down left in the state folder: journals, runs, records, secrets, pins, learnt totals.

    Raises:
        BadInput: it is up, or is no lab.
    """
    if not target.lab:
        raise BadInput(f"{target.office} is no lab", hint="what an office's runs left is its audit")
    lab_id = id_of(target)
    with locked(lab_id):
        if folder_of(lab_id).exists():
            raise BadInput(f"the lab of {target.office} is up", hint=f"provisioner lab down {target.office} --forget")
        remove_tree(target.state)


def _remove(lab_id: str, state: State | None) -> None:
    folder = folder_of(lab_id)
    if state:
        if state.forward:
            package_cache.stop_forward(state.forward)
        for device in devices.of(state):
            device.stop()
        machines.power_off(state.machines.values())
        for machine in devices.systems(state).values():
            machines.unmount(machine)
        if state.network.line:
            Internet(state.network.line.internet).leave(lab_id)
        network.remove(state.network.namespaces)
    base.sweep()
    if mounts_below(folder):
        raise HostFailed(f"{mounts_below(folder)[0]} is still mounted", hint=f"fuser -vm {mounts_below(folder)[0]}")
    remove_tree(folder)
    package_cache.stop_cache()


def save(target: Target, name: str, *, say: Callable[[str], None] = base.quiet) -> None:
    """Shut the office's lab down in good order and keep its disks as the snapshot `name`; the lab is gone then.

    Raises:
        Missing: it is not up.
        HostFailed: a host did not shut down.
        BadInput: it cannot be called so, or that is the snapshot it started from itself.
    """
    lab_id = id_of(target)
    with locked(lab_id):
        state = ready(target)
        systems = devices.systems(state)
        if str(snapshot.folder_of(name)) == state.snapshot:  # before anything is switched off for it
            raise BadInput(f"the snapshot {name} is what this lab stands on", hint="another name")
        say("Shutting the hosts down.")
        machines.shut_down(systems.values())
        for machine in systems.values():
            machines.unmount(machine)
        snapshot.keep(name, state, systems, target)
        _remove(lab_id, state)
        say(f"The snapshot {name} is kept.")


def find(target: Target) -> Lab | None:
    """The office's lab; None when it is not up."""
    state = read(id_of(target))
    return _describe(state) if state else None


def every(say: Callable[[str], None] = base.quiet) -> list[Lab]:
    """All labs of this user, by office; what another version of this tool made is told, and stands in nobody's way."""
    found = []
    for path in base.lab_home().glob("*/lab.json"):
        try:
            if state := read(path.parent.name):
                found.append(_describe(state))
        except BadInput as error:
            say(f"left alone: {error}")
    return sorted(found, key=lambda lab: lab.office)


def _describe(state: State) -> Lab:
    """What others may know of a lab; a mere program is up once it runs, a system when the whole lab is."""
    up = "up" if state.ready else "starting"
    hosts = [(cable.host, up if state.machines[cable.host].process else "off", cable.mac) for cable in state.network.cables]
    around = [
        (device.name, "off" if not device.running else up if device.machine else "up", device.address)
        for device in devices.of(state)
    ]
    proxy = f"http://{network.INTERNET.ip}:{network.PROXY_PORT}"
    home, line = Path(state.inventory), state.network.line
    return Lab(state.office, state.suite, state.login, proxy, hosts, around, state.started_s, home, state.snapshot, line)


# /etc/resolv.conf may be a link into /run (systemd-resolved): mount(8) follows it. Where nss-resolve asks the laptop's
# own resolver by its socket, that folder is hidden too: no name of the lab may leave it.
_PLUG = """
resolver=$1; shift
if [ -d /run/systemd/resolve ]; then
  mount -t tmpfs -o mode=755 provisioner /run/systemd/resolve
  cp "$resolver" /run/systemd/resolve/stub-resolv.conf && cp "$resolver" /run/systemd/resolve/resolv.conf
fi
if [ -d /run/nscd ]; then mount -t tmpfs provisioner /run/nscd; fi
mount --bind "$resolver" /etc/resolv.conf && exec "$@"
"""


def seat(state: State, target: Target, *, from_afar: bool = False) -> str:
    """The namespace that the laptop is plugged into: the LAN's, or the Internet's while the way in is open or being opened."""
    line = state.network.line
    return Internet(line.internet).namespace if line and (from_afar or way_in.opened(target)) else state.network.lan


def on_the_internet(target: Target) -> list[str]:
    """The words that run a command on the Internet that the office's lab shares with others, where a technician may be.

    Raises:
        Missing: the lab is not up, or alone on an Internet of its own.
    """
    line = ready(target).network.line
    if not line:
        what = f"the lab of {target.office} is alone on its Internet: no hub is there"
        raise Missing(what, hint=f"provisioner lab down {target.office}; provisioner lab up {target.office} --internet NAME")
    return ["nsenter", f"--net={network.NAMESPACES / Internet(line.internet).namespace}", "--"]


def plugged(target: Target, command: list[str], *, from_afar: bool = False) -> list[str]:
    """The argv that runs `command` plugged into the lab's LAN, as the calling user, with the lab's own resolv.conf.

    Not `ip netns exec`: that one remounts /sys, and cgroups vanish.

    Raises:
        Missing: the lab is not up; the hint says how to bring it up.
    """
    state = ready(target)
    enter = ["nsenter", f"--net={network.NAMESPACES / seat(state, target, from_afar=from_afar)}", "--"]
    enter += ["unshare", "--mount", "--propagation", "private", "--"]
    enter += ["sh", "-c", _PLUG, "plug", str(state.folder / "resolv.conf")]
    if os.geteuid() == 0:
        return [*enter, *command]
    # sudo gave us root and a path of its own: back to the caller with his environment (values never in arguments).
    back = ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups", "--inh-caps=-all", "--"]
    kept = [name for name in os.environ if name not in ("PATH", "HOME")]
    own = [f"{name}={os.environ[name]}" for name in ("PATH", "HOME") if name in os.environ]
    return as_root([*enter, *back, "env", *own, *command], keep=kept)


def printed(target: Target, printer: str) -> list[Path]:
    """What came out of a printer, oldest first, one file a job."""
    found = {one.name: one for one in printers.of(ready(target))}
    if printer not in found:
        raise Missing(
            f"the lab of {target.office} has no printer {printer}", hint=one_of(found, "printers: in the dossier, then a new lab")
        )
    return found[printer].printed


def mails(target: Target) -> list[str]:
    """The messages that arrived at the provider, oldest first, each with `X-Envelope-From` and `X-Envelope-To` on top."""
    return [mail for one in provider.of(ready(target)) for mail in one.mails]


def guest(target: Target) -> list[str]:
    """The words that run a command as root where a guest sits; none where the guests' network has no port of its own."""
    state = ready(target)
    where = state.network.guests
    return as_root(["nsenter", f"--net={network.NAMESPACES / where}", "--"]) if where else []


def beyond(target: Target, addresses: Sequence[str]) -> tuple[list[str], list[str]]:
    """How to look at the office from the Internet's side of its gateway.

    Returns:
        The words that run a command there as root, and what to look at: the gateway's outside, and `addresses` of the LAN,
        which whoever sits next to it on the line can send to.
    """
    state = ready(target)
    network.route_beyond(state.network)
    there = as_root(["nsenter", f"--net={network.NAMESPACES / state.network.internet}", "--"])
    return there, [str(state.network.outside.ip), *addresses]
