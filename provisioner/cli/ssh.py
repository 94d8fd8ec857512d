"""`ssh`: into a host with its pinned key."""

import os
from dataclasses import replace

import click

from provisioner.cli.common import Console, lab_option, office_argument, plug, verb
from provisioner.cli.completion import complete_host
from provisioner.errors import BadInput, Unreachable, Unreadable

SSH_S, SSH_BYTES = 86_400, 64 << 20  # of a command that a person runs, all of it kept in memory


@verb("ssh", context_settings={"ignore_unknown_options": True})
@office_argument
@click.argument("host", metavar="HOST", shell_complete=complete_host)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD]")
@lab_option
def ssh(console: Console, office: str, host: str, command: tuple[str, ...], lab: bool) -> int | None:
    """Log in to HOST of OFFICE, or run CMD there; its exit code becomes ours (255: no connection becomes 5)."""
    from provisioner.hosts import answers
    from provisioner.operation.reaching import find
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, [host])
    selection.ssh = replace(selection.ssh, shared=False)  # the end of an apply closes the shared ones, under a person's hands
    find(selection, lambda _: None)
    found = selection.found[host]
    if not found.address:
        raise Unreachable(found.problem, hint=found.hint or f"is {host} switched on and plugged in?")
    words = selection.ssh.command(host, found.address, command, batch=False)
    if console.as_json:
        if not command:
            raise BadInput("--json needs a command to run", hint=f"provisioner --json ssh {office} {host} -- CMD")
        try:
            done = answers.call(words, stdin=None, timeout_s=SSH_S, limit_bytes=SSH_BYTES)
        except answers.TooMuch as error:
            raise Unreadable(f"{host} says {error}; without --json it goes to the terminal as it comes") from error
        console.result(
            {"office": office, "host": host, "exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr},
            lambda: None,
        )
        return 5 if done.returncode == 255 else done.returncode
    os.execvp(words[0], words)  # noqa: S606 - the person now talks to ssh itself
    return None
