"""Programs of ours that run on a host, with Python's standard library alone, and the one way to run them.

A program's text goes by standard input, and what it is asked after it: sudo and `ps` show arguments.
"""

import functools
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.hosts import answers

if TYPE_CHECKING:
    from provisioner.hosts.access import SshAccess

BOOT = "import sys, json; exec(json.loads(sys.stdin.readline()))"
COMMAND = ("sudo", "-n", "python3", "-c", BOOT)
_ANOTHER = re.compile(r"^from provisioner\.hosts\.programs\.(\w+) import\b", re.M)
_AS_MODULE = "room = types.ModuleType({name!r}); sys.modules[room.__name__] = room; exec({text!r}, room.__dict__)\n"


@functools.cache
def source(program: str) -> str:
    """One of the programs of this folder, whole: what it imports from others of them comes before it, each once.

    Twice would be two modules of one name: a class of the first is none of the second's.
    """
    texts = _needed(program, {})
    text = texts.pop(program)
    others = [_AS_MODULE.format(name=f"{__name__}.{name}", text=other) for name, other in texts.items()]
    return "import sys, types\n" + "".join(others) + text if others else text


def _needed(program: str, found: dict[str, str]) -> dict[str, str]:
    """Its text and those of all that it needs and that is not found yet, by name; what is needed before what needs it."""
    text = Path(__file__).with_name(f"{program}.py").read_text(encoding="utf-8")
    for other in _ANOTHER.findall(text):
        if other not in found:
            _needed(other, found)
    found[program] = text
    return found


def given(text: str, request: Mapping[str, Any]) -> str:
    """The standard input of `COMMAND`: the program's text, and what it is asked."""
    return f"{_quoted(text)}\n{json.dumps(request)}"


@functools.lru_cache(8)
def _quoted(text: str) -> str:
    """Once for all the hosts of a round."""
    return json.dumps(text)


def run(
    access: "SshAccess",
    host: str,
    address: str,
    text: str,
    request: Mapping[str, Any],
    *,
    timeout_s: float,
    limit_bytes: int = answers.LIMIT_BYTES,
) -> subprocess.CompletedProcess[str]:
    """Run a program's text on a host as root; what it printed is not read yet.

    Raises:
        HostKeyChanged, Unreachable, Unreadable: as `SshAccess.run`.
    """
    return access.run(host, address, COMMAND, stdin=given(text, request), timeout_s=timeout_s, limit_bytes=limit_bytes)
