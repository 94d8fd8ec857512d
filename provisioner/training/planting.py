"""Planting a fault: a course's playbook, played on a trainee's lab, without a lease, a journal or a summary that tell of it."""

import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from provisioner import lab, plays
from provisioner.errors import HostFailed
from provisioner.hosts.keys import public_key
from provisioner.inventory.target import Target
from provisioner.operation.reaching import find
from provisioner.operation.selection import prepare
from provisioner.plays.handover import Handover
from provisioner.runs import Event

# What changes text that must stand there: where it changes nothing, the fault is none.
_EDITS = ("ansible.builtin.replace", "ansible.builtin.lineinfile")


def edits(playbook: Path) -> set[str]:
    """The tasks of a playbook that edit what stands on a host, by name; pure."""
    plays_of: list[dict[str, list[dict[str, object]]]] = yaml.safe_load(playbook.read_text(encoding="utf-8"))
    return {str(task["name"]) for one in plays_of for task in one.get("tasks", []) if any(word in task for word in _EDITS)}


def idle(edited: Iterable[str], events: Iterable[Event]) -> list[str]:
    """Of these tasks those that were played and changed nothing on any host; pure."""
    told = list(events)
    changed = {event.task for event in told if event.what == "host_changed"}
    return sorted({event.task for event in told if event.what == "host_ok"} & set(edited) - changed)


def plant(inventory: Path, office: str, playbook: Path) -> None:
    """Play a playbook on the office's lab.

    Raises:
        HostFailed: a task of it failed, or what it edits is not there: the fault does not apply.
    """
    import subprocess

    target = Target(inventory, office, lab=True)
    words = [sys.executable, "-m", "provisioner.training.planting", str(inventory), office, str(playbook)]
    done = subprocess.run(lab.plugged(target, words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise HostFailed(f"the fault {playbook.stem} does not apply: {said}", hint=str(playbook))


def _play(target: Target, playbook: str) -> str:
    """Play it here, plugged in; what went wrong, in one line."""
    selection = prepare(target)
    find(selection, lambda _: None)
    me = selection.ssh.user
    handover = Handover(
        inventory=str(target.inventory), office=target.office, lab=True, user=me, addresses=selection.met,
        options={host: selection.ssh.options(host) for host in selection.met}, environment={},
        technicians={me: [public_key(selection.ssh.key)]},
    )  # fmt: skip
    play = plays.Play(
        target, playbook, handover, run_id=selection.run_id, check=False, limit=sorted(selection.met),
        control=selection.ssh.control, secrets=selection.secrets,
    )  # fmt: skip
    problem, played = "", list[Event]()
    for event in play:
        if event.what in ("host_failed", "host_unreachable"):
            problem = problem or f"{event.host}: {event.task}: {event.detail.get('problem', '')}"
        played += [event] if event.what in ("host_ok", "host_changed") else []
        if event.what == "play_ended" and event.detail["rc"] and not problem:
            problem = str(event.detail["said"]) or f"Ansible ended with {event.detail['rc']}"
    selection.ssh.close()
    if not problem and (nothing := idle(edits(Path(playbook)), played)):
        problem = f"{nothing[0]}: it changed nothing"
    return problem or ("" if played else "none of its hosts is in this office")


if __name__ == "__main__":
    if wrong := _play(Target(Path(sys.argv[1]), sys.argv[2], lab=True), sys.argv[3]):
        sys.exit(" ".join(wrong.split()))
