"""The key a technician logs in with: a file, or one of an agent; and what keeps `ssh` from using it."""

import base64
import os
import subprocess
from pathlib import Path

from provisioner.errors import BadInput, Missing
from provisioner.inventory.fields import PublicKey, validate
from provisioner.inventory.target import Target
from provisioner.laptop import git

# ssh(1), -i; the best first.
USUAL = ("id_ed25519", "id_ed25519_sk", "id_ecdsa_sk", "id_ecdsa", "id_rsa")
_BEGIN, _MAGIC = "-----BEGIN OPENSSH PRIVATE KEY-----", b"openssh-key-v1\0"


def technician_key(target: Target) -> Path:
    """The private key file to log in with: a lab's own (made here), or the technician's.

    The technician's is `git config provisioner.key` of the inventory, else the usual places. Only its public half need be there,
    as `FILE.pub`, when an agent or a token has the other.

    Raises:
        Missing: there is none.
        BadInput: ssh could not use it; what to do about it.
    """
    if target.lab:
        key = target.state / "technician"
        if not key.exists():
            make(key, f"lab of {target.office}")
        return key
    named = configured(target.inventory)
    found = existing(Path(named)) if named else usual()
    if not found:
        raise Missing(
            f"no private key to log in with{f' at {named}' if named else ''}",
            hint=f"provisioner init {target.inventory}, which finds or makes one",
        )
    if problem := trouble(found):
        raise BadInput(problem[0], hint=problem[1])
    return found


def configured(root: Path) -> str:
    """The key file that this copy of the inventory names; empty when it names none."""
    return git.setting(root, "provisioner.key", path=True) if root.is_dir() else ""


def usual() -> Path | None:
    """The first key in the usual places."""
    return next(filter(None, (existing(Path.home() / ".ssh" / name) for name in USUAL)), None)


def existing(path: Path) -> Path | None:
    """The name of a key's private half, whichever half was named, if one of them is there."""
    path = path.with_name(path.name.removesuffix(".pub"))
    return path if path.is_file() or _beside(path).is_file() else None


def make(path: Path, comment: str, *, passphrase: str | None = "") -> None:
    """Make a key pair; with None as its passphrase ssh-keygen asks for one on the terminal.

    Raises:
        BadInput: ssh-keygen could not.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-C", comment, "-f", str(path)]
    if subprocess.run([*words, *(["-N", passphrase] if passphrase is not None else [])], check=False).returncode:
        raise BadInput(f"no key was made at {path}", hint=f"ssh-keygen -t ed25519 -f {path}")


def public_key(key: Path) -> str:
    """The public line (`type base64 comment`) that belongs to a key, named by either half; a passphrase hinders nothing.

    Raises:
        BadInput: there is none in it, or of a kind that no office takes.
    """
    key = existing(key) or key
    beside = _beside(key)
    try:
        said = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else _from_private(key)
    except OSError as error:
        raise BadInput(f"{key} cannot be read: {error.strerror}", hint="--key FILE, of your own") from None
    line = said.strip()
    try:
        validate(PublicKey, line)
    except BadInput as error:
        what = f"{beside if beside.is_file() else key} holds no public key that an office can take: {error}"
        raise BadInput(what, hint="ssh-keygen -t ed25519") from None
    return line


def trouble(key: Path) -> tuple[str, str] | None:
    """Why ssh could not log in with a key as it lies there, and the command that mends it; nothing when it can."""
    if not key.is_file():  # its other half is on a token or in an agent
        if _bare(public_key(key)) in map(_bare, agent()):
            return None
        return f"{key} is not there, and no agent holds the key of {_beside(key)}", f"ssh-add {key}, or plug the token in"
    status = key.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:  # sshkey_perm_ok of OpenSSH's authfile.c
        return f"ssh refuses {key}: others may read it (mode {status.st_mode & 0o777:04o})", f"chmod 600 {key}"
    if locked(key) and _bare(public_key(key)) not in map(_bare, agent()):
        return f"{key} has a passphrase, and no agent holds it open", f"ssh-add {key}"
    return None


def agent() -> list[str]:
    """The public lines of the keys that an agent holds; none without an agent."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        done = subprocess.run(["ssh-add", "-L"], capture_output=True, text=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return []
    return [line for line in done.stdout.splitlines() if len(line.split()) > 1] if done.returncode == 0 else []


def locked(key: Path) -> bool:
    """Whether a private key has a passphrase."""
    text = key.read_text(encoding="ascii", errors="replace")
    if _BEGIN in text:
        return _openssh(text)[0] != b"none"
    return "ENCRYPTED" in text


def fingerprint(line: str) -> str:
    """The fingerprint of a public line, as `ssh-keygen -l` says it."""
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=line + "\n", capture_output=True, text=True, check=False)
    return done.stdout.split()[1] if len(done.stdout.split()) > 1 else ""


def _from_private(key: Path) -> str:
    """The public half that a private key holds: OpenSSH's own form leaves it in the clear (PROTOCOL.key)."""
    text = key.read_text(encoding="ascii", errors="replace")
    if _BEGIN in text:
        blob = _openssh(text)[1]
        kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii", "replace")
        return f"{kind} {base64.b64encode(blob).decode()}"
    if "ENCRYPTED" in text:
        raise BadInput(
            f"{key} has a passphrase, and no {_beside(key).name} beside it", hint=f"ssh-keygen -y -f {key} > {_beside(key)}"
        )
    words = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BadInput(f"{key} is no private key that ssh can use: {last}", hint="ssh-keygen -t ed25519, or chmod 600 that file")
    return done.stdout


def _openssh(text: str) -> tuple[bytes, bytes]:
    """The cipher and the public half of a private key in OpenSSH's form; empty for what is none."""
    inner = text.partition(_BEGIN)[2].partition("-----END")[0]
    try:
        packed = base64.b64decode("".join(inner.split()))
    except ValueError:
        return b"", b""
    at, fields = len(_MAGIC), []
    for n in range(4):  # cipher, kdf, its options; how many keys; the first one's public half
        at += 4 if n == 3 else 0
        size = int.from_bytes(packed[at : at + 4], "big")
        fields.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    return fields[0], fields[3]


def _beside(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


def _bare(line: str) -> str:
    return " ".join(line.split()[:2])
