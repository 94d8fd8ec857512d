"""What came of a task, in text: the diff of what it changed, the problem when it failed."""

import json
import re
from collections.abc import Mapping
from typing import Any

from provisioner.explain import FELL_SILENT, cause

OUTCOMES = {
    "runner_on_ok": "host_ok",
    "runner_on_failed": "host_failed",
    "runner_on_unreachable": "host_unreachable",
    "runner_on_skipped": "host_skipped",
}


def title(data: Mapping[str, Any]) -> str:
    """A task's name, after the role's."""
    role, task = data.get("role", ""), data.get("task", "")
    return f"{role}: {task}" if role else str(task)


def problem_text(result: Mapping[str, Any], *, silent: bool = False) -> str:
    """Why a task failed: the cause where it is known, its message, what its program said, and which items of a loop failed.

    `silent`: the host answers no more; what ssh says then sounds like a mirror that is down. At which item of a loop it did
    says nothing.
    """
    lines: list[str] = []
    # from ansible-core 2.20 on an item that failed is not marked so, but has an exception
    bad = [
        item
        for item in result.get("results") or []
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable") or "exception" in item)
    ]
    if silent and bad:
        return problem_text(bad[-1], silent=True)
    for item in bad:
        label = item.get("_ansible_item_label", item.get("item", ""))
        lines.append(f"{label if isinstance(label, str | int) else ''}: {problem_text(item)}".removeprefix(": "))
    if not lines:
        words = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "module_stderr", "stdout")]
        if words[0] == "non-zero return code" and any(words[1:]):  # of a command that said why
            words = words[1:]
        said = "\n".join(words)
        refused = re.search("Permission denied|Host key verification failed|unix_listener", said)
        known = cause(said) if not silent else "" if refused else FELL_SILENT
        for text in [known, *words]:
            if text and text not in "\n".join(lines):
                lines.append(text[-2000:])
    # a host without a problem would not be shown at all
    mute = "what it said is hidden, because it handles secrets" if "censored" in result else "it failed without a word"
    return "\n".join(lines[:5]) or mute


def diff_text(result: Mapping[str, Any]) -> str:
    """What a task changed as a unified diff; loops and modules that only name a state included."""
    import difflib

    items = [r for r in result.get("results") or [] if isinstance(r, Mapping) and r.get("changed")]
    if items:
        return "\n".join(filter(None, (diff_text(item) for item in items)))
    diffs = result.get("diff") or []
    parts: list[str] = []
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        if "prepared" in diff:
            parts.append(str(diff["prepared"]).strip())
            continue
        before, after = _side(diff.get("before")), _side(diff.get("after"))
        if before != after:
            parts.append(
                "\n".join(
                    difflib.unified_diff(
                        before.splitlines(), after.splitlines(),
                        diff.get("before_header") or "before", diff.get("after_header") or "after", lineterm="", n=2,
                    )
                )
            )  # fmt: skip
    return "\n".join(filter(None, parts))


def _side(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True) if value else ""
