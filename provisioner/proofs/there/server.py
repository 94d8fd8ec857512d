"""Looks at what the witness's doings left on the office's server; as root, standard library only.

Reads one JSON object on stdin (`do`, and what that needs) and prints one: `ok`, `evidence`.
"""

import json
import re
import subprocess
import sys
import time
from typing import Any

Ask = dict[str, Any]
Answer = dict[str, Any]


def log(since: float) -> str:
    """What the mail programs wrote since then."""
    words = ["journalctl", "--quiet", "--no-pager", "-o", "cat", f"--since=@{int(since)}"]
    words += [f"--identifier=postfix/{part}" for part in ("cleanup", "smtp", "qmgr", "smtpd", "local", "bounce")]
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=20).stdout


def relayed(ask: Ask) -> Answer:
    """Whether the message with this token went out to the provider; waits for it."""
    until = time.monotonic() + ask["patience"]
    since = time.time() - 120
    lines: list[str] = []
    while time.monotonic() < until:
        text = log(since)
        queued = re.search(rf"^(\w+): message-id=<{re.escape(ask['token'])}@", text, re.M)
        lines = [line for line in text.splitlines() if queued and line.startswith(f"{queued[1]}:")]
        if any("status=sent" in line for line in lines):
            return {"ok": True, "evidence": lines[-1] if "status=sent" in lines[-1] else "\n".join(lines)}
        if any("status=bounced" in line for line in lines):
            break
        time.sleep(0.5)
    for line in lines[:1]:  # it must not arrive a day after the verification
        subprocess.run(["postsuper", "-d", line.partition(":")[0]], capture_output=True, check=False)
    return {"ok": False, "evidence": "\n".join(lines) or "the server never had the message"}


def main() -> None:
    """Do what is asked."""
    ask = json.load(sys.stdin)
    try:
        answer = globals()[ask["do"]](ask)
    except Exception as error:
        answer = {"ok": False, "evidence": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
