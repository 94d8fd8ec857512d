"""A desktop joins the office's directory with the password it has in the vault: nobody's, least of all the Administrator's.

The directory knows the machine's account already (module `directory`); the machine makes its keytab from the password, and
makes nothing at all as long as the keytab it has opens the directory. Then people's local accounts, from a time without a
server, give way: their homes stay, and go to the numbers the directory gives.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: directory_client
short_description: a machine of the office's directory
description: Makes the machine's keytab from its own password, and hands people's homes over to the directory's accounts.
options:
  realm: {type: str, required: true, description: the Kerberos realm in capitals}
  server: {type: str, required: true, description: the directory's server}
  hostname: {type: str, required: true, description: the machine's name}
  password: {type: str, required: true, description: what the machine shows the directory}
  people: {type: list, elements: str, required: true, description: logins whose local accounts give way}
  groups: {type: list, elements: str, required: true, description: groups that the directory has}
author: the provisioner authors
"""

RETURN = """
done:
  description: what was done or would be, in sentences
  type: list
  returned: always
"""

KEYTAB = "/etc/krb5.keytab"
SID = "/var/lib/provisioner/directory-sid"
ENCRYPTION = ("aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96")
PATIENCE_S = 60  # the server may have been restarted a moment ago
FINDING_S = 20


class Machine:
    """This machine before the directory; its tickets are in a folder that goes with it."""

    def __init__(self, module: AnsibleModule, work: str) -> None:
        self.module, self.work, self.p = module, work, module.params
        self.account = f"{self.p['hostname'].upper()}$@{self.p['realm']}"
        self.environment = {"KRB5CCNAME": f"FILE:{work}/tickets", "LC_ALL": "C"}
        self.done: list[str] = []

    def run(self, *words: str, given: str | None = None) -> tuple[int, str]:
        """A program's exit code and what it said; secrets go in by `given`, its standard input."""
        if not self.module.get_bin_path(words[0]):
            return 127, f"{words[0]} is not there"
        code, out, err = self.module.run_command(list(words), data=given, environ_update=self.environment)
        return code, f"{out}{err}".strip()

    def fits(self) -> bool:
        """Whether the keytab opens the directory, and what others encrypt for this machine today."""
        there = os.path.exists(KEYTAB) and self.run("kinit", "-k", "-t", KEYTAB, self.account)[0] == 0
        return there and self.run("kvno", "-q", "-k", KEYTAB, self.account)[0] == 0

    def answers(self) -> bool:
        """Whether the directory lets this machine in with its password; waits for one that just starts."""
        until = time.monotonic() + PATIENCE_S
        while True:
            code, said = self.run("kinit", self.account, given=f"{self.p['password']}\n")
            if code == 0:
                return True
            away = "contact any KDC" in said or "find KDC" in said or "resolve" in said
            if not away and "Preauthentication failed" not in said and "not found in Kerberos database" not in said:
                self.module.fail_json(msg=f"the directory on {self.p['server']} would not have {self.account}: {said[-400:]}")
            if time.monotonic() > until:
                if away and os.path.exists(KEYTAB):
                    self.module.warn(f"the directory on {self.p['server']} does not answer: {said[-200:]}")
                    return False
                why = "does not answer" if away else "does not know this machine: apply the server first"
                self.module.fail_json(msg=f"the directory on {self.p['server']} {why} ({said[-300:]})")
            time.sleep(2)

    def join(self) -> None:
        """A keytab from the password; the salt of its keys and their version are the directory's to say."""
        _, said = self.run("kvno", self.account)
        version = re.search(r"kvno = (\d+)", said)
        if not version:
            self.module.fail_json(msg=f"the directory gave no ticket for {self.account}: {said[-400:]}")
            return
        new = f"{self.work}/keytab"
        entries = [
            f"addent -password -p {self.account} -k {version[1]} -e {kind} -f\n{self.p['password']}\n" for kind in ENCRYPTION
        ]
        _, said = self.run("ktutil", given="".join(entries) + f"wkt {new}\nquit\n")
        if not os.path.exists(new) or self.run("kinit", "-k", "-t", new, self.account)[0]:
            self.module.fail_json(msg=f"no keytab could be made for {self.account}: {said[-400:]}")
        self.module.atomic_move(new, KEYTAB, keep_dest_attrs=False)
        os.chmod(KEYTAB, 0o600)
        self.done.append(f"{self.account}: in the directory")

    def another(self) -> str:
        """The domain's identifier when it is not the one remembered: a directory made anew numbers its people anew."""
        code, said = self.run("rpcclient", f"--use-krb5-ccache={self.work}/tickets", self.p["server"], "-c", "lsaquery")
        sid = re.search(r"S-1-5-21-[0-9-]+", said)
        if code or not sid:
            self.module.fail_json(msg=f"the directory on {self.p['server']} did not say which it is: {said[-400:]}")
            return ""
        try:
            with open(SID, encoding="utf-8") as file:
                return sid[0] if file.read().strip() != sid[0] else ""
        except FileNotFoundError:
            return sid[0]

    def forget(self, sid: str) -> None:
        """Drop what sssd remembers of another directory, whose people had other numbers."""
        self.run("systemctl", "stop", "sssd")
        for folder in ("/var/lib/sss/db", "/var/lib/sss/mc"):
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
        os.makedirs(os.path.dirname(SID), mode=0o700, exist_ok=True)
        with open(SID, "w", encoding="utf-8") as file:
            file.write(f"{sid}\n")
        self.done.append("what was remembered of another directory is forgotten")

    # ------------------------------------------------------------------------------------------- people

    def give_way(self) -> None:
        """Local accounts and groups that bear a name of the directory's go; nobody's home does."""
        check = self.module.check_mode
        for login in set(self.p["people"]) & names("/etc/passwd"):
            self.done.append(f"{login}: the local account gives way to the directory's")
            if not check:
                code, said = self.run("userdel", "--force", login)  # without --remove: the home stays
                if code:
                    self.module.fail_json(msg=f"the local account {login} could not be removed: {said[-300:]}")
        for group in ({*self.p["groups"]} | {*self.p["people"]}) & names("/etc/group"):
            self.done.append(f"{group}: the local group gives way to the directory's")
            if not check:
                code, said = self.run("groupdel", group)
                if code:
                    self.module.fail_json(msg=f"the local group {group} could not be removed: {said[-300:]}")

    def homes(self) -> None:
        """Homes that bear another number than their people have in the directory."""
        until = time.monotonic() + (FINDING_S if self.done else 0)  # sssd was restarted a moment ago
        for login in self.p["people"]:
            home = f"/home/{login}"
            if not os.path.lexists(home):
                continue
            entry = known(login, until)
            if entry is None:
                continue
            had = os.lstat(home)
            if had.st_uid == entry.pw_uid:
                continue
            self.done.append(f"{home}: belongs to {entry.pw_uid} of the directory")
            if self.module.check_mode:
                continue
            for folder, folders, files in os.walk(home):
                for name in folders + files:
                    path = os.path.join(folder, name)
                    if os.lstat(path).st_uid == had.st_uid:
                        os.lchown(path, entry.pw_uid, entry.pw_gid)
            os.lchown(home, entry.pw_uid, entry.pw_gid)  # last: cut short, it is found again


