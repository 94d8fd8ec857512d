"""The verbs for files, called in this process: what they said, and answers that many tests give."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PASSPHRASE = "une phrase assez longue"
ME = (
    *("--phone", "04 00 00 00 01", "--email", "jo@ma-scop.example"),
    *("--technician", "jo", "--technician-name", "Jo L'Hôte", "--reseller", "ma-scop", "--organisation", "Ma Scop"),
    *("--legal-form", "Scop SARL", "--siren", "000953893", "--street", "1 rue d'Ici", "--postcode", "69001", "--city", "Lyon"),
)
BAKERY = (
    *("--organisation", "Le Pain d'à côté", "--legal-form", "SARL", "--siren", "000454710", "--street", "2, rue {{ 7*7 }}"),
    *("--postcode", "01000", "--city", "Bourg", "--contact", "Zoé", "--phone", "04 00", "--email", "zoe@pain.example"),
)


class CommandResult(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one object it printed."""
        return json.loads(self.out)


Run = Callable[..., CommandResult]


def log(root: Path) -> list[str]:
    words = ["git", "-C", str(root), "log", "--format=%s"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def status(root: Path) -> str:
    return subprocess.run(["git", "-C", str(root), "status", "--short"], capture_output=True, text=True, check=True).stdout


def key(folder: Path, name: str) -> str:
    """A new key pair in a folder; its public half, `type base64`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return " ".join((folder / f"{name}.pub").read_text().split()[:2])
