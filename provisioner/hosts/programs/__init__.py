"""Programs of ours that run on a host, with Python's standard library alone, and the one way to run them.

A program's text goes by standard input, and what it is asked after it: sudo and `ps` show arguments.
"""

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
_ANOTHER = re.compile(r"^from (provisioner\.hosts\.programs\.(\w+)) import", re.M)
_AS_MODULE = "room = types.ModuleType({name!r}); sys.modules[room.__name__] = room; exec({text!r}, room.__dict__)\n"


def source(program: str) -> str:
    """One of the programs of this folder, whole: what it imports from another one of them comes before it."""
    text = Path(__file__).with_name(f"{program}.py").read_text(encoding="utf-8")
    others = [_AS_MODULE.format(name=name, text=source(other)) for name, other in _ANOTHER.findall(text)]
    return "import sys, types\n" + "".join(others) + text if others else text


def given(text: str, request: Mapping[str, Any]) -> str:
    """The standard input of `COMMAND`: the program's text, and what it is asked."""
    return f"{json.dumps(text)}\n{json.dumps(request)}"


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
