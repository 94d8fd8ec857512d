"""What can happen to a machine of a lab that is up: its power fails, its cable is pulled, it is stolen and replaced."""

from provisioner.errors import Missing
from provisioner.inventory.target import Target
from provisioner.lab import base, blank, devices, machines, network
from provisioner.lab.devices import Device
from provisioner.lab.machines import Machine
from provisioner.lab.remove import remove_tree
from provisioner.lab.state import State, ready
from provisioner.laptop.processes import last_lines


def power_off(target: Target, name: str) -> None:
    """Cut the power of a host, or of what stands around the hosts: SIGKILL to its whole system."""
    device = _device(target, name)
    if device:
        device.stop()
    else:
        machines.power_off([_machine(target, name)[1]])


def power_on(target: Target, name: str) -> None:
    """Boot what is off and wait until its sshd answers (a printer has none); what runs stays as it is."""
    device = _device(target, name)
    if device:
        running, machine = device.running, device.machine
        device.start()
    else:
        machine = _machine(target, name)[1]
        running = machine.process is not None
        if not running:
            machines.power_on(machine)
    if machine and not running:
        machines.wait({name: machine}, ready(target).network, base.quiet, machines.BOOT_TIMEOUT_S)


def replace(target: Target, host: str) -> None:
    """Put a blank machine in the host's place, as after a theft or a fire: new disks, the second one too, and new host keys."""
    state, machine = _machine(target, host)
    machines.power_off([machine])
    machines.unmount(machine)
    remove_tree(machine.folder)
    blank.make(machine, state.network, blank.origin(state.suite, state.login, target))
    power_on(target, host)


def cut(target: Target, host: str) -> None:
    """Pull the host's cable."""
    network.unplug(_machine(target, host)[0].network, host, plugged=False)


def mend(target: Target, host: str) -> None:
    """Plug the host's cable in again."""
    network.unplug(_machine(target, host)[0].network, host, plugged=True)


def console(target: Target, name: str, count: int = 20) -> list[str]:
    """The last lines of the console of a host, or of a system that stands around the hosts."""
    device = _device(target, name)
    machine = (device.machine if device else None) or _machine(target, name)[1]
    return last_lines(machine.console, count)


def _device(target: Target, name: str) -> Device | None:
    return next((device for device in devices.of(ready(target)) if device.name == name), None)


def _machine(target: Target, host: str) -> tuple[State, Machine]:
    state = ready(target)
    if host not in state.machines:
        there = ", ".join([*state.machines, *(device.name for device in devices.of(state))])
        raise Missing(f"the lab of {target.office} has no machine {host}", hint=f"one of {there}")
    return state, state.machines[host]
