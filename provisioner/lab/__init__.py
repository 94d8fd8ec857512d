"""The lab: a virtual office on this laptop, the dossier's hosts as real blank Debian systems on a LAN of their own.

The whole command line runs plugged into that LAN (`plugged`), so everything that works at a client's works here
unchanged. What a lab has made is written down before it is made; `down` removes it all, whatever was killed before.
"""

import concurrent.futures
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from provisioner import package_cache, repository_server
from provisioner.errors import BadInput, HostFailed, Missing
from provisioner.inventory.dossier import Office
from provisioner.inventory.models import Kind
from provisioner.inventory.target import Target
from provisioner.lab import base, disks, machines, network, printers, provider, requirements, snapshot
from provisioner.lab.machines import File, Machine
from provisioner.lab.remove import mounts_below, remove_tree
from provisioner.lab.snapshot import Snapshot
from provisioner.lab.state import Lab, State, folder_of, id_of, locked, read
from provisioner.laptop.processes import as_root, last_lines, run
from provisioner.secrets import vault
from provisioner.secrets.models import Secrets

__all__ = ["Lab"]

BOOT_TIMEOUT_S = 120


def _quiet(line: str) -> None:
    """Say nothing."""


def up(
    office: Office, target: Target, *, suite: str = "trixie", start: str = "", disk_mib: int = disks.SIZE_MIB,
    say: Callable[[str], None] = _quiet,
) -> Lab:  # fmt: skip
    """Bring the office's lab up and wait until the sshd of every host answers; a server has a second disk of `disk_mib`.

    A lab that is up stays as it is; hosts that died in it are started again. What a killed `up` left is removed first.
    With `start`, its machines are not blank but as the snapshot of that name has them.

    Raises:
        Missing: this laptop lacks something; nothing was touched.
        BadInput: the lab is up with another suite or other hosts.
        HostFailed, Unreachable: a host did not come up; the message shows its console, the lab has been removed.
    """
    lab_id = id_of(target)
    base.path_of(suite)
    with locked(lab_id):
        state = read(lab_id)
        plan = network.plan(office, lab_id)
        if state and state.ready and _stands(state):
            return _again(state, plan, suite, say)
        beside = sum(up != "off" for lab in every() if id_of(lab.target) != lab_id for _, up, _ in lab.hosts)
        requirements.check(plan.machines, base.lab_home(), beside)
        if state or folder_of(lab_id).exists():
            say("Removing what an interrupted lab left.")
            _remove(lab_id, state)
        try:
            second = {name: disk_mib for name, host in office.hosts.items() if host.kind is Kind.SERVER}
            return _create(office, target, plan, suite, second, snapshot.get(start, suite) if start else None, say)
        except BaseException:
            _remove(lab_id, read(lab_id))
            raise


def _stands(state: State) -> bool:
    """Whether the lab's namespaces and disks are still there: after the laptop's reboot they are not."""
    return all((network.NAMESPACES / name).exists() for name in state.network.namespaces) and all(
        machine.root.is_mount() and (not machine.disk_mib or machine.disk.is_mount()) for machine in state.machines.values()
    )


def _again(state: State, plan: network.Network, suite: str, say: Callable[[str], None]) -> Lab:
    if (state.suite, state.network) != (suite, plan):
        what = (
            f"with {state.suite}" if state.suite != suite else "with other hosts, printers or providers than the dossier has now"
        )
        raise BadInput(f"the lab of {state.office} is up {what}", hint=f"provisioner lab down {state.office}")
    say(f"The lab of {state.office} is up.")
    _ensure_forward(state)
    _switch_on_printers(state)
    dead = {name: machine for name, machine in state.machines.items() if machine.process is None}
    for name, machine in dead.items():
        say(f"Starting {name} again.")
        machines.power_on(machine)
    if dead:
        machines.wait(dead, state.network, say, BOOT_TIMEOUT_S, before=len(state.machines) - len(dead))
    return state.lab


def _create(
    office: Office, target: Target, plan: network.Network, suite: str, second: dict[str, int], start: Snapshot | None,
    say: Callable[[str], None],
) -> Lab:  # fmt: skip
    began = time.monotonic()
    login = start.login if start else (base.USER, "-".join(secrets.token_hex(2) for _ in range(3)))
    inventory = str(target.inventory.resolve())
    state = State(office.name, inventory, id_of(target), suite, login, plan, second, snapshot=str(start.folder) if start else "")
    state.folder.mkdir(mode=0o700)
    state.write()
    for previous in (target.known_hosts, target.state / "addresses.json"):  # what was known of machines that are no more
        previous.unlink(missing_ok=True)
    if start:
        start.recall(target)
    system = base.ensure(suite, say)
    if plan.provider and plan.provider.backup and plan.provider.backup["append_only"]:
        base.with_packages(suite, repository_server.PACKAGES, say)
    say(f"Starting {len(plan.cables)} hosts of {office.name}.")
    network.build(plan)
    _switch_on_printers(state)
    _write_resolver(state, office)
    shadow, kept = _shadow(system, login), vault.read(target)
    hosts = state.machines
    gateway = {plan.router: hosts.pop(plan.router)}
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        # The gateway boots while the others are made: a host that asks DHCP in vain asks again only seconds later.
        first = pool.submit(_make, gateway[plan.router], system, state, shadow, start, kept)
        rest = [pool.submit(_make, machine, system, state, shadow, start, kept) for machine in hosts.values()]
        first.result()
        machines.power_on(gateway[plan.router])
        _ensure_forward(state)
        machines.wait(gateway, plan, say, BOOT_TIMEOUT_S)
        for made in rest:
            made.result()
        for _ in pool.map(machines.power_on, hosts.values()):
            pass
    machines.wait(hosts, plan, say, BOOT_TIMEOUT_S, before=1)
    state.ready, state.started_s = True, round(time.monotonic() - began, 1)
    state.write()
    say(f"The lab of {office.name} is up: {len(plan.cables)} hosts in {state.started_s} s.")
    return state.lab


