"""What decides who gets into a machine, changed so that a mistake undoes itself.

Who may log in is decided by several files at once (keys, sudo, sshd, the firewall), and by whatever else is on the machine. So
the former ones are kept, a timer on the machine is set that puts them back, and so does the next start; then the new ones are
written and taken up. Only a new login from outside (the action plugin of the same name) takes the timer away.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.text_files import FILE, compare, put, removed, surplus

DOCUMENTATION = """
module: way_in
short_description: the files that decide who gets into a machine
description: Writes files, takes them up, and puts the former ones back unless a new login confirms them in time.
options:
  files:
    description: As those of module C(files).
    type: list
    elements: dict
    required: true
  exactly:
    description: Folders that hold the files named here and nothing else.
    type: list
    elements: path
    default: []
  load:
    description: Commands that take the files up, in this order; C(of) is the file after whose change each runs.
    type: list
    elements: dict
    default: []
  wait_s:
    description: After how many seconds without a confirmation the former files are put back.
    type: int
    default: 120
  do:
    description: C(change), or C(restore) the former files now.
    type: str
    default: change
    choices: [change, restore]
author: the provisioner authors
"""

RETURN = """
written:
  description: the files that were written, or would be
  type: list
  returned: always
notes:
  description: after C(restore), what sshd said since the change
  type: list
  returned: always
"""

LOAD = {
    "of": {"type": "str", "required": True},
    "argv": {"type": "list", "elements": "str", "required": True},
    "stdin": {"type": "str", "default": ""},
}
HOME = "/var/lib/provisioner/way-in"
UNIT = "office-way-in"

# Stands beside what it restores; standard library only. `--confirm`: the new files stay.
RESTORE = r"""
import base64, contextlib, fcntl, json, os, shutil, subprocess, sys
home = "/var/lib/provisioner/way-in"
how = sys.argv[1] if len(sys.argv) > 1 else ""
lock = os.open("/run/office-way-in.lock", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
try:
    with open(f"{home}/former.json") as file: kept = json.load(file)
except FileNotFoundError:
    sys.exit(how == "--confirm")  # put back already: too late
wrong = []
def restore(path, was):
    if was is None:
        with contextlib.suppress(FileNotFoundError): os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}~", "wb") as file:  # sudo and sshd leave such names alone
        os.fchmod(file.fileno(), was["mode"]); os.fchown(file.fileno(), was["uid"], was["gid"])
        file.write(base64.b64decode(was["content"])); file.flush(); os.fsync(file.fileno())
    os.rename(f"{path}~", path)
if how != "--confirm":
    for path, was in kept["files"].items():
        try: restore(path, was)
        except OSError as error: wrong.append(f"{path}: {error}")
    if how != "--at-start":
        # the table as it was loaded, not the file's: others' tables are not ours to flush
        if kept["table"] is not None:
            subprocess.run(["nft", "delete", "table", "inet", "office"], capture_output=True, check=False)
            if kept["table"]:
                subprocess.run(["nft", "-f", "-"], input=kept["table"], text=True, capture_output=True, check=False)
        for words in kept["undo"]:
            subprocess.run(words, capture_output=True, check=False)
if wrong:  # the next start tries it again
    sys.exit("; ".join(wrong))
for path in ("/etc/systemd/system/office-way-in.service", "/etc/systemd/system/multi-user.target.wants/office-way-in.service"):
    with contextlib.suppress(FileNotFoundError): os.unlink(path)
shutil.rmtree(home)
if how in ("--confirm", "--now"):
    subprocess.run(["systemctl", "stop", "office-way-in-timer.timer"], capture_output=True, check=False)
