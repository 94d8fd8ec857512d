"""The keys that a host's sshd lets in: where they are, which they are, and how one goes; as root, standard library only."""

import base64
import contextlib
import glob
import hashlib
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Set

from provisioner.hosts.programs.host_processes import call, pids, raw
from provisioner.hosts.programs.root_files import LIMIT, text

SSHD = "/etc/ssh/sshd_config"
USUAL = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
KEY = re.compile(rb"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?)[ \t]+([A-Za-z0-9+/]{20,}={0,2})")


def blob(encoded: bytes) -> bytes:
    """The key itself: its text can be written in more than one way (unused bits, padding)."""
    with contextlib.suppress(ValueError):
        return base64.b64decode(encoded.rstrip(b"=") + b"==")
    return b""


def keys_in(line: bytes) -> list[tuple[bytes, bytes]]:
    """Every key in a line of a file of keys, as (type, key)."""
    found = [(kind, blob(encoded)) for kind, encoded in KEY.findall(line)] if not line.lstrip().startswith(b"#") else []
    return [(kind, key) for kind, key in found if key]


def keys_of(lines: Iterable[str]) -> set[bytes]:
    """The keys of `type base64 comment` lines."""
    return {key for line in lines for _, key in keys_in(line.encode())}


def fingerprint(key: bytes) -> str:
    """`SHA256:…` as ssh-keygen -l shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def bare(kind: bytes, key: bytes) -> str:
    """`type base64`."""
    return f"{kind.decode()} {base64.b64encode(key).decode()}"


class Sshd:
    """Where sshd looks for keys: whatever its configuration names for anybody, in any Match block."""

    def __init__(self) -> None:
        self.patterns: list[str] = []
        self.beyond: list[str] = []
        configs = {SSHD}
        for pid in pids():
            words = re.split(rb"[\0 ]", raw(pid, "cmdline"))  # sshd writes its own title there, in one piece
            name = os.path.basename(words[0]).decode(errors="replace").rstrip(":")
            if name == "dropbear":
                self.beyond.append("dropbear runs here, which reads files of its own")
            if name != "sshd":
                continue
            for at, word in enumerate(words[:-1]):
                if word == b"-f":
                    configs.add(words[at + 1].decode(errors="replace"))
                if word.startswith(b"-o") and b"uthorizedKeys" in word + words[at + 1]:
                    self.beyond.append("a running sshd was told on its command line where keys are")
        for config in sorted(configs):
            self.read(config, 0)
        said = call("/usr/sbin/sshd", "-T")[1]
        for line in said.splitlines():
            if line.startswith("authorizedkeysfile "):
                self.patterns += line.split()[1:]
        self.patterns = list(dict.fromkeys([*(p for p in self.patterns if p != "none"), *USUAL]))
        self.beyond = sorted(set(self.beyond))

    def read(self, path: str, depth: int) -> None:
        """One file of the configuration and those it includes."""
        for line in text(path).splitlines():
            word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
            word, values = word.lower(), [value.strip('"') for value in rest.split()]
            if word == "include" and depth < 16:
                for pattern in values:
                    for found in sorted(glob.glob(os.path.join("/etc/ssh", pattern))):
                        self.read(found, depth + 1)
            elif word == "authorizedkeysfile":
                self.patterns += values
            elif word in ("authorizedkeyscommand", "trustedusercakeys") and values and values[0].lower() != "none":
                self.beyond.append(f"{path} has {line.strip()[:120]}: whom that lets in is not in any list of keys")

    def of(self, account: pwd.struct_passwd) -> Iterator[str]:
        """Where the keys of one account are."""
        tokens = {"%h": account.pw_dir, "%u": account.pw_name, "%U": str(account.pw_uid), "%%": "%"}
        for pattern in self.patterns:
            path = re.sub("%.", lambda found: tokens.get(found[0], found[0]), pattern)
            yield os.path.join(account.pw_dir, path)

    def everywhere(self) -> list[str]:
        """Every file of keys on the machine: each account's, each home's though nobody's account is there, each folder's."""
        found: dict[str, None] = {}
        accounts = pwd.getpwall()
        homes = {account.pw_dir for account in accounts}
        strays = [home for home in glob.glob("/home/*") if home not in homes]
        for account in accounts:
            found.update(dict.fromkeys(self.of(account)))
        for home in strays:
            found.update(dict.fromkeys(os.path.join(home, pattern) for pattern in self.patterns if pattern[:1] not in "/%"))
        for pattern in self.patterns:
            if pattern.startswith("/"):
                found.update(dict.fromkeys(sorted(glob.glob(re.sub("%[^%]", "*", pattern)))))
        return [path for path in found if os.path.lexists(path)]


def lines_of(path: str) -> list[bytes]:
    """The lines of a file of keys, as bytes."""
    return text(path).encode("utf-8", "surrogateescape").splitlines(keepends=True)


def without(path: str, gone: Set[bytes]) -> None:
    """Take the lines with one of these keys out of a file of keys, the rest byte for byte.

    A home is not root's: all is done in one folder held open, so that no link put there meanwhile leads elsewhere.
    """
    real = os.path.realpath(path)
    folder = os.open(os.path.dirname(real), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    name, beside = os.path.basename(real), f".{os.path.basename(real)}.{os.getpid()}"
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(source, "rb") as file:
            was = os.fstat(source)
            if not stat.S_ISREG(was.st_mode) or was.st_size > LIMIT:
                raise OSError(f"{path} is no file of keys")
            kept = [line for line in file.read().splitlines(keepends=True) if not gone & {key for _, key in keys_in(line)}]
        target = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(target, "wb") as file:
            os.fchown(target, was.st_uid, was.st_gid)
            os.fchmod(target, stat.S_IMODE(was.st_mode))
            file.writelines(kept)
            file.flush()
            os.fsync(target)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)