def _make(machine: Machine, system: Path, state: State, shadow: str, start: Snapshot | None, kept: Secrets) -> None:
    plan, layers = state.network, start.layers(machine.name, system) if start else [system]
    if plan.provider and machine.name == plan.provider.name:
        files = provider.files(plan.provider, kept, system)
        files["etc/shadow"] = File(shadow + provider.account(plan.provider), 0o640, gid=42)  # group shadow, base-passwd
        if plan.provider.backup and plan.provider.backup["append_only"]:
            layers = [base.with_packages(state.suite, repository_server.PACKAGES, _quiet), *layers]
    elif start and start.has(machine.name):
        files = {}
    else:
        files = {path: File(content) for path, content in network.files(plan, machine.name).items()}
        files |= machines.host_keys()
        files["etc/machine-id"] = File(f"{secrets.token_hex(16)}\n", 0o444)
        files["etc/shadow"] = File(shadow, 0o640, gid=42)
    machines.create(machine, layers, files)
    disks.insert(machine, start.disk(machine.name) if start else None)


def _shadow(system: Path, login: tuple[str, str]) -> str:
    """The base's /etc/shadow with the lab's password, hashed as Debian does (crypt(5); perl is everywhere, crypt not in 3.13)."""
    code = 'my ($p, $s) = map { chomp; $_ } <STDIN>; print crypt($p, "\\$y\\$j9T\\$$s")'
    salted = f"{login[1]}\n{secrets.token_hex(8)}\n"
    made = subprocess.run(["perl", "-e", code], input=salted, capture_output=True, text=True, check=True).stdout
    lines = run(["cat", str(system / "etc/shadow")]).splitlines()
    user, day = login[0], int(time.time() // 86400)
    return "".join(f"{user}:{made}:{day}:0:99999:7:::\n" if line.startswith(f"{user}:") else f"{line}\n" for line in lines)


def _write_resolver(state: State, office: Office) -> None:
    """What a laptop plugged in would be told by DHCP: the office's names live on its server, else on its router."""
    order = {"server": 0, "router": 1}
    found = sorted((order[host.kind], host.address) for host in office.hosts.values() if host.kind in order)
    lines = [f"nameserver {address}" for _, address in found[:3]]
    lines += [f"search {office.lan.domain}", "options timeout:1 attempts:1"]
    (state.folder / "resolv.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _switch_on_printers(state: State) -> None:
    for printer in state.printers.values():
        printers.switch_on(printer, state.network)


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


def down(target: Target, *, say: Callable[[str], None] = _quiet) -> bool:
    """Remove the office's lab and all it made, whatever state it is in; False when there was nothing."""
    lab_id = id_of(target)
    with locked(lab_id):
        state = read(lab_id)
        there = state is not None or folder_of(lab_id).exists()
        if there:
            _remove(lab_id, state)
            say(f"The lab of {target.office} is gone.")
    return there


def _remove(lab_id: str, state: State | None) -> None:
    folder = folder_of(lab_id)
    if state:
        if state.forward:
            package_cache.stop_forward(state.forward)
        printers.switch_off(state.printers.values(), state.network)
        machines.power_off(state.machines.values())
        for machine in state.machines.values():
            machines.unmount(machine)
        network.remove(state.network.namespaces)
    base.sweep()
    if mounts_below(folder):
        raise HostFailed(f"{mounts_below(folder)[0]} is still mounted", hint=f"fuser -vm {mounts_below(folder)[0]}")
    remove_tree(folder)
    package_cache.stop_cache()


def save(target: Target, name: str, *, say: Callable[[str], None] = _quiet) -> None:
    """Shut the office's lab down in good order and keep its disks as the snapshot `name`; the lab is gone then.

    Raises:
        Missing: it is not up.
        HostFailed: a host did not shut down.
        BadInput: it started from a snapshot itself.
    """
    lab_id = id_of(target)
    with locked(lab_id):
        state = _up(target)
        say("Shutting the hosts down.")
        machines.shut_down(state.machines.values())
        for machine in state.machines.values():
            machines.unmount(machine)
        snapshot.keep(name, state, target)
        _remove(lab_id, state)
        say(f"The snapshot {name} is kept.")


def find(target: Target) -> Lab | None:
    """The office's lab; None when it is not up."""
    state = read(id_of(target))
    return state.lab if state else None


def every() -> list[Lab]:
    """All labs of this user, by office."""
    states = (read(path.parent.name) for path in base.lab_home().glob("*/lab.json"))
    return sorted((state.lab for state in states if state), key=lambda lab: lab.office)


def _up(target: Target) -> State:
    state = read(id_of(target))
    if state is None or not state.ready:
        raise Missing(f"the lab of {target.office} is not up", hint=f"provisioner lab up {target.office}")
    return state


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


def plugged(target: Target, command: list[str]) -> list[str]:
    """The argv that runs `command` plugged into the lab's LAN, as the calling user, with the lab's own resolv.conf.

    Not `ip netns exec`: that one remounts /sys, and cgroups vanish.

    Raises:
        Missing: the lab is not up; the hint says how to bring it up.
    """
    state = _up(target)
    enter = ["nsenter", f"--net={network.NAMESPACES / state.network.lan}", "--"]
    enter += ["unshare", "--mount", "--propagation", "private", "--"]
    enter += ["sh", "-c", _PLUG, "plug", str(state.folder / "resolv.conf")]
    if os.geteuid() == 0:
        return [*enter, *command]
    # sudo gave us root and a path of its own: back to the caller with his environment (values never in arguments).
    back = ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups", "--inh-caps=-all", "--"]
    kept = [name for name in os.environ if name not in ("PATH", "HOME")]
    own = [f"{name}={os.environ[name]}" for name in ("PATH", "HOME") if name in os.environ]
    return as_root([*enter, *back, "env", *own, *command], keep=kept)


def _machine(target: Target, host: str) -> tuple[State, Machine]:
    state = _up(target)
    if host not in state.machines:
        there = ", ".join([*state.machines, *state.printers])
        raise Missing(f"the lab of {target.office} has no machine {host}", hint=f"one of {there}")
    return state, state.machines[host]


def power_off(target: Target, name: str) -> None:
    """Cut the power of a host, of a printer, or of what stands for the providers: SIGKILL to its whole system."""
    state = _up(target)
    if name in state.printers:
        printers.switch_off([state.printers[name]], state.network)
    else:
        machines.power_off([_machine(target, name)[1]])


def power_on(target: Target, name: str) -> None:
    """Boot what is off and wait until its sshd answers (a printer has none); what runs stays as it is."""
    state = _up(target)
    if name in state.printers:
        printers.switch_on(state.printers[name], state.network)
        return
    machine = _machine(target, name)[1]
    if machine.process is None:
        machines.power_on(machine)
        machines.wait({name: machine}, state.network, _quiet, BOOT_TIMEOUT_S)


def replace(target: Target, host: str) -> None:
    """Put a blank machine in the host's place, as after a theft or a fire: new disks, the second one too, and new host keys."""
    state, machine = _machine(target, host)
    machines.power_off([machine])
    machines.unmount(machine)
    remove_tree(machine.folder)
    system = base.path_of(state.suite)
    _make(machine, system, state, _shadow(system, state.login), None, vault.read(target))
    power_on(target, host)


def printed(target: Target, printer: str) -> list[Path]:
    """What came out of a printer, oldest first, one file a job."""
    state = _up(target)
    if printer not in state.printers:
        raise Missing(f"the lab of {target.office} has no printer {printer}", hint=f"one of {', '.join(state.printers)}")
    return printers.printed(state.printers[printer])


def mails(target: Target) -> list[str]:
    """The messages that arrived at the provider, oldest first, each with `X-Envelope-From` and `X-Envelope-To` on top."""
    state = _up(target)
    plan = state.network.provider
    return provider.mails(state.machines[plan.name]) if plan else []


def beyond(target: Target, addresses: Sequence[str]) -> tuple[list[str], list[str]]:
    """How to look at the office from the Internet's side of its gateway.

    Returns:
        The words that run a command there as root, and what to look at: the gateway's outside, and `addresses` of the LAN,
        which whoever sits next to it on the line can send to.
    """
    state = _up(target)
    network.route_beyond(state.network)
    there = as_root(["nsenter", f"--net={network.NAMESPACES / state.network.internet}", "--"])
    return there, [str(network.OUTSIDE.ip), *addresses]


def cut(target: Target, host: str) -> None:
    """Pull the host's cable."""
    network.unplug(_machine(target, host)[0].network, host, plugged=False)


def mend(target: Target, host: str) -> None:
    """Plug the host's cable in again."""
    network.unplug(_machine(target, host)[0].network, host, plugged=True)


def console(target: Target, host: str, count: int = 20) -> list[str]:
    """The last lines of a host's console."""
    return last_lines(_machine(target, host)[1].console, count)
