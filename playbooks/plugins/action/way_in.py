"""Proves a changed way in by a login of its own, before the former one is gone for good.

The connection that a play works over was made before the change and would outlive it; so a new one is made, by the same words and
no shared socket, and it alone takes away the timer that would put the former files back. When it does not come about, they are
put back at once over the old one, and what is in the way is said.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import Any

from ansible.plugins.action import ActionBase

from provisioner.hosts import answers

CONFIRM = "sudo -n /usr/bin/python3 /var/lib/provisioner/way-in/restore.py --confirm"
TRIES = 3  # sshd takes its new settings up within a moment
TRY_S = 20


class ActionModule(ActionBase):  # type: ignore[misc] - Ansible's base classes have no types
    """Change, prove, or put back."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """One machine."""
        super().run(tmp, task_vars)
        del tmp
        changed: dict[str, Any] = self._execute_module(module_name="way_in", module_args=self._task.args, task_vars=task_vars)
        if changed.get("failed") or not changed.get("changed") or self._task.check_mode:
            return changed
        problem = self._new_login()
        if not problem:
            return changed
        again = {**self._task.args, "do": "restore"}
        back: dict[str, Any] = self._execute_module(module_name="way_in", module_args=again, task_vars=task_vars)
        evidence = "\n".join([problem, *(str(note) for note in back.get("notes", []))])
        how = "the former way in is back, nothing is lost"
        if back.get("failed") or back.get("unreachable"):
            why = back.get("msg") or "the machine does not answer"
            how = f"the former way in comes back by itself within two minutes ({why})"
        said = f"nobody would get in any more with what is to be set here; {how}"
        return {"failed": True, "msg": f"{said}:\n{evidence}"}

    def _new_login(self) -> str:
        """Log in anew and confirm; why not."""
        option = self._connection.get_option
        given = [word for name in ("ssh_args", "ssh_common_args", "ssh_extra_args") for word in shlex.split(option(name) or "")]
        user = option("remote_user")
        # the first value of an option counts (ssh_config(5)): ours come before those that share a connection
        words = ["ssh", "-o", "ControlMaster=no", "-o", "ControlPath=none", *given, "-o", "BatchMode=yes"]
        words += [*(["-l", user] if user else []), "--", str(option("host")), CONFIRM]
        problem = ""
        for attempt in range(TRIES):
            time.sleep(1 if attempt else 0.3)
            try:
                done = answers.call(words, timeout_s=TRY_S, limit_bytes=1 << 20)
            except subprocess.TimeoutExpired:
                problem = f"a new login has no answer within {TRY_S} s"
                continue
            except answers.TooMuch as error:
                return f"a new login says {error} where nothing is to be said"
            if done.returncode == 0:
                return ""
            said = done.stderr[-2000:].strip().splitlines()
            problem = f"a new login fails: {said[-1][:300] if said else f'exit code {done.returncode}'}"
        return problem
