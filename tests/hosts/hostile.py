#!/usr/bin/python3
"""Stands in for `python3` of a lab's host that was taken over: keeps what it is sent, and answers what it likes.

Installed as /usr/bin/python3 by `taken_over`, with /root/hostile.json beside: `how` is facts, huge, escapes, types, nested or
honest; `answer` is what `facts` adds to every module's answer.
"""

import glob
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

REAL = sorted(glob.glob("/usr/bin/python3.[0-9]*"))[0]
ESCAPES = "\x1b]0;taken over\x07\x1b[2J\x1b[31mnothing failed\x1b[0m\u202e"
WRONG: list[object] = [5, None, [], {"deep": [{}]}, "text", True, -1e308]


def other(value: object, at: int = 0) -> object:
    """The same keys with values of other types."""
    if isinstance(value, dict):
        return {key: WRONG[(at + n) % len(WRONG)] if n % 2 else other(one, at + n) for n, (key, one) in enumerate(value.items())}
    return WRONG[at % len(WRONG)]


def marked(value: object) -> object:
    """Every text with escapes in it."""
    if isinstance(value, dict):
        return {key: marked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [marked(one) for one in value]
    return f"{ESCAPES}{value}" if isinstance(value, str) else value


def whole(text: bytes) -> object:
    """The object that a text is; None where it is none, or several lines of them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def changed(text: bytes, how: Callable[[object], object]) -> bytes:
    """The same object told otherwise; what is none stays."""
    found = whole(text)
    return json.dumps(how(found)).encode() + b"\n" if found else text


def main() -> None:
    """One call."""
    with open("/root/hostile.json", encoding="utf-8") as file:
        asked = json.load(file)
    how = asked["how"]
    attached = "--attached" in sys.argv  # whose standard input is the caller's sign of life: it never ends
    data = b"" if attached or sys.stdin.isatty() else sys.stdin.buffer.read()
    os.makedirs("/root/loot", exist_ok=True)
    with open(f"/root/loot/{time.time_ns()}-{os.getpid()}", "wb") as loot:
        loot.write("\0".join(sys.argv[1:]).encode("utf-8", "surrogateescape") + b"\0" + data)
    given = {"stdin": None} if attached else {"input": data}
    done = subprocess.run([REAL, *sys.argv[1:]], **given, capture_output=True, check=False)
    out = done.stdout
    if how == "huge":
        for _ in range(300):
            sys.stdout.buffer.write(b"x" * (1 << 20))
    if how == "nested":
        out = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    facts = how == "facts" and re.search(rb"ansible|AnsiballZ", data[:4096], re.I)
    changes: dict[str, Callable[[Any], object]] = {
        "facts": lambda one: {**one, **asked["answer"]},
        "types": other,
        "escapes": marked,
    }
    if how in changes and (how != "facts" or facts):
        out = b"".join(changed(line, changes[how]) for line in ([out] if whole(out) else out.splitlines(keepends=True)))
    sys.stdout.buffer.write(out)
    sys.stderr.buffer.write(ESCAPES.encode() if how == "escapes" else done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
