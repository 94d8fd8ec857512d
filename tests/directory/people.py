"""What a person of the office does, for the tests: logs in at the desk, changes a password, opens a share."""

import shlex

from tests.lab.light import soon
from tests.stage import Stage


def passwords(stage: Stage) -> dict[str, str]:
    """The passwords the vault has, by login."""
    return dict(stage.json("secrets", "show", stage.office, "--lab").data["people"])


def logs_in(stage: Stage, login: str, password: str) -> bool:
    """Whether a desktop lets the person in with this password; a desk that has just started looks for its server first."""
    return soon(lambda: asked(stage, login, password), 60)


def refused(stage: Stage, login: str, password: str) -> bool:
    """Whether a desktop that has its server before it lets nobody in with this password."""
    seen = "sudo kinit -k 'DESKTOP$' -c /run/seen && echo seen || true"
    return soon(lambda: "seen" in stage.on("desktop", seen), 60) and not asked(stage, login, password)


def asked(stage: Stage, login: str, password: str) -> bool:
    """Whether it lets the person in now."""
    line = f"printf '%s\\n' {shlex.quote(password)} | su - {login} -c 'id -un' 2>/dev/null || true"
    return stage.on("desktop", line).split()[-1:] == [login]  # the line before may be sssd's, about a cached password


def changes_password(stage: Stage, login: str, old: str, new: str) -> bool:
    """Whether the person's own `passwd` at the desktop took the new password, once the desk has its server before it."""
    assert logs_in(stage, login, old)
    given = " ".join(shlex.quote(word) for word in (old, new, new))
    line = f"printf '%s\\n' {given} | sudo -u {login} passwd >/dev/null 2>&1 && echo changed || true"
    return soon(lambda: "changed" in stage.on("desktop", line), 60)


def smb(stage: Stage, login: str, password: str, share: str, commands: str) -> str:
    """What smbclient says, from a machine of the LAN that is none of the office's."""
    words = ["smbclient", "-m", "SMB3", f"//192.168.1.10/{share}", "-U", login, "-c", commands]
    told = ""

    def met() -> bool:
        nonlocal told
        said = stage.plugged(*words, stdin=password + "\n")
        told = said.out + said.err
        return "IO_TIMEOUT" not in told  # an office that has just started, on a machine with much to do

    soon(met, 60)
    return told
