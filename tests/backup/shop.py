"""A server that is backed up, and what its tests do with it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.light import bring_up, light
from tests.stage import CommandResult, Stage

FILE = "/srv/share/people/zoe/l'été {{ 7*7 }} [1]*.txt"
Q = shlex.quote(FILE)
PASSWORD = "--password-file /etc/office-backup/password"
LOCAL = f"restic -r /srv/backup/restic {PASSWORD}"
REMOTE = (
    f"restic -r sftp:office-backup:office {PASSWORD} -o 'sftp.command=ssh -F /etc/office-backup/ssh_config office-backup -s sftp'"
)
LOCKS = "ls /srv/backup/restic/locks | wc -l"
KEYS = "key list --json --no-lock"
MEMORY = "/var/lib/provisioner/backup.json"


@contextmanager
def backed_up(folder: Path) -> Iterator[Stage]:
    """A server that has its backups and nothing else."""
    stage = light(folder, {"server": ("base", "backup"), "router": ("base",)})
    try:
        bring_up(stage)
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said.out + said.err
        root(stage, "mkdir -p /srv/share/people/zoe && head -c 3000000 /dev/urandom > /srv/share/large")
        root(stage, f"printf 'premier' > {Q}; chmod 640 {Q}; chown 1234:4321 {Q}")
        stage.evidence["first"] = run(stage)
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def root(stage: Stage, line: str) -> str:
    """A shell line as root on the server."""
    return stage.on("server", f"sudo sh -c {shlex.quote(line)}")


def run(stage: Stage, *more: str) -> CommandResult:
    return stage.json("backup", "run", "demo", "--lab", *more)


def restore(stage: Stage, *more: str) -> CommandResult:
    return stage.json("backup", "restore", "demo", "--lab", "--yes", *more)


def listed(stage: Stage) -> dict[str, list[dict[str, str]]]:
    """The snapshots of each place, oldest first."""
    said = stage.json("backup", "list", "demo", "--lab")
    return {place["place"]: place["snapshots"] for place in said.data["places"]}


def lock(stage: Stage, restic: str) -> None:
    """Leave a restic running on the server that holds a lock; its number is in /run/restic.pid."""
    root(
        stage,
        "rm -f /run/never; mkfifo /run/never; (setsid sleep 60 > /run/never 2>&1 &);"
        f"(setsid {restic} backup --stdin < /run/never > /dev/null 2>&1 & echo $! > /run/restic.pid);"
        f"until {restic} list locks --no-lock -q | grep -q .; do sleep 0.2; done",
    )
