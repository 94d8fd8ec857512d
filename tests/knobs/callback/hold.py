"""Lets a play wait before a task as long as a file is there (`tests/knobs/__init__.py`)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: hold
type: aggregate
short_description: wait before a task as long as a file is there
description:
  - KNOB_HOLD names the number of the task and the file.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible's base classes have no types
    """Counts the tasks as they start."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hold"

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.begun = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool = False) -> None:  # noqa: ARG002 - Ansible's signature
        """Say that the task began, and wait where it is the one."""
        number, _, hold = os.environ.get("KNOB_HOLD", "").partition(":")
        if not hold:
            return
        self.begun += 1
        with Path(f"{hold}.begun").open("a", encoding="utf-8") as names:
            names.write(f"{time.time():.2f} {task.action} {task.get_name()}\n")
        if self.begun == int(number):
            Path(f"{hold}.held").touch()
            while Path(hold).exists():
                time.sleep(0.05)

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start  # which is called with the task alone
