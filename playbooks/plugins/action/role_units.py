"""Puts the units of all roles of a host in order in one call of our module `units`, and asks all programs what is in force.

Each role that runs something names it in `<role>_units`, in the shape that `units` takes. A call costs a host a round trip and
systemd a reload even when nothing is to do. Whatever a later task of its own role stands on is put in order by the role itself.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from provisioner.plays import roles


class ActionModule(ActionBase):  # type: ignore[misc] - Ansible's base classes have no types
    """`role_units: {of: [base, backup]}`: those of these roles."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("of",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Gather them in the order of the roles, and let `units` do the rest."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        asked: dict[str, list[Any]] = {}
        for role in self._task.args["of"]:
            for units in roles.arguments(role, {f"{role}_units"}, known, self._loader, self._templar).values():
                for option, values in units.items():
                    asked[option] = asked.get(option, []) + [one for one in values if one not in asked.get(option, [])]
        if not asked:
            return result | {"skipped": True}
        return result | self._execute_module(module_name="units", module_args=asked, task_vars=task_vars)
