"""The second place, where the office can only add: what whoever keeps it sets up there, and how they forget and tidy."""

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from provisioner.backup.talk import backup_server
from provisioner.errors import BadInput, HostFailed, HostKeyChanged, Missing, Unreachable
from provisioner.hosts import answers
from provisioner.hosts.answers import Answer, Line
from provisioner.hosts.pins import pinned
from provisioner.inventory import open_inventory, way_in
from provisioner.inventory.dossier import Backup
from provisioner.inventory.placement import LAB_INTERNET
from provisioner.inventory.target import Target, runtime_home
from provisioner.operation import Listener, operation
from provisioner.operation.from_afar import hub_at
from provisioner.operation.selection import Selection
from provisioner.repository_server import DATA, KEYS, PACKAGES, PROGRAMS, files, keeper
from provisioner.runs import Event
from provisioner.secrets import rotation, vault
from provisioner.secrets.models import Secrets

PATIENCE_S = 4 * 3600  # tidying a large repository


def script(target: Target) -> str:
    """A shell script for the place's root, to run on any Debian there; no secret is in it.

    Raises:
        Missing: the dossier names no second place.
        Locked: the vault is locked.
    """
    backup = _backup(target)
    vault.complete(target, open_inventory(target.inventory).office(target.office))
    secrets = vault.read(target).backup
    lines = [
        "#!/bin/sh",
        f"# Run as root at {backup.host}: the second place of {target.office}'s backups. The office can only add there.",
        "set -eu",
        f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)} python3 openssh-server",
        f"id -u {backup.user} >/dev/null 2>&1 || useradd --system --shell /bin/sh --home-dir {DATA}/{backup.user} {backup.user}",
        f"usermod --shell /bin/sh {backup.user}  # a login shell runs the one command each key allows, and nothing else",
        f"install -d -m 755 {KEYS} {PROGRAMS} {DATA}",
        f"install -d -m 700 -o {backup.user} -g {backup.user} {DATA}/{backup.user}",
        "# A repository that is here already goes on: move its folder to "
        f"{shlex.quote(f'{DATA}/{backup.user}/{backup.path}')}, owned by {backup.user}.",
    ]
    for path, (content, mode) in files(backup, secrets["ssh_key_public"], secrets["keeper_key_public"]).items():
        lines += [f"cat > {path} <<'OFFICE_PLACE'", content.rstrip("\n"), "OFFICE_PLACE", f"chmod {mode:o} {path}"]
    lines += ["sshd -t", "systemctl reload ssh"]
    return "\n".join(lines) + "\n"


def _backup(target: Target) -> Backup:
    backup = open_inventory(target.inventory).office(target.office).backup
    if backup is None:
        raise Missing(f"the dossier of {target.office} names no second place", hint="backup: {host: …, user: …, host_key: …}")
    return backup


class Tidied(Answer):
    """What was done at the place; `problem` when nothing was."""

    problem: Line = ""
    snapshots: int = Field(default=0, ge=0)
    forgotten: int = Field(default=0, ge=0)
    tidied: bool = False


def prune(selection: Selection, *, accept: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True) -> Tidied:
    """Forget at the second place what the pack no longer keeps, and give back the room of what was forgotten before.

    With `accept`, a person says why snapshots are missing there, or why the newest is odd against the clock.

    Raises:
        BadInput: the place is no append-only one: the server does it itself.
        HostFailed, Unreachable, HostKeyChanged: nothing was forgotten.
        Busy: another verb of ours on this laptop works on the office.
    """
    target = selection.target
    backup = _backup(target)
    if not backup.append_only:
        raise BadInput(
            f"the second place of {target.office} is not append-only: its server forgets by itself",
            hint=f"provisioner backup place {target.words}, then append_only: true under backup: in the dossier",
        )
    asked = {"why": accept} if accept else {}
    with operation(selection, "backup prune", watch=watch, say=say, reaching=False, commit=commit, detail=asked) as op:
        op.begun = True
        vault.complete(target, selection.office)
        done = _ask(selection, backup, accept)
        detail = {"diff": "", "place": "remote", "forgotten": done.forgotten, "snapshots": done.snapshots}
        op.recorder(Event("host_changed", backup_server(target), "Forget and tidy at the second place", detail))
        op.status = "changed" if done.forgotten or done.tidied else "unchanged"
    return done


