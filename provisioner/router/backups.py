"""What a router's configuration was: one copy that gives it back byte for byte, encrypted, and one to read and compare.

`routers/HOST.vault` is ansible-vault, by the office's own key; `routers/HOST.conf` lies beside it in clear, its secrets replaced
by marks that change when they do and say nothing else. Both are written only when the router says something else than they do,
so their history in git is the router's.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target
from provisioner.laptop.disk import write
from provisioner.router.platforms import SECRET_INLINE, SECRET_WORDS, File, Files, holds_secret
from provisioner.secrets import ansible_vault, vault

FOLDER = "routers"
SHORTEST = 4  # characters of a secret that is looked for: of less, every text is full
_BARE = (".key", "-secret")  # files that are nothing but one


def vault_of(target: Target, host: str) -> Path:
    """The copy that gives it back."""
    return target.kept / FOLDER / f"{host}.vault"


def text_of(target: Target, host: str) -> Path:
    """The copy to read."""
    return target.kept / FOLDER / f"{host}.conf"


def keep(target: Target, host: str, files: Files) -> bool:
    """Keep a router's configuration; whether it was another than kept.

    Raises:
        Locked: an office's, and nobody has unlocked the inventory.
    """
    known = vault.read(target)
    try:
        if _read(target, host) == files:
            return False
    except BadInput:
        pass  # torn, by a merge perhaps: what the router has now takes its place
    key, secrets = known.router["key"], _leaves(known.model_dump(mode="json"))
    body = {path: [base64.b64encode(one.data).decode(), one.mode, one.group] for path, one in files.items()}
    vault_of(target, host).parent.mkdir(mode=0o700 if target.lab else 0o755, parents=True, exist_ok=True)
    write(vault_of(target, host), ansible_vault.encrypt(json.dumps(body, sort_keys=True), key, target.office))
    write(text_of(target, host), scrubbed(files, secrets, key))
    return True


def kept(target: Target, host: str) -> Files:
    """The configuration that is kept now.

    Raises:
        Missing: none is.
        Locked, BadInput: it cannot be read.
    """
    found = _read(target, host)
    if found is None:
        raise Missing(
            f"no configuration of {host} is kept",
            hint=f"provisioner router backup {target.words}",
        )
    return found


def opened(target: Target, host: str, text: str) -> Files:
    """A configuration from the text of such a file, as git has it of another day.

    Raises:
        Locked, BadInput: it cannot be read.
    """
    return _opened(target, text, f"the kept configuration of {host}")


def _read(target: Target, host: str) -> Files | None:
    try:
        text = vault_of(target, host).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return _opened(target, text, str(vault_of(target, host)))


def _decrypted(target: Target, text: str) -> str:
    """The text by the key of now, else by those there were before: what is in git was encrypted on its day."""
    keys = vault.read(target).router
    order = [keys.get("key", ""), *(keys[name] for name in sorted(keys, reverse=True) if name != "key")]
    problem = BadInput("its key is not in the office's vault")
    for key in filter(None, order):
        try:
            return ansible_vault.decrypt(text, key)
        except BadInput as error:
            problem = error
    raise problem


def _opened(target: Target, text: str, called: str) -> Files:
    try:
        body = json.loads(_decrypted(target, text))
        return {
            path: File(base64.b64decode(content).decode("utf-8", "surrogateescape"), mode, group, holds_secret(path))
            for path, (content, mode, group) in sorted(body.items())
        }
    except (BadInput, ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise BadInput(f"{called} cannot be opened: {error}", hint="git log, and one from before") from error


def scrubbed(files: Files, secrets: Iterable[str], key: str) -> str:
    """The configuration as one text without a secret in it; equal secrets have equal marks. Pure."""
    known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
    parts = []
    for path, one in sorted(files.items()):
        text = one.content
        if path.endswith(_BARE):
            text = _mark(text.strip(), key) + "\n"
        text = SECRET_INLINE.sub(lambda found: found[1] + _marked(found[2], key), text)
        for secret in known:
            text = text.replace(secret, _mark(secret, key))
        text = SECRET_WORDS.sub(
            lambda found: found[1] + (found[2] if found[2].startswith("secret:") else _mark(found[2], key)), text
        )
        parts.append(f"==== {path} {one.mode} {one.group}\n{text}")
    return "\n".join(parts).encode("utf-8", "replace").decode()


def _marked(word: str, key: str) -> str:
    return word if word.startswith("secret:") else _mark(word, key)


def _mark(secret: str, key: str) -> str:
    """What stands for a secret: keyed, so that nobody can try words against it."""
    return f"secret:{hmac.new(key.encode(), secret.encode(), hashlib.sha256).hexdigest()[:10]}"


def _leaves(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [value] if isinstance(value, str) else []