"""

# A power cut in between must not make an unproven change last.
AT_START = f"""[Unit]
Description=The former way in comes back: the new one was not proven before the power went
DefaultDependencies=no
After=local-fs.target
Before=ssh.service ssh.socket nftables.service
ConditionPathExists={HOME}/former.json

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {HOME}/restore.py --at-start
"""


def former(path: str) -> dict[str, object] | None:
    """A file as it is; None when it is not there."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            content = base64.b64encode(file.read()).decode()
    except FileNotFoundError:
        return None
    return {"content": content, "mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid}


def write(path: str, text: str, mode: int) -> None:
    """A file of root's, on disk."""
    with open(path, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def arm(module: AnsibleModule, paths: list[str], undo: dict[str, object]) -> None:
    """Keep the former files, and have them put back by a timer, and by the next start."""
    os.makedirs(HOME, mode=0o700, exist_ok=True)
    write(f"{HOME}/restore.py", RESTORE, 0o700)
    write(f"{HOME}/former.part", json.dumps({"files": {path: former(path) for path in paths}, **undo}), 0o600)
    os.rename(f"{HOME}/former.part", f"{HOME}/former.json")
    write(f"/etc/systemd/system/{UNIT}.service", AT_START, 0o644)
    wants = "/etc/systemd/system/multi-user.target.wants"
    os.makedirs(wants, exist_ok=True)
    if not os.path.lexists(f"{wants}/{UNIT}.service"):
        os.symlink(f"/etc/systemd/system/{UNIT}.service", f"{wants}/{UNIT}.service")
    module.run_command(["systemctl", "stop", f"{UNIT}-timer.timer"])  # of a change that was undone by hand
    timer = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}-timer", f"--on-active={module.params['wait_s']}"]
    timer += ["--timer-property=AccuracySec=1s", "/usr/bin/python3", f"{HOME}/restore.py"]
    code, out, err = module.run_command(timer)
    if code:
        back()
        module.fail_json(msg=f"nothing would put the former way in back, so it is not changed: {(err or out).strip()[-400:]}")


def back() -> str:
    """Put the former files back now, by the program that the timer would run; what could not be."""
    words = ["/usr/bin/python3", f"{HOME}/restore.py", "--now"]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    return done.stderr.strip()[-400:] if done.returncode else ""


def loaded(module: AnsibleModule) -> str:
    """Our table of the firewall as the kernel has it; empty when it has none."""
    if not module.get_bin_path("nft", opt_dirs=["/usr/sbin"]):
        return ""
    code, out, _ = module.run_command(["nft", "list", "table", "inet", "office"])
    return "" if code else out


def since(module: AnsibleModule, began: float) -> list[str]:
    """What sshd said since then, of what went wrong."""
    words = [
        "journalctl",
        "-q",
        "--no-pager",
        "-o",
        "cat",
        "-t",
        "sshd",
        "-t",
        "sshd-session",
        f"--since=@{int(began)}",
        "-n",
        "40",
    ]
    _, said, _ = module.run_command(words)
    bad = ("refused", "not allowed", "denied", "fatal", "error", "bad owner", "invalid user")
    wrong = [line for line in said.splitlines() if any(word in line.lower() for word in bad)]
    return [line[:300] for line in (wrong or said.splitlines())[-4:]]


def main() -> None:
    """Compare, keep, arm, write, take up."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "exactly": {"type": "list", "elements": "path", "default": []},
            "load": {"type": "list", "elements": "dict", "default": [], "options": LOAD},
            "wait_s": {"type": "int", "default": 120},
            "do": {"type": "str", "default": "change", "choices": ["change", "restore"]},
        },
        supports_check_mode=True,
    )
    if module.params["do"] == "restore":
        said = since(module, time.time() - module.params["wait_s"])
        wrong = back()
        module.exit_json(changed=False, written=[], notes=said, failed=bool(wrong), msg=wrong)
    if os.path.exists(f"{HOME}/former.json") and not module.check_mode:  # of a run that died before it could prove it
        back()
    files = module.params["files"]
    diffs, due = compare(module, files)
    extra = surplus(module.params["exactly"], {file["dest"] for file in files})
    diffs += removed(extra)
    written = [file["dest"] for file, *_ in due] + extra
    if not written or module.check_mode:
        for _, new, _, _ in due:
            if new:
                os.unlink(new)
        module.exit_json(changed=bool(written), written=written, diff=diffs, notes=[])
    loads = [load for load in module.params["load"] if load["of"] in written]
    firewall = any(load["argv"][0] == "nft" for load in loads)
    again = [load["argv"] for load in loads if not load["stdin"] and load["argv"][0] != "nft"]
    arm(module, written, {"undo": again, "table": loaded(module) if firewall else None})
    for file, new, uid, gid in due:
        put(module, file, new, uid, gid)
    for path in extra:
        os.unlink(path)
    for load in loads:
        code, out, err = module.run_command(load["argv"], data=load["stdin"] or None)
        if code:
            wrong = back()
            how = f"the former way in is not whole ({wrong})" if wrong else "the former way in is back"
            module.fail_json(msg=f"{' '.join(load['argv'])}: {(err or out).strip()[-800:]}; {how}")
    module.exit_json(changed=True, written=written, diff=diffs, notes=[])


if __name__ == "__main__":
    main()
