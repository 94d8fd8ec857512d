"""The folders of shares in one call, and those of people who left moved to whoever has their files from then on.

Everything below them belongs to one account of the system: who may come in is the shares' affair (Samba asks the directory).
So nothing hangs on the numbers of people's accounts, which another directory, or a backup from another machine, has not.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: folders
short_description: the folders of shares
description: Makes folders with one owner of all that lies in them, and moves what people left behind.
options:
  root: {type: path, required: true, description: the folder of all; it and those between belong to root}
  owner: {type: str, required: true, description: the account of all that is in the folders; made where it lacks}
  folders: {type: list, elements: str, required: true, description: the folders, below root}
  moves:
    description: Folders below root that go into another one, under their own name or one that is free, when all has come over.
    type: list
    elements: dict
    required: true
    suboptions:
      source: {type: str, required: true, description: what is moved, if it is there}
      into: {type: str, required: true, description: where to}
author: the provisioner authors
"""

RETURN = """
done:
  description: what was done or would be, one sentence a folder
  type: list
  returned: always
"""

OWN, BETWEEN = 0o770, 0o755


def given(path: str, uid: int, gid: int) -> None:
    """Everything below `path` to its owner, `path` itself last: cut short, it is found again by its top."""
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            there = os.path.join(folder, name)
            if os.lstat(there).st_uid != uid:
                os.lchown(there, uid, gid)
    os.chown(path, uid, gid)


def free(folder: str, name: str) -> str:
    """A name nothing in the folder has."""
    number, candidate = 1, name
    while os.path.lexists(os.path.join(folder, candidate)):
        number += 1
        candidate = f"{name} ({number})"
    return os.path.join(folder, candidate)


def moving(source: str, into: str) -> str:
    """Where a folder waits, in its new one, until all of it has come over."""
    return os.path.join(into, f".{os.path.basename(source)}.moving")


def carry(source: str, target: str) -> None:
    """Move a file or a folder, piece by piece where no rename leads: to another disk, out of an overlay's lower layer.

    Cut short anywhere, the same call goes on where it was; what bears a name that is taken already gets another.
    """
    status = os.lstat(source)
    folder = stat.S_ISDIR(status.st_mode)
    if not folder:
        target = free(*os.path.split(target))
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return
    if folder:
        os.makedirs(target, exist_ok=True)
        for name in os.listdir(source):
            carry(os.path.join(source, name), os.path.join(target, name))
        shutil.copystat(source, target)
        os.chown(target, status.st_uid, status.st_gid)
        os.rmdir(source)
    else:
        part = os.path.join(os.path.dirname(target), ".office-part")
        if os.path.lexists(part):
            os.unlink(part)
        shutil.copy2(source, part, follow_symlinks=False)
        os.lchown(part, status.st_uid, status.st_gid)
        os.rename(part, target)
        os.unlink(source)


def account(module: AnsibleModule, done: list[tuple[str, str, str]]) -> tuple[int, int]:
    """The numbers of the owner and of the group of its name; made where they lack, and -1 in check mode."""
    owner = module.params["owner"]
    try:
        return pwd.getpwnam(owner).pw_uid, grp.getgrnam(owner).gr_gid
    except KeyError:
        done.append((owner, "made, an account of the system", ""))
    if module.check_mode:
        return -1, -1
    words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", module.params["root"]]
    module.run_command([*words, "--shell", "/usr/sbin/nologin", "--", owner], check_rc=True)
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(owner).gr_gid


def main() -> None:
    """Make, give, move."""
    move = {"source": {"type": "str", "required": True}, "into": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "folders": {"type": "list", "elements": "str", "required": True},
            "moves": {"type": "list", "elements": "dict", "required": True, "options": move},
        },
        supports_check_mode=True,
    )
    root, check = module.params["root"], module.check_mode
    done: list[tuple[str, str, str]] = []
    uid, gid = account(module, done)
    between = {root, *(os.path.dirname(os.path.join(root, name)) for name in module.params["folders"])}
    for path in sorted(between):
        ensure(path, (0, 0, BETWEEN), done, check)
    for name in module.params["folders"]:
        ensure(os.path.join(root, name), (uid, gid, OWN), done, check)
    for what in module.params["moves"]:
        source, into = os.path.join(root, what["source"]), os.path.join(root, what["into"])
        there, waits = os.path.isdir(source) and not os.path.islink(source), moving(source, into)
        if there or os.path.isdir(waits):
            target = free(into, os.path.basename(source))
            done.append((source, "moved to", target))
            if not check:
                if there:
                    given(source, uid, gid)
                    carry(source, waits)
                os.rename(waits, target)
    sentences = [" ".join(words).strip() for words in done]
    diff = [{"before": "", "after": "".join(f"{line}\n" for line in sentences)}] if done else []
    module.exit_json(changed=bool(done), done=sentences, diff=diff)


def ensure(path: str, wanted: tuple[int, int, int], done: list[tuple[str, str, str]], check: bool) -> None:
    """One folder with its owner and mode; a new owner gets all that is in it."""
    uid, gid, mode = wanted
    try:
        status: Any = os.lstat(path)
    except FileNotFoundError:
        done.append((path, "made", ""))
        if not check:
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
            os.chown(path, uid, gid)
        return
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{path} is no folder on this host, one belongs there: move it away")
    if (status.st_uid, status.st_gid) != (uid, gid):
        done.append((path, "given to", f"{uid}:{gid}"))
        if not check:
            given(path, uid, gid) if mode == OWN else os.chown(path, uid, gid)
    if stat.S_IMODE(status.st_mode) != mode:
        done.append((path, "has the mode", f"{mode:04o}"))
        if not check:
            os.chmod(path, mode)


if __name__ == "__main__":
    main()
