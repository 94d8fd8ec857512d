"""The print queues of a CUPS server in one call: exactly the office's printers, driverless, the first one the default.

A queue is made from what the printer says of itself (`lpadmin -m everywhere`), so one that is off cannot have its queue
made: that is a note for the operator, not a failure, and the next call makes it.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: queues
short_description: the print queues of a CUPS server
description: Makes driverless queues for printers that speak IPP Everywhere, and removes all other queues.
options:
  queues:
    description: The printers, the default one first.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {type: str, required: true, description: the queue's name}
      address: {type: str, required: true, description: the printer's IPv4 address}
      port: {type: int, default: 631, description: its port}
      path: {type: str, default: /ipp/print, description: its resource}
      description: {type: str, default: "", description: what people see beside the name}
      location: {type: str, default: "", description: where it stands}
author: the provisioner authors
"""

RETURN = """
notes:
  description: which queues could not be made, and why, one sentence each
  type: list
  returned: always
"""

QUEUE = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 631},
    "path": {"type": "str", "default": "/ipp/print"},
    "description": {"type": "str", "default": ""},
    "location": {"type": "str", "default": ""},
}

# A job waits for a printer that is off, instead of stopping the queue for everybody.
OPTIONS = ("printer-error-policy=retry-job", "printer-is-shared=true")
PAPER = "A4"
ANSWER_S = 5


def uri(queue: dict[str, Any]) -> str:
    """Where the queue's printer is met."""
    return f"ipp://{queue['address']}:{queue['port']}{queue['path']}"


def present(module: AnsibleModule) -> tuple[dict[str, dict[str, str]], str]:
    """The queues there are, by name, with what is compared; and the default one. None on a machine without CUPS."""
    if not module.get_bin_path("lpstat"):
        return {}, ""
    _, devices, _ = module.run_command(["lpstat", "-v"])
    found = {name: {"uri": where} for name, where in re.findall(r"^device for (\S+): (.*)$", devices, re.MULTILINE)}
    _, listed, _ = module.run_command(["lpstat", "-l", "-p"])
    name = ""
    for line in listed.split("\n"):
        if started := re.match(r"printer (\S+) ", line):
            name = started[1]
        for word in ("Description", "Location"):
            if name in found and line.startswith(f"\t{word}:"):
                found[name][word.lower()] = line[len(word) + 2 :].removeprefix(" ")
    for name, queue in found.items():
        queue["paper"] = paper(name)
    _, default, _ = module.run_command(["lpstat", "-d"])
    chosen = re.search(r"^system default destination: (\S+)$", default, re.MULTILINE)
    return found, chosen[1] if chosen else ""


def paper(name: str) -> str:
    """The paper a queue's jobs are for (lpoptions(1) would say what is usual here, not what the queue has)."""
    try:
        with open(f"/etc/cups/ppd/{name}.ppd", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return ""
    if f"\n*PageSize {PAPER}" not in text:
        return PAPER  # one that has no such paper keeps its own
    chosen = re.search(r"^\*DefaultPageSize: (\S+)", text, re.MULTILINE)
    return chosen[1] if chosen else ""


def wanted(queue: dict[str, Any]) -> dict[str, str]:
    """What `present` should say of it."""
    return {"uri": uri(queue), "description": queue["description"], "location": queue["location"], "paper": PAPER}


def unanswered(queue: dict[str, Any]) -> str:
    """Why the printer cannot be asked now; nothing when it answers."""
    try:
        socket.create_connection((queue["address"], queue["port"]), timeout=ANSWER_S).close()
    except OSError:
        return f"{queue['address']} does not answer. Is it on?"
    return ""


def make(module: AnsibleModule, queue: dict[str, Any], *, new: bool) -> str:
    """Make or renew a queue; why not, when it cannot be."""
    if why := unanswered(queue):
        return why
    words = ["lpadmin", "-p", queue["name"], "-E", "-v", uri(queue), "-m", "everywhere"]
    words += ["-D", queue["description"], "-L", queue["location"], "-u", "allow:all"]
    code, out, err = module.run_command([*words, *(word for option in OPTIONS for word in ("-o", option))])
    if not code:
        # only now: what stands beside `-m everywhere` is lost when it brings the printer's own default [M: CUPS 2.4.10]
        module.run_command(["lpadmin", "-p", queue["name"], "-o", f"PageSize={PAPER}"])
        return ""
    if new and queue["name"] in present(module)[0]:
        module.run_command(["lpadmin", "-x", queue["name"]])
    return f"{queue['address']} does not answer as an IPP Everywhere printer: {(err or out).strip()[-300:]}."


def main() -> None:
    """Compare, then do what differs."""
    module = AnsibleModule(
        argument_spec={"queues": {"type": "list", "elements": "dict", "required": True, "options": QUEUE}},
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C.UTF-8"}
    queues = module.params["queues"]
    there, default = present(module)
    diffs, notes = [], []
    made = set(there)
    for queue in queues:
        name, had = queue["name"], there.get(queue["name"])
        if had == wanted(queue):
            continue
        why = "" if module.check_mode else make(module, queue, new=had is None)
        if why:
            then = "The next apply makes its queue." if had is None else "Its queue stays as it was until the next apply."
            notes.append(f"printer {name}: {why} {then}")
            continue
        made.add(name)
        sides = {"before": lines(had), "after": lines(wanted(queue))}
        diffs.append({"before_header": f"queue {name}", "after_header": f"queue {name}", **sides})
    for name in sorted(set(there) - {queue["name"] for queue in queues}):
        made.discard(name)
        diffs.append({"before_header": f"queue {name}", "after_header": "/dev/null", "before": lines(there[name]), "after": ""})
        if not module.check_mode:
            module.run_command(["lpadmin", "-x", name], check_rc=True)
    first = next((queue["name"] for queue in queues if queue["name"] in made), "")
    if first and first != default:
        diffs.append({"before": f"default {default}\n" if default else "", "after": f"default {first}\n"})
        if not module.check_mode:
            module.run_command(["lpadmin", "-d", first], check_rc=True)
    module.exit_json(changed=bool(diffs), notes=notes, diff=diffs)


def lines(queue: dict[str, str] | None) -> str:
    """For the diff."""
    return "".join(f"{key}: {value}\n" for key, value in sorted((queue or {}).items()))


if __name__ == "__main__":
    main()
