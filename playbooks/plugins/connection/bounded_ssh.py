"""Ansible's own SSH, and what a host answers is data: bounded in size, and of a module's answer only what our plays read.

A machine that was taken over could answer any module with facts that override its own variables, with hosts and groups to add,
or with marks that Ansible keeps for itself: what it would be sent next, and which tasks run for it, would be its choice. Here
none of that comes in: an answer's known words are kept when they have their type, everything else is dropped.
"""

from __future__ import annotations

import json
import subprocess
import types
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.json_utils import _filter_non_json_lines
from ansible.plugins.connection import ssh

from provisioner.hosts.answers import LIMIT_BYTES

DOCUMENTATION = ssh.DOCUMENTATION.replace("name: ssh", "name: bounded_ssh", 1)

# What the plays, their events and their diffs read of a module's answer, with its type.
KEPT: dict[str, type] = {
    "changed": bool, "failed": bool, "skipped": bool, "rc": int,
    "msg": str, "stdout": str, "stderr": str, "module_stdout": str, "module_stderr": str,
    "written": list, "units": list, "notes": list, "differs": list,
}  # fmt: skip
# What Ansible's own `copy` and `template` ask of a path: whether it is to be written; of use to the same host alone.
STAT: dict[str, type] = {"exists": bool, "isdir": bool, "islnk": bool, "checksum": str}
# of a honest module's: role base's longest file has 1,218 lines, all files of a role together some thousands
DIFFS, DIFF_CHARS, DIFF_LINES = 200, 256 << 10, 4000
SIDES = ("before", "after", "before_header", "after_header", "prepared")


class TooMuch(AnsibleError):
    """A host said more than an answer can hold."""


class _Bounded:
    """A pipe that is read no further than an answer can be long."""

    def __init__(self, process: _Process, pipe: Any) -> None:
        self._process, self._pipe, self._seen = process, pipe, 0

    def read(self, *size: int) -> Any:
        """As the pipe's own; the program is ended where it says too much."""
        chunk = self._pipe.read(*size)
        self._seen += len(chunk or b"")
        if self._seen > LIMIT_BYTES:
            self._process.kill()
            raise TooMuch(f"it says more than {LIMIT_BYTES >> 20} MB where a short answer belongs; the rest was not read")
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)


class _Process(subprocess.Popen):  # type: ignore[type-arg] - as Ansible's ssh calls it
    """One call of ssh."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.stdout = _Bounded(self, self.stdout) if self.stdout else None  # type: ignore[assignment] - read, closed, selected
        self.stderr = _Bounded(self, self.stderr) if self.stderr else None  # type: ignore[assignment] - the same


# the module's own view of `subprocess`, and nobody else's
ssh.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": _Process})


def short(text: str) -> str:
    """A side of a diff no longer than one can be: comparing takes the square of it."""
    lines = text[:DIFF_CHARS].splitlines(keepends=True)
    return "".join(lines[:DIFF_LINES])


def plain(value: object) -> object:
    """A value without anything that Ansible would take for its own."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items() if not str(k).startswith(("_ansible", "__ansible"))}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def sides(value: object) -> object:
    """A diff as our events show it."""
    if isinstance(value, list):
        return [sides(one) for one in value[:DIFFS] if isinstance(one, dict)]
    if not isinstance(value, dict):
        return []
    texts = {side: short(value[side]) for side in SIDES if isinstance(value.get(side), str)}
    others = {side: plain(value[side]) for side in ("before", "after") if isinstance(value.get(side), (dict, list))}
    return texts | {side: one if len(json.dumps(one)) < DIFF_CHARS else {} for side, one in others.items()}


def known(answer: dict[str, Any]) -> dict[str, Any]:
    """Of a module's answer what is read of it, each by its type."""
    kept: dict[str, Any] = {}
    for word, kind in KEPT.items():
        value = answer.get(word)
        if type(value) is not kind:
            continue
        kept[word] = [one for one in value if isinstance(one, str)] if kind is list else value
    if isinstance(answer.get("stat"), dict):
        kept["stat"] = {word: value for word, kind in STAT.items() if type(value := answer["stat"].get(word)) is kind}
    if "diff" in answer:
        kept["diff"] = sides(answer["diff"])
    return kept


class Connection(ssh.Connection):  # type: ignore[misc] - Ansible's base classes have no types
    """The connection of every host."""

    transport = "bounded_ssh"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command; a module's answer comes back with its known words alone."""
        code, out, err = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        try:
            answer = json.loads(_filter_non_json_lines(to_text(out), objects_only=True)[0])
        except ValueError:  # no module's; its text alone is used
            return code, out, err
        except RecursionError:
            return code, b"", b"its answer is nested too deeply to be one"
        return code, json.dumps(known(answer)).encode(), err
