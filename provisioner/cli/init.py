"""What `init` asks: who you are, your key, your co-op, the passphrase of its secrets."""

import contextlib
import functools
from pathlib import Path
from typing import Any

from provisioner.cli import organisation
from provisioner.cli.common import Console, ask, confirm, terminal
from provisioner.cli.conversation import Answers, Question, required
from provisioner.cli.organisation import is_a
from provisioner.errors import BadInput
from provisioner.hosts import keys
from provisioner.inventory import fields
from provisioner.language import N_
from provisioner.office import network

MAKE, NONE = "make", "none"


def questions(folder: Path, joining: bool) -> list[Question]:
    """All of them; in a network's copy only who you are and your key."""
    login = Question(
        "technician", "Your login", "on the hosts you serve: small letters, digits, dot and hyphen, as in j.petit",
        functools.partial(is_a, fields.Login), required,
    )  # fmt: skip
    reseller = Question(
        "reseller", "Your co-op's short name", "small letters, digits and hyphens, as in scop-lumiere",
        functools.partial(is_a, fields.Name), required,
    )  # fmt: skip
    key = Question(
        "key", "Your SSH key", f"a file, either half; '{MAKE}' makes ~/.ssh/id_ed25519; '{NONE}': later, labs need none", _key,
        functools.partial(_key_of, folder),
    )  # fmt: skip
    if joining:
        return [login, reseller, key]
    return [
        login,
        Question("technician_name", "Your name", "as people read it", functools.partial(is_a, fields.Filled), required),
        Question("phone", "Your phone", "clients call it: records and first-steps sheets name it; empty: none"),
        Question("email", "Your e-mail", "records name it; empty: none", functools.partial(is_a, fields.SomebodysEmail)),
        key,
        reseller,
        *organisation.questions(client=False),
    ]


def data(given: Answers) -> dict[str, Any]:
    """The co-op as its file has it."""
    return organisation.data(given)


def technician(given: Answers, key: str = "") -> network.Technician:
    """Who founds the inventory."""
    return network.Technician(
        given["technician"], given["technician_name"], key, phone=given["phone"] or "", email=given["email"] or ""
    )


def found() -> str:
    """The key that is found by itself: in ~/.ssh, or the only one of an agent, by its fingerprint; empty for none."""
    with contextlib.suppress(BadInput):
        if (file := keys.usual()) and keys.public_key(file):
            return str(file)
    held = keys.agent()
    return keys.fingerprint(held[0]) if len(held) == 1 else ""


def key(console: Console, given: Answers, *, ask_passphrase: bool) -> tuple[Path, str] | None:
    """The key that the answers mean, made or written down if need be: its private half's file, and its public line."""
    said = given["key"]
    if not said or said == NONE:
        return None
    if said == MAKE:
        path = Path.home() / ".ssh" / keys.USUAL[0]
        if ask_passphrase and terminal():
            console.say("  ssh-keygen asks for a passphrase of this key alone; empty: none")
        keys.make(path, given["technician"], passphrase=None if ask_passphrase and terminal() else "")
    elif line := _of_agent(said):
        path = Path.home() / ".ssh" / f"provisioner-{given['technician']}"  # the public half says which one ssh is to use
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.with_name(f"{path.name}.pub").write_text(line + "\n", encoding="utf-8")
    else:
        path = _file(said)
    return path, keys.public_key(path)


def told(file: Path, line: str, added: bool) -> list[str]:
    """What is said of the key in the end: which, and what hinders ssh to use it."""
    said = [f"your key, now in your co-op's file: {file}" if added else f"your key: {file}", f"  {keys.fingerprint(line)}"]
    if problem := keys.trouble(file):
        said += [f"! {problem[0]}", f"  try: {problem[1]}"]
    return said


def passphrase(console: Console, from_stdin: bool, generate: bool, yes: bool) -> str:
    """The passphrase of a new inventory's secrets, told, typed twice, or made."""
    from provisioner.cli.secrets import passphrase_line
    from provisioner.secrets import passphrase

    if from_stdin:
        return passphrase_line()
    made = generate or yes
    if not made and terminal():
        console.say(f"  its secrets are locked with a passphrase: {passphrase.PASSPHRASE_MIN} characters or more, on one line")
        made = confirm("Make a strong one?", "--generate-passphrase")
    if made:
        said = passphrase.new()
        if not generate:
            console.say(f"write it down, it is kept nowhere: {said}")
        return said
    option = "--generate-passphrase or --passphrase-stdin"
    while True:
        said = ask(N_("Passphrase"), option, secret=True, check=passphrase.validate)
        if ask("Once more", option, secret=True) == said:
            return said
        console.say("✗ the two were not the same; from the start")


def _key_of(folder: Path, _: Answers) -> str:
    """What Enter means: the key noted before, else the one that is found, else making one, where somebody can say no."""
    return keys.configured(folder) or found() or (MAKE if terminal() else NONE)


def _key(text: str, _: Answers) -> None:
    if text in (MAKE, NONE) or _of_agent(text):
        if text == MAKE and (there := keys.existing(Path.home() / ".ssh" / keys.USUAL[0])):
            raise BadInput(f"there is a key already: {there}", hint=f"--key {there}")
        return
    keys.public_key(_file(text))


def _of_agent(text: str) -> str:
    """The agent's key of a fingerprint (`SHA256:…`)."""
    return next((line for line in keys.agent() if keys.fingerprint(line) == text), "") if text.startswith("SHA256:") else ""


def _file(text: str) -> Path:
    path = keys.existing(Path(text).expanduser().absolute())
    if not path:
        raise BadInput(f"there is no key {text}", hint=f"--key FILE, or '{MAKE}'")
    return path
