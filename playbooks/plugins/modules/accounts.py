"""The accounts and groups of a host in one call: made where they lack, brought to what is wanted where they differ.

`group` and `user` cost a host a round trip each and for each entry; thirty people cost as much as one here. Nobody is taken out
of a group and nothing of a home is touched: what a person has chosen on the machine stays.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: accounts
short_description: the accounts and groups of a host in one call
description: Makes groups and accounts that lack, and brings the others' name, shell and groups to what is wanted.
options:
  groups:
    description: Groups that are there.
    type: list
    elements: str
    default: []
  accounts:
    description:
      - Accounts that are there. C(login); C(name), what the account is called; C(shell); C(groups), which it is in among others.
      - One with /bin/bash has a home of its own, made from /etc/skel.
      - An account that was closed by a date of expiry is open again.
    type: list
    elements: dict
    default: []
author: the provisioner authors
"""

RETURN = """
accounts:
  description: what was made or changed, or would be, one sentence each
  type: list
  returned: always
"""

NEVER = ("", "-1")  # of a date of expiry in /etc/shadow (shadow(5))


def gecos(name: str) -> str:
    """A name as /etc/passwd can hold it (passwd(5))."""
    return re.sub(r"[:,\x00-\x1f\x7f]", " ", name)


def expiry(login: str, shadow: str) -> str:
    """The day an account ends, as /etc/shadow has it; empty when it never does."""
    fields = next((line.split(":") for line in shadow.splitlines() if line.startswith(f"{login}:")), [])
    return fields[7] if len(fields) > 7 else ""


def made(wanted: dict[str, Any], own_group: bool) -> list[str]:
    """The command that makes an account; pure."""
    words = ["useradd", "-s", wanted["shell"], "-c", wanted["name"], "-m" if wanted["home"] else "-M"]
    words += ["-G", ",".join(wanted["groups"])] if wanted["groups"] else []
    words += ["-N"] if own_group else []  # a group of that name is there already: the account's is the system's usual one
    return [*words, "--", wanted["login"]]


def changed(wanted: dict[str, Any], known: pwd.struct_passwd, groups: set[str], ends: str) -> tuple[list[str], list[str]]:
    """The words of usermod that bring an account to what is wanted, and what differs, as sentences; pure."""
    words: list[str] = []
    said: list[str] = []
    for option, is_, to, about in (
        ("-c", known.pw_gecos, wanted["name"], "is called"),
        ("-s", known.pw_shell, wanted["shell"], "has the shell"),
    ):
        if is_ != to:
            words += [option, to]
            said.append(f"{about} {to} (was {is_})")
    lacking = [name for name in wanted["groups"] if name not in groups]
    if lacking:
        words += ["-a", "-G", ",".join(lacking)]
        said.append(f"is in {', '.join(lacking)}")
    if ends not in NEVER:
        words += ["-e", ""]
        said.append("has no date of expiry")
    return words, said


def member_of(login: str, primary: int) -> set[str]:
    """The groups an account is in."""
    return {group.gr_name for group in grp.getgrall() if login in group.gr_mem or group.gr_gid == primary}


def account(module: AnsibleModule, wanted: dict[str, Any], shadow: str, done: list[str]) -> None:
    """Make one account, or bring it to what is wanted."""
    login = wanted["login"]
    try:
        known = pwd.getpwnam(login)
    except KeyError:
        done.append(f"{login}: made, {wanted['name']}, with {wanted['shell']}, in {', '.join(wanted['groups']) or 'no group'}")
        call(module, made(wanted, any(group.gr_name == login for group in grp.getgrall())))
        return
    words, said = changed(wanted, known, member_of(login, known.pw_gid), expiry(login, shadow))
    if words:
        call(module, ["usermod", *words, "--", login])
    if wanted["home"] and not os.path.exists(known.pw_dir):
        said.append(f"has its home {known.pw_dir}")
        call(module, ["mkhomedir_helper", login, "0077"])
    if said:
        done.append(f"{login}: {'; '.join(said)}")


def call(module: AnsibleModule, words: list[str]) -> None:
    """Run a program of Debian's, but in check mode."""
    if not module.check_mode:
        module.run_command(words, check_rc=True)


def main() -> None:
    """Do it."""
    shape: dict[str, Any] = {
        "login": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "shell": {"type": "str", "required": True},
        "groups": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        {
            "groups": {"type": "list", "elements": "str", "default": []},
            "accounts": {"type": "list", "elements": "dict", "default": [], "options": shape},
        },
        supports_check_mode=True,
    )
    done: list[str] = []
    there = {group.gr_name for group in grp.getgrall()}
    for name in [name for name in module.params["groups"] if name not in there]:
        done.append(f"group {name}: made")
        call(module, ["groupadd", "--", name])
    with open("/etc/shadow", encoding="utf-8", errors="replace") as file:
        shadow = file.read()
    for wanted in module.params["accounts"]:
        account(module, wanted | {"name": gecos(wanted["name"]), "home": wanted["shell"] == "/bin/bash"}, shadow, done)
    diff = [{"before": "", "after": "".join(f"{line}\n" for line in done), "after_header": "accounts"}] if done else []
    module.exit_json(changed=bool(done), accounts=done, diff=diff)


if __name__ == "__main__":
    main()