def _ages(selection: Selection) -> dict[str, str]:
    """How long the office's pack keeps its nights, in restic's words."""
    host = selection.office.hosts[backup_server(selection.target)]
    settings = selection.pack.roles(host.kind, selection.office.variant)["backup"].settings
    return {word: str(value) for word, value in settings.items() if word.startswith("keep_within")}


def _ask(selection: Selection, backup: Backup, accept: str) -> Tidied:
    """One request to the place's own program, with the keeper's key."""
    target = selection.target
    secrets = vault.read(target)
    address, host_key = _met(target, backup, secrets)
    former = [text for name, text in sorted(secrets.backup.items()) if rotation.is_former(name)]
    request = {
        "password": secrets.backup["password"], "former": former, "now": time.time(), "keep": _ages(selection), "accept": accept,
    }  # fmt: skip
    for left in runtime_home().glob(f"place-{target.id}-*"):  # of a process that was killed: it holds the keeper's key
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = runtime_home() / f"place-{target.id}-{os.getpid()}"
    folder.mkdir(mode=0o700)
    key, known = folder / "key", folder / "known_hosts"
    try:
        key.touch(mode=0o600)
        key.write_text(secrets.backup["keeper_key"])  # in memory, for as long as ssh reads it
        known.write_text(f"place {host_key}\n")
        words = [
            "ssh", "-F", "none", "-o", "HostKeyAlias=place", "-o", f"UserKnownHostsFile={known}",
            "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no",
            "-o", "CheckHostIP=no", "-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={key}", "-o", "IdentityAgent=none",
            "-o", "CertificateFile=none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15",
            "-p", str(backup.port), "-l", backup.user, "--", address,
        ]  # fmt: skip
        done = answers.call(words, stdin=json.dumps(request), timeout_s=PATIENCE_S)
    except answers.TooMuch as error:
        raise HostFailed(f"{backup.host} says {error} where a short answer belongs") from error
    except subprocess.TimeoutExpired as error:
        raise HostFailed(f"{backup.host} was not done within {PATIENCE_S // 3600} hours") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _understood(target, backup, done)


def _met(target: Target, backup: Backup, secrets: Secrets) -> tuple[str, str]:
    """Where the place is, and the key that it must show: a lab's is the lab's provider, or the lab of the hub that keeps it."""
    if not target.lab:
        return backup.host, backup.host_key
    inventory = open_inventory(target.inventory)
    hub = keeper(inventory.office(target.office), inventory.office)
    if not hub:
        return str(LAB_INTERNET), secrets.lab["provider_host_key_public"]
    keys = pinned(Target(target.inventory, hub.name, lab=True)).get(way_in.gate(hub), [])
    return hub_at(target), next((key for key in keys if key.startswith("ssh-ed25519 ")), "")


def _understood(target: Target, backup: Backup, done: "subprocess.CompletedProcess[str]") -> Tidied:
    if "Host key verification failed" in done.stderr or "IDENTIFICATION HAS CHANGED" in done.stderr:
        raise HostKeyChanged(f"{backup.host} shows another host key than the dossier's; nothing was sent to it")
    if done.returncode == 255:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1][:300]
        raise Unreachable(f"{backup.host} does not let the keeper in: {last}", hint=f"provisioner backup place {target.words}")
    try:
        answer = answers.read(done.stdout, Tidied)
    except ValueError as error:
        last = (done.stderr.strip().splitlines() or [str(error)])[-1][:300]
        raise HostFailed(f"{backup.host}: {last}", hint=f"provisioner backup place {target.words}") from error
    if answer.problem:
        office = f"{target.office}{' --lab' if target.lab else ''}"
        hint = f"provisioner backup list {office}; if it is as it should be: provisioner backup prune {office} --accept WHY"
        raise HostFailed(f"{backup.host}: {answer.problem}", hint=hint)
    return answer
