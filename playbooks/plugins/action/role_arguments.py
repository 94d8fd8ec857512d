"""Holds what every host's roles are given against their specifications, once a play.

Ansible does that itself before each role, on each host: a sixth of the tasks of a run that changes nothing. Here it is one task,
before anything is changed anywhere, and every wrong argument is named at once.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from provisioner.plays import roles


class ActionModule(ActionBase):  # type: ignore[misc] - Ansible's base classes have no types
    """`role_arguments:` takes nothing; with `run_once` it is for all hosts of the play."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at every role of every host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = task_vars or {}
        problems = [
            f"{host}, {role}: {problem}"
            for host in given["ansible_play_hosts"]
            for known in [given["hostvars"].raw_get(host)]
            for role in known["this_host"]["roles"]
            for problem in self._problems(role, given | known | {"inventory_hostname": host})
        ]
        if problems:
            return result | {"failed": True, "msg": "wrong arguments of roles:\n" + "\n".join(problems)}
        return result | {"changed": False}

    def _problems(self, role: str, known: dict[str, Any]) -> list[str]:
        """What is wrong with the arguments of one role on one host."""
        specified = roles.specification(role)["options"]
        given = roles.arguments(role, set(specified), known, self._loader, self._templar)
        return list(ArgumentSpecValidator(specified).validate(given, validate_role_argument_spec=True).error_messages)
