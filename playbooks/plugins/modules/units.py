"""Several units of systemd in one call: enabled and running, or neither; restarted when something they read was written.

`systemd_service` costs a host one round trip a unit, and asks systemd six times; ten units cost as much as one here. At the end
of a role the programs are asked too what is in force: a machine with a history has files that win over ours.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: units
short_description: several units of systemd in one call
description: Enables and starts units, or disables and stops them; starts those again that failed.
options:
  wanted:
    description: Units, with their suffix, that run now and at every start.
    type: list
    elements: str
    default: []
  unwanted:
    description: Units that neither run nor start; one that the host does not have is no error.
    type: list
    elements: str
    default: []
  packaged:
    description: Of the wanted ones, those that their package enables and starts; where it is not there yet, nothing is to do.
    type: list
    elements: str
    default: []
  restart:
    description: Units to restart, once, because something they read was written; for handlers.
    type: list
    elements: str
    default: []
  reload:
    description: The same, by reload where the unit knows how, else by restart.
    type: list
    elements: str
    default: []
  in_force:
    description:
      - What programs must say, asked once all runs. C(ask) is a command; C(says) the settings it must show, by name;
        C(holds) text that must be in its output; C(files) where others may have set them (patterns).
      - A difference fails the host, with the file that wins.
    type: list
    elements: dict
    default: []
author: the provisioner authors
"""

RETURN = """
units:
  description: what was done or would be, one sentence a unit
  type: list
  returned: always
"""

PROPERTIES = "LoadState,ActiveState,UnitFileState,Type,RemainAfterExit,ConditionResult,ConditionTimestampMonotonic"


