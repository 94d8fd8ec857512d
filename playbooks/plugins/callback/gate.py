"""Stops the play before its next task once somebody asked for it: an interrupt never falls into the middle of dpkg."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: gate
type: aggregate
short_description: stop before the next task when asked
description:
  - PROVISIONER_GATE names a folder. When it holds a file C(stop), the play ends before its next task.
  - A file C(until) holds the moment (seconds since this laptop's start, sleep included) from which on the play waits for a
    later one before its next task; it ends when the tool is gone that would write it (C(tool), its process and start).
"""


class CallbackModule(CallbackBase):  # type: ignore[misc] - Ansible's base classes have no types
    """Looks for the stop file at the start of each task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gate"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool = False) -> None:  # noqa: ARG002 - Ansible's signature
        """No worker runs at this moment; KeyboardInterrupt is how ansible-playbook ends in good order."""
        if gate := os.environ.get("PROVISIONER_GATE"):
            _wait(Path(gate))

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start  # which is called with the task alone


def _wait(gate: Path) -> None:
    """Come back when the next task may begin.

    Raises:
        KeyboardInterrupt: it may not.
    """
    while True:
        if (gate / "stop").exists():
            raise KeyboardInterrupt
        try:
            until = float((gate / "until").read_text())
        except FileNotFoundError:
            return  # nothing is changed in this play, or nobody else could: no lease
        if time.clock_gettime(time.CLOCK_BOOTTIME) <= until:
            return
        pid, _, started = (gate / "tool").read_text().partition("/")
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            raise KeyboardInterrupt from None
        if stat.rpartition(")")[2].split()[19] != started:
            raise KeyboardInterrupt
        time.sleep(0.2)
