"""Where the things of one office lie, for its real hosts or for its lab.

A lab is a property of the target: its pins, journals, summaries, secrets and learnt totals are its own and lie in the
state folder, so nothing a rehearsal does can be mistaken for the client's, nor reach it.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from provisioner.errors import BadInput, no_room


def state_home() -> Path:
    """Our folder for journals and labs (`$XDG_STATE_HOME/provisioner`); made 0700."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return _private(base / "provisioner")


def cache_home() -> Path:
    """Our folder for what can be fetched or computed again (`$XDG_CACHE_HOME/provisioner`); made 0700."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return _private(base / "provisioner")


def runtime_home() -> Path:
    """Our folder in memory (tmpfs) for sockets and what Ansible writes while it plays; made 0700."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        return _private(Path(base) / "provisioner")
    return _in_memory(Path("/dev/shm"))  # noqa: S108 - tmpfs, checked for its owner below


def _in_memory(shared: Path) -> Path:
    """Our folder in a place where everybody may write; under another name when somebody else took ours.

    That name is short, because paths of sockets are (`Target.control`).
    """
    with contextlib.suppress(BadInput):
        return _private(shared / f"provisioner-{os.getuid()}")
    beginning = f"pro-{os.getuid()}-"
    for path in sorted(shared.glob(f"{beginning}*")):  # made by an earlier call of ours, which the others must find again
        with contextlib.suppress(BadInput):
            return _private(path)
    return Path(tempfile.mkdtemp(prefix=beginning, dir=shared))


def _private(path: Path) -> Path:
    """A folder of ours that nobody else may read, made if need be.

    Raises:
        BadInput: something else is there, or somebody else's.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
            raise BadInput(f"{path} is no folder of yours", hint=f"ls -ld {path}; XDG_STATE_HOME and its like name other places")
        if status.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        if no_room(error):
            raise
        raise BadInput(f"no folder can be made at {path}: {error.strerror}", hint=f"ls -ld {path} {path.parent}") from None
    return path


@dataclass(frozen=True)
class Target:
    """One office of one inventory, real or lab."""

    inventory: Path
    office: str
    lab: bool = False

    @cached_property
    def id(self) -> str:
        """Ten hex digits that tell this (inventory, office, lab or real) from any other; fit for names of links."""
        text = f"{self.inventory.resolve()}\0{self.office}\0{'lab' if self.lab else 'real'}"
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def folder(self) -> Path:
        """The office's folder in the inventory, its dossier in it."""
        return self.inventory / "offices" / self.office

    @property
    def state(self) -> Path:
        """Journals, learnt totals, last known addresses; for a lab also its pins, secrets and summaries."""
        return _private(state_home() / ("labs" if self.lab else "offices") / f"{self.office}-{self.id}")

    @property
    def kept(self) -> Path:
        """Where pins, vault and summaries lie: the office's folder, or a lab's state folder."""
        return self.state if self.lab else self.folder

    @property
    def known_hosts(self) -> Path:
        """The pinned keys, by alias `<host>.<office>`."""
        return self.kept / "known_hosts"

    @property
    def vault(self) -> Path:
        """The secrets, ansible-vault."""
        return self.kept / "vault.yml"

    @property
    def secret_files(self) -> list[Path]:
        """What a commit of secrets holds: the vault, the password that opens it, and what of it is no secret."""
        public = [path for path in (self.tunnel_public, self.backup_public, self.monitor_public) if path.is_file()]
        return [self.vault, self.vault.with_name("vault.key"), *public]

    @property
    def tunnel_public(self) -> Path:
        """The public key of the office's end of its way in, for the other end: no vault is opened to know it."""
        return self.kept / "remote.pub"

    @property
    def backup_public(self) -> Path:
        """The public halves of the two keys to the backups' second place, the office's and the keeper's, a line each."""
        return self.kept / "backup.pub"

    @property
    def monitor_public(self) -> Path:
        """What the other end of its monitoring may know: the hash of an office's password, the authority of a hub."""
        return self.kept / "monitor.pub"

    @property
    def summaries(self) -> Path:
        """One small file per run: the audit."""
        return self.kept / "runs"

    @property
    def journals(self) -> Path:
        """The events of each run."""
        return _private(self.state / "journals")

    def control(self, pid: int) -> Path:
        """A process's folder for its SSH control sockets: one per target, because every office is 192.168.1.0/24.

        Its name is as short as it can be: a socket's path has 107 bytes (unix(7)), of which `/%C` and what OpenSSH puts behind it
        while it makes one take 58, and `/run/user/<a domain's number>/provisioner` 32.
        """
        return runtime_home() / f"{self.id}{pid:06x}"

    def controls(self) -> dict[int, Path]:
        """Those that there are, by process."""
        return {int(path.name[len(self.id) :], 16): path for path in runtime_home().glob(f"{self.id}" + "[0-9a-f]" * 6)}

    @property
    def words(self) -> str:
        """How it is named on a command line, in hints: `cafe`, or `cafe --lab`."""
        return f"{self.office} --lab" if self.lab else self.office

    def alias(self, host: str) -> str:
        """The name a host's key is pinned under (HostKeyAlias), never its address."""
        return f"{host}.{self.office}"