def states(module: AnsibleModule, units: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says of each unit, asked once."""
    if not units:
        return {}
    _, out, _ = module.run_command(["systemctl", "show", "--property", PROPERTIES, "--", *units])
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.strip().split("\n\n")]
    return dict(zip(units, blocks, strict=False))  # in the order it was asked


def idle(state: dict[str, str]) -> bool:
    """Whether it should run and does not; a job that ends by itself never does, nor one whose condition fails here."""
    ends = state.get("Type") == "oneshot" and state.get("RemainAfterExit") == "no"
    tried = state.get("ConditionTimestampMonotonic", "0") != "0"  # until then systemd says "no" of every condition
    elsewhere = tried and state.get("ConditionResult") == "no" and state.get("UnitFileState") == "enabled"
    return state.get("ActiveState") not in ("active", "activating", "reloading") and not ends and not elsewhere


def differing(params: dict[str, list[str]], now: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    """What is to do: (systemctl's word, unit, what that makes it); what gives way comes first, for it may hold a port."""
    found = []
    for unit in params["unwanted"]:
        state = now.get(unit, {})
        if state.get("LoadState") in (None, "not-found", "masked"):
            continue
        if state.get("UnitFileState") == "enabled":
            found.append(("disable", unit, "disabled"))
        if state.get("ActiveState") in ("active", "activating", "reloading"):
            found.append(("stop", unit, "stopped"))
    for unit in params["wanted"]:
        state = now.get(unit, {})
        if unit in params["packaged"] and state.get("LoadState") == "not-found":  # in check mode alone
            continue
        if state.get("LoadState") == "masked":
            found.append(("unmask", unit, "unmasked"))
        if state.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "generated", "alias"):
            found.append(("enable", unit, "enabled"))
        if idle(state) and unit not in params["restart"]:
            found.append(("start", unit, "started"))
    found += [("restart", unit, "restarted") for unit in params["restart"]]
    return found + [("try-reload-or-restart", unit, "reloaded") for unit in params["reload"]]


IN_FORCE = {
    "ask": {"type": "list", "elements": "str", "required": True},
    "says": {"type": "dict", "default": {}},
    "holds": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
}


def shown(out: str, names: dict[str, Any]) -> dict[str, str]:
    """The settings with these names in a program's output, each as it is shown last."""
    found = {}
    for line in out.splitlines():
        for name in names:
            rest = line.strip()
            if rest.lower().startswith(name.lower()) and rest[len(name) : len(name) + 1] in (" ", "=", "\t", ""):
                value = rest[len(name) :].strip().removeprefix("=").strip().rstrip(";").strip()
                found[name] = value.strip('"')
    return found


def winner(name: str, patterns: list[str]) -> str:
    """The files in which a setting stands, the last read one last; empty when there is none."""
    word = re.compile(rf"^\s*{re.escape(name.rpartition('::')[2])}\b", re.IGNORECASE | re.MULTILINE)
    inside = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
    found = []
    for path in [path for pattern in patterns for path in sorted(glob.glob(pattern))]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = "\n".join(line for line in file.read().splitlines() if not line.lstrip().startswith(("#", "//", ";")))
        except OSError:
            continue
        if word.search(text) or inside.search(text):
            found.append(path)
    return ", ".join(found)


def differences(module: AnsibleModule, wanted: list[dict[str, Any]]) -> list[str]:
    """What programs say otherwise than they must, each with the files that may be why."""
    wrong = []
    for one in wanted:
        code, out, err = module.run_command(one["ask"])
        if code:
            wrong.append(f"{' '.join(one['ask'])}: {(err or out).strip()[-300:]}")
            continue
        found = shown(out, one["says"])
        for name, value in one["says"].items():
            if found.get(name) != str(value):
                where = winner(name, one["files"])
                said = f"{name} is {found[name]!r}" if name in found else f"{name} is not set"
                wrong.append(f"{said} in force, not {str(value)!r}{f': it stands in {where}' if where else ''}")
        lacking = [text for text in one["holds"] if text not in out]
        there = ", ".join(path for pattern in one["files"] for path in sorted(glob.glob(pattern))) if lacking else ""
        wrong += [f"{' '.join(one['ask'])} does not show {text!r}{f': look at {there}' if there else ''}" for text in lacking]
    return wrong


def full() -> str:
    """Where next to nothing more can be written: a unit that failed for it could not even say so in the journal."""
    said = []
    for place in ("/", "/var", "/tmp"):  # noqa: S108 - looked at only
        room = os.statvfs(place)
        if room.f_bavail * room.f_frsize < 1 << 20 or (room.f_files > 0 and room.f_favail < 16):
            said.append(f"No space left on device: {place}\n")
    return "".join(said)


def main() -> None:
    """Ask once, then do what differs."""
    options = ("wanted", "unwanted", "packaged", "restart", "reload")
    spec: dict[str, Any] = {name: {"type": "list", "elements": "str", "default": []} for name in options}
    spec["in_force"] = {"type": "list", "elements": "dict", "default": [], "options": IN_FORCE}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"])
    now = states(module, list(dict.fromkeys(unit for name in options for unit in module.params[name])))
    absent = [unit for unit in module.params["wanted"] if now.get(unit, {}).get("LoadState") == "not-found"]
    if absent and not module.check_mode:
        module.fail_json(msg=f"the host has no unit {', '.join(absent)}")
    done = []
    for word, unit, what in differing(module.params, now):
        done.append(f"{unit}: {what}")
        if module.check_mode:
            continue
        code, out, err = module.run_command(["systemctl", "--quiet", word, "--", unit])
        if code:
            _, log, _ = module.run_command(["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "5", "-u", unit])
            module.fail_json(
                msg=f"{unit} could not be {what}: {(err or out).strip()[-600:]}\n{log.strip()[-900:]}\n{full()}".strip()
            )
    if not module.check_mode and (wrong := differences(module, module.params["in_force"])):
        module.fail_json(msg="what was set is not in force, because something else on this host wins:\n" + "\n".join(wrong))
    diff = [{"before": "", "after": "".join(f"{line}\n" for line in done)}] if done else []
    module.exit_json(changed=bool(done), units=done, diff=diff)


if __name__ == "__main__":
    main()
