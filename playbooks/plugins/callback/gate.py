"""Stops the play before its next task once somebody asked for it: an interrupt never falls into the middle of dpkg.

The matrix of faults lets a play wait there too: PROVISIONER_HOLD=7:/path waits before the seventh task as long as the file is
there, and says that it does by a file /path.held; the tasks that began stand in /path.begun, each with its moment (s, epoch).
"""

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
description: The file named by PROVISIONER_GATE is the question; when it exists, the play ends before its next task.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Looks for the stop file at the start of each task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gate"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.begun = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool = False) -> None:  # noqa: ARG002 - Ansible's signature
        """No worker runs at this moment; KeyboardInterrupt is how ansible-playbook ends in good order."""
        self.begun += 1
        number, _, hold = os.environ.get("PROVISIONER_HOLD", "").partition(":")
        if hold:
            with Path(f"{hold}.begun").open("a", encoding="utf-8") as names:
                names.write(f"{time.time():.2f} {task.get_name()}\n")
        if hold and self.begun == int(number):
            Path(f"{hold}.held").touch()
            while Path(hold).exists():
                time.sleep(0.05)
        gate = os.environ.get("PROVISIONER_GATE")
        if gate and Path(gate).exists():
            raise KeyboardInterrupt

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start  # which is called with the task alone
