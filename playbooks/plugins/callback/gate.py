"""Stops the play before its next task once somebody asked for it: an interrupt never falls into the middle of dpkg."""

from __future__ import annotations

import os
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

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's signature
        """No worker runs at this moment; KeyboardInterrupt is how ansible-playbook ends in good order."""
        gate = os.environ.get("PROVISIONER_GATE")
        if gate and os.path.exists(gate):  # noqa: PTH110 - runs before every task
            raise KeyboardInterrupt

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start