def known(login: str, until: float) -> pwd.struct_passwd | None:
    """The directory's account of that login; asked again until then where there is none."""
    while True:
        try:
            return pwd.getpwnam(login)
        except KeyError:
            if time.monotonic() > until:
                return None
        time.sleep(0.5)


def names(path: str) -> set[str]:
    """The names in a file of accounts or groups."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return {line.split(":", 1)[0] for line in file}


def main() -> None:
    """Join, then hand over."""
    spec = {name: {"type": "str", "required": True} for name in ("realm", "server", "hostname")}
    spec["password"] = {"type": "str", "required": True, "no_log": True}
    spec |= {name: {"type": "list", "elements": "str", "required": True} for name in ("people", "groups")}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if not module.params["password"]:
        module.fail_json(msg="the vault has no password for this machine: `provisioner secrets show OFFICE --complete` makes one")
    work = tempfile.mkdtemp(dir="/run")
    try:
        machine = Machine(module, work)
        converge(machine)
    finally:
        shutil.rmtree(work)
    diff = [{"before": "", "after": "".join(f"{line}\n" for line in machine.done)}] if machine.done else []
    module.exit_json(changed=bool(machine.done), done=machine.done, diff=diff)


def converge(machine: Machine) -> None:
    """The parts in their order; in check mode, what they would do."""
    fits, check = machine.fits(), machine.module.check_mode
    if check:
        if not fits:
            machine.done.append(f"{machine.account}: in the directory")
        machine.give_way()
        return
    if not fits and machine.answers():
        machine.join()
        fits = True
    if fits and (sid := machine.another()):
        machine.forget(sid)
    machine.give_way()
    if fits and machine.done:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "sssd")
    machine.homes()


if __name__ == "__main__":
    main()
