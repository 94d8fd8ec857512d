"""Several units of systemd in one call: enabled and running, or neither; restarted when something they read was written.

`systemd_service` costs a host one round trip a unit, and asks systemd six times; ten units cost as much as one here.
"""

from __future__ import annotations

import os

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
author: the provisioner authors
"""

RETURN = """
units:
  description: what was done or would be, one sentence a unit
  type: list
  returned: always
"""

PROPERTIES = "LoadState,ActiveState,UnitFileState,Type,RemainAfterExit,ConditionResult"


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
    elsewhere = state.get("ConditionResult") == "no" and state.get("UnitFileState") == "enabled"
    return state.get("ActiveState") not in ("active", "activating", "reloading") and not ends and not elsewhere


def differing(params: dict[str, list[str]], now: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    """What is to do: (systemctl's word, unit, what that makes it)."""
    found = []
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
    for unit in params["unwanted"]:
        state = now.get(unit, {})
        if state.get("LoadState") in (None, "not-found", "masked"):
            continue
        if state.get("UnitFileState") == "enabled":
            found.append(("disable", unit, "disabled"))
        if state.get("ActiveState") in ("active", "activating", "reloading"):
            found.append(("stop", unit, "stopped"))
    found += [("restart", unit, "restarted") for unit in params["restart"]]
    return found + [("try-reload-or-restart", unit, "reloaded") for unit in params["reload"]]


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
    module = AnsibleModule(
        argument_spec={name: {"type": "list", "elements": "str", "default": []} for name in options}, supports_check_mode=True
    )
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
    diff = [{"before": "", "after": "".join(f"{line}\n" for line in done)}] if done else []
    module.exit_json(changed=bool(done), units=done, diff=diff)


if __name__ == "__main__":
    main()
