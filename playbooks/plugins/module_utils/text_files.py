"""Text files compared with what they are to be, and put in place whole: what the modules `files` and `way_in` share."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import shlex
import stat
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

FILE = {
    "dest": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str", "default": ""},
    "secret": {"type": "bool", "default": False},
    "comments": {"type": "bool", "default": False},
}


def ids(module: AnsibleModule, file: dict[str, Any]) -> tuple[int, int]:
    """The numbers of owner and group; in check mode a name that the play has yet to make stands for root."""
    try:
        return pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid
    except KeyError as error:
        if module.check_mode:
            return 0, 0
        module.fail_json(msg=f"{file['dest']}: {error}")
        raise


def present(dest: str) -> tuple[str | None, str]:
    """The text at `dest` and a line `owner:group mode` for the diff; None when it is not a plain text file.

    A link is followed: one that leads to the wanted text may stay.
    """
    try:
        status = os.stat(dest)
        if not stat.S_ISREG(status.st_mode):
            return None, "not a plain file"
        with open(dest, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(), f"{status.st_uid}:{status.st_gid} {stat.S_IMODE(status.st_mode):04o}"
    except FileNotFoundError:
        return None, "absent"


SEALS = "/var/lib/provisioner/files.json"


def state_of(dest: str) -> str:
    """What lies at `dest`, in a line: SHA-256, `owner:group`, mode; empty when it is no plain file (as `condition.py`)."""
    try:
        status = os.stat(dest)
        if not stat.S_ISREG(status.st_mode):
            return ""
        with open(dest, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return ""
    return f"{digest} {status.st_uid}:{status.st_gid} {stat.S_IMODE(status.st_mode):04o}"


def seal(dests: list[str], gone: list[str]) -> None:
    """Note on the host what its files are now, so that `check` sees what somebody changes afterwards; root's alone."""
    try:
        with open(SEALS, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        known = {}
    before = known if isinstance(known, dict) else {}
    now = {**before, **{dest: state_of(dest) for dest in dests}}
    now = {dest: state for dest, state in now.items() if dest not in gone}
    if now == known:
        return
    os.makedirs(os.path.dirname(SEALS), mode=0o700, exist_ok=True)
    with open(os.open(SEALS + ".part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(now, file, indent=0, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(SEALS + ".part", SEALS)


def commented(was: str, content: str) -> str:
    """`was` with exactly the lines of `content` in force: its comments stay, and a line that waits in one is taken out of it."""
    wanted = content.splitlines()
    lines = []
    for line in was.splitlines():
        plain = line.lstrip("# \t").rstrip()
        if plain in wanted:
            wanted.remove(plain)
            lines.append(plain)
        elif not plain or line.startswith("#"):
            lines.append(line)
    return "".join(f"{line}\n" for line in [*lines, *wanted])


def leads_to(path: str) -> str:
    """Where a symbolic link leads; empty when there is none."""
    return os.readlink(path) if os.path.islink(path) else ""


def link(path: str, target: str) -> None:
    """Put a symbolic link in the place of whatever file or link is there, in one step."""
    if os.path.lexists(path + ".part"):  # left by a kill
        os.unlink(path + ".part")
    os.symlink(target, path + ".part")
    os.rename(path + ".part", path)


def candidate(module: AnsibleModule, file: dict[str, Any]) -> str:
    """The new text in a temporary file, accepted by its `validate` command where that program exists already."""
    descriptor, path = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as new:
        new.write(file["content"])
    words = [word.replace("%s", path) for word in shlex.split(file["validate"])]
    if words and (module.get_bin_path(words[0], opt_dirs=["/usr/sbin", "/sbin"]) or not module.check_mode):
        code, out, err = module.run_command(words)
        if code:
            os.unlink(path)
            module.fail_json(msg=f"{file['dest']} would be wrong: {(err or out).strip()[-1500:]}")
    return path


def put(module: AnsibleModule, file: dict[str, Any], new: str | None, uid: int, gid: int) -> None:
    """Put a candidate in its place, if there is one; owner and mode in any case."""
    os.makedirs(os.path.dirname(file["dest"]), mode=0o755, exist_ok=True)
    if new:
        os.chmod(new, int(file["mode"], 8))
        os.chown(new, uid, gid)
        if os.path.islink(file["dest"]):
            os.unlink(file["dest"])  # else the text would land wherever it leads
        module.atomic_move(new, file["dest"], keep_dest_attrs=False)
    os.chown(file["dest"], uid, gid)
    os.chmod(file["dest"], int(file["mode"], 8))


def compare(module: AnsibleModule, files: list[dict[str, Any]]) -> tuple[list[dict[str, str]], list[Any]]:
    """The diffs of what differs, and what is to be put: (file, accepted candidate or None, uid, gid)."""
    diffs: list[dict[str, str]] = []
    due = []
    for file in files:
        uid, gid = ids(module, file)
        was, had = present(file["dest"])
        if file["comments"] and was is not None:
            file = {**file, "content": commented(was, file["content"])}  # noqa: PLW2901 - what belongs there now
        if os.path.isdir(file["dest"]) and not os.path.islink(file["dest"]):
            module.fail_json(msg=f"{file['dest']} is a folder on this host, a file belongs there: move it away")
        wanted = f"{uid}:{gid} {int(file['mode'], 8):04o}"
        if was == file["content"] and had == wanted:
            continue
        new = candidate(module, file) if was != file["content"] else None
        due.append((file, new, uid, gid))
        shown = {"before": was or "", "after": file["content"]} if not file["secret"] else {"before": "", "after": "********\n"}
        if was == file["content"]:
            shown = {"before": had + "\n", "after": wanted + "\n"}
        diffs.append({"before_header": file["dest"], "after_header": file["dest"], **shown})
    return diffs, due


def surplus(folders: list[str], named: set[str]) -> list[str]:
    """What lies in these folders and is not named."""
    return [
        os.path.join(folder, name)
        for folder in folders
        if os.path.isdir(folder)
        for name in sorted(os.listdir(folder))
        if os.path.join(folder, name) not in named
    ]


def removed(paths: list[str]) -> list[dict[str, str]]:
    """The diffs of files that go."""
    return [{"before_header": path, "after_header": "/dev/null", "before": "present\n", "after": ""} for path in paths]
