"""Planting a fault: a course's playbook, played on a trainee's lab, without a lease, a journal or a summary that tell of it."""

import sys
from pathlib import Path

from provisioner import lab, plays
from provisioner.errors import HostFailed
from provisioner.hosts.keys import public_key
from provisioner.inventory.target import Target
from provisioner.operation.reaching import find
from provisioner.operation.selection import prepare
from provisioner.plays.handover import Handover


def plant(inventory: Path, office: str, playbook: Path) -> None:
    """Play a playbook on the office's lab.

    Raises:
        HostFailed: a task of it failed: the fault does not apply.
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
    problem, played = "", False
    for event in play:
        if event.what in ("host_failed", "host_unreachable"):
            problem = problem or f"{event.host}: {event.task}: {event.detail.get('problem', '')}"
        played = played or event.what in ("host_ok", "host_changed")
        if event.what == "play_ended" and event.detail["rc"] and not problem:
            problem = str(event.detail["said"]) or f"Ansible ended with {event.detail['rc']}"
    selection.ssh.close()
    return problem or ("" if played else "none of its hosts is in this office")


if __name__ == "__main__":
    if wrong := _play(Target(Path(sys.argv[1]), sys.argv[2], lab=True), sys.argv[3]):
        sys.exit(" ".join(wrong.split()))
