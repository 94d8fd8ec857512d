"""One technician who left, on one host: what is theirs there, taken away and named; as root, standard library only.

Every step is small and whole (written beside, renamed), in the order in which it shuts: whoever kills this leaves somebody who
left half shut out, and nobody else. The same call again does the rest. Nothing is reloaded: sshd reads its keys at each login.
"""

import contextlib
import glob
import os
import pwd
import re
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from provisioner.hosts.programs.authorized_keys import Sshd, bare, fingerprint, keys_in, keys_of, lines_of, without
from provisioner.hosts.programs.host_processes import call, called, processes
from provisioner.hosts.programs.root_files import put, text

Ask = dict[str, Any]


BASE = "/var/lib/provisioner"
ASIDE = f"{BASE}/refused"
SUDOERS = "/etc/sudoers.d/office"
STARTS = ("start", "enable", "restart", "reenable", "link", "try-restart", "reload-or-restart")
PATIENCE_S = 8  # until killed processes are gone


class Leaver:
    """One technician who left, on this machine."""

    def __init__(self, login: str, lines: Iterable[str], ask: Ask, sshd: Sshd) -> None:
        self.login, self.ask, self.sshd = login, ask, sshd
        self.act = ask["do"] == "refuse"
        self.found: list[dict[str, str]] = []
        self.left: list[str] = []
        self.look_at: list[str] = []
        self.named: set[int] = set()  # processes
        self.spared = keys_of(line for theirs in ask["stay"].values() for line in theirs) | keys_of([ask["me"]["key"]])
        recorded = keys_of(lines)
        self.account: pwd.struct_passwd | None = None
        with contextlib.suppress(KeyError):
            self.account = pwd.getpwnam(login)
        self.own: dict[bytes, bytes] = {}
        if self.account:
            for path in sshd.of(self.account):
                for line in lines_of(path):
                    self.own.update({key: kind for kind, key in keys_in(line) if key not in self.spared})
        self.keys = (recorded | set(self.own)) - self.spared
        self.unknown = [bare(kind, key) for key, kind in self.own.items() if key not in recorded]

    def say(self, what: str, where: str, about: str = "", **more: str) -> None:
        """Name a thing of theirs."""
        self.found.append({"what": what, "where": where, "about": about[:200], **more})

    def step(self, action: Callable[..., object], *words: object) -> None:
        """Do something to this machine unless we only look; what it cannot do is said, and the rest goes on."""
        if not self.act:
            return
        try:
            action(*words)
        except OSError as error:
            self.left.append(f"{self.login}: {error}")

    def program(self, *words: str) -> None:
        """The same with a program of Debian's."""

        def run() -> None:
            code, said = call(*words)
            if code:
                raise OSError(f"{' '.join(words)}: {said[-200:]}")

        self.step(run)

    def aside(self, path: str) -> None:
        """Keep a file where nothing runs it."""

        def move() -> None:
            folder = f"{ASIDE}/{self.login}"
            os.makedirs(folder, mode=0o700, exist_ok=True)
            target = f"{folder}/{time.strftime('%Y%m%dT%H%M%S')}{path.replace('/', '-')}"
            try:
                os.rename(path, target)
            except OSError:  # another file system
                shutil.copy2(path, target, follow_symlinks=False)
                os.unlink(path)

        self.step(move)

    def refuse(self) -> None:
        """All of it, what shuts first."""
        account = self.account
        if account and self.trusted(account):
            self.close()
        self.key_files()
        self.sudo()
        self.other_files()
        if account and self.trusted(account):
            self.lingering(account)
            self.units(account)
        self.jobs()
        self.mentions()
        self.as_root()
        if account and self.trusted(account):
            self.sessions(account)

    def trusted(self, account: pwd.struct_passwd) -> bool:
        """Whether the account is one that can be closed without anybody else: a number of its own, not the system's."""
        same = [a.pw_name for a in pwd.getpwall() if a.pw_uid == account.pw_uid and a.pw_name != self.login]
        return account.pw_uid >= 1000 and not same

    def closed(self) -> bool:
        """Whether nobody gets in as this account: it is over (shadow(5), 8th field), has no password and no group."""
        for line in text("/etc/shadow").splitlines():
            fields = line.split(":")
            if fields[0] == self.login:
                return fields[7] == "1" and fields[1].startswith(("!", "*"))
        return True

    def groups(self) -> list[str]:
        """The groups they are in beside their own."""
        rows = (line.split(":") for line in text("/etc/group").splitlines())
        return [row[0] for row in rows if len(row) > 3 and self.login in row[3].split(",")]

    def close(self) -> None:
        """The account is over and locked; its files stay."""
        groups = self.groups()
        if not self.closed() or groups:
            self.say("account", self.login, f"in {', '.join(groups)}" if groups else "")
            self.program("usermod", "--lock", "--expiredate", "1", "--groups", "", self.login)

    def key_files(self) -> None:
        """The files that sshd reads for this login alone: in a folder of root's they go."""
        for path in self.files():
            about = ", ".join(fingerprint(key) for line in lines_of(path) for _, key in keys_in(line))
            self.say("key", path, about)
            self.step(os.unlink, path)

    def files(self) -> list[str]:
        """Those files."""
        patterns = [pattern for pattern in self.sshd.patterns if pattern.startswith("/") and "%u" in pattern]
        paths = [pattern.replace("%u", self.login) for pattern in patterns if "%" not in pattern.replace("%u", "")]
        return [path for path in paths if os.path.lexists(path)]

    def sudo(self) -> None:
        """Their line among those who may administer."""
        was = text(SUDOERS)
        kept = [line for line in was.splitlines(keepends=True) if line.split()[:1] != [self.login]]
        if "".join(kept) != was:
            self.say("sudo", SUDOERS)
            self.step(put, SUDOERS, "".join(kept), 0o440, ("visudo", "-cqf"))
        word = re.compile(rf"(?<![\w.-]){re.escape(self.login)}(?![\w.-])")
        number = f"#{self.account.pw_uid}" if self.account else ""
        for path in ["/etc/sudoers", *sorted(glob.glob("/etc/sudoers.d/*"))]:
            for line in text(path).splitlines() if path != SUDOERS else ():
                theirs = word.search(line) or (number and number in line.split())
                if theirs and not (line.lstrip().startswith("#") and not line.lstrip()[1:2].isdigit()):
                    self.look_at.append(f"{path} lets {self.login} administer: {line.strip()[:160]}")

    def other_files(self) -> None:
        """Lines with one of their keys, whoever's file it is."""
        whole = self.files()  # named already
        for path in self.sshd.everywhere():
            named: list[tuple[int, str, bytes]] = []
            if path in whole:
                continue
            for number, line in enumerate(lines_of(path), 1):
                named += [(number, bare(kind, key), key) for kind, key in keys_in(line) if key in self.keys]
            for number, shown, key in named:
                self.say("key", f"{path}:{number}", fingerprint(key), key=shown)
            if named:
                self.step(without, path, self.keys)

    # ---------------------------------------------------------------------------------------------- jobs

    def jobs(self) -> None:
        """Their crontab, their lines in the system's, their at jobs: put aside, each named."""
        spool = f"/var/spool/cron/crontabs/{self.login}"
        if os.path.lexists(spool):
            for line in text(spool).splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    self.say("cron", spool, line.strip())
            self.aside(spool)
        for path in ["/etc/crontab", *sorted(glob.glob("/etc/cron.d/*"))]:
            lines = text(path).splitlines(keepends=True)
            theirs = [line for line in lines if runs_as(line, self.login)]
            if theirs and not path.endswith("~"):
                for line in theirs:
                    self.say("cron", path, line.strip())
                kept = "".join(f"# refused, {self.login} left: {line}" if line in theirs else line for line in lines)
                self.step(put, path, kept, stat.S_IMODE(os.stat(path).st_mode))
        for path in sorted(glob.glob("/var/spool/cron/atjobs/*")):
            with contextlib.suppress(OSError):
                mine = self.account and os.lstat(path).st_uid == self.account.pw_uid
                job = text(path)
                if os.path.isfile(path) and (mine or re.search(rf"^SUDO_USER={re.escape(self.login)};", job, re.M)):
                    self.say("at", path, (job.strip().splitlines() or [""])[-1])
                    self.aside(path)

    def lingering(self, account: pwd.struct_passwd) -> None:
        """What the system would run for them though they are not logged in."""
        flag = f"/var/lib/systemd/linger/{self.login}"
        home = account.pw_dir
        timers = sorted(glob.glob(f"{glob.escape(home)}/.config/systemd/user/*.timer"))
        live = os.path.lexists(flag)
        if live:
            self.say("linger", flag, ", ".join(os.path.basename(timer) for timer in timers))
            self.step(os.unlink, flag)
            if self.act:
                call("loginctl", "disable-linger", self.login)  # tells the running logind

    def units(self, account: pwd.struct_passwd) -> None:
        """Services of the system that run as them: stopped, and put aside."""
        running = {unit for unit in processes(account.pw_uid).values() if unit}
        theirs = re.compile(rf"^\s*User\s*=\s*\"?({re.escape(self.login)}|{account.pw_uid})\"?\s*$", re.M)
        named = {}
        for path in glob.glob("/etc/systemd/system/*.service") + glob.glob("/usr/local/lib/systemd/system/*.service"):
            if theirs.search(text(path)):
                named[os.path.basename(path)] = path
        for unit in sorted(running | set(named)):
            stem = unit.removesuffix(".service")
            others = [f"{stem}.{kind}" for kind in ("timer", "socket", "path")]
            there = [other for other in others if os.path.exists(f"/etc/systemd/system/{other}")]
            self.say("unit", named.get(unit, unit), ", ".join(there))
            for word in (unit, *there):
                self.program("systemctl", "stop", word)
                if self.act:
                    call("systemctl", "disable", word)
            for path in [named.get(unit, ""), *(f"/etc/systemd/system/{other}" for other in there)]:
                if path and os.path.lexists(path):
                    self.aside(path)
        if named and self.act:
            call("systemctl", "daemon-reload")

    def mentions(self) -> None:
        """What others' jobs run out of their home: named for a person to judge, because it may be the office's."""
        home = self.account.pw_dir if self.account else f"/home/{self.login}"
        inside = re.compile(rf"{re.escape(home)}(/|\b)")
        places = ["/etc/crontab", *glob.glob("/etc/cron.*/*"), *glob.glob("/var/spool/cron/crontabs/*")]
        places += [*glob.glob("/etc/systemd/system/*.service"), *glob.glob("/etc/systemd/system/*.timer"), "/etc/rc.local"]
        for path in sorted(places):
            for line in text(path).splitlines():
                if inside.search(line) and not line.lstrip().startswith("#"):
                    self.look_at.append(f"{path} runs something of {self.login}'s: {line.strip()[:160]}")

    def as_root(self) -> None:
        """What they started as root through sudo and may still run: named for a person to judge; it may be the office's."""
        theirs = rf"^\s*{re.escape(self.login)} : .*COMMAND="
        said = call("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "sudo", "--grep", theirs, "-n", "2000")[1]
        units = {unit for line in said.splitlines() for unit in started(line, self.login)}
        transient = {os.path.basename(path) for path in glob.glob("/run/systemd/transient/*.service")}
        for unit in sorted(units | transient):
            asked = ("-p", "ActiveState", "-p", "UnitFileState", "-p", "User", "-p", "ExecStart")
            shown = call("systemctl", "show", unit, *asked)[1]
            state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
            if state.get("ActiveState") not in ("active", "activating") and state.get("UnitFileState") != "enabled":
                continue
            runs = re.search(r"argv\[\]=([^;]*)", state.get("ExecStart", ""))
            who = state.get("User") or "root"
            how = f"{self.login} started it through sudo" if unit in units else "somebody started it by hand"
            what = f" `{runs[1].strip()}`" if runs else ""
            self.look_at.append(f"{unit} runs{what} as {who}: {how}; when it is not the office's: systemctl disable --now {unit}")

    # ------------------------------------------------------------------------------------------ sessions

    def sessions(self, account: pwd.struct_passwd) -> None:
        """What they are doing here now ends."""
        uid = account.pw_uid
        there = processes(uid)
        if not there:
            return
        for line in call("loginctl", "list-sessions", "--no-legend")[1].splitlines():
            fields = line.split()
            if len(fields) > 2 and fields[1] == str(uid):
                asked = ("-p", "RemoteHost", "-p", "TTY", "-p", "Timestamp", "--value")
                said = call("loginctl", "show-session", fields[0], *asked)[1]
                self.say("session", fields[0], " ".join(said.split()))
        self.name(there)
        if self.act:
            self.end(account)

    def name(self, there: Mapping[int, str]) -> None:
        """Name what runs as them, each once."""
        for pid in sorted(there.keys() - self.named):
            self.say("process", str(pid), called(pid))
        self.named |= there.keys()

    def end(self, account: pwd.struct_passwd) -> dict[int, str]:
        """Kill what runs as them until nothing does, or the patience is over; what is left."""
        until = time.monotonic() + PATIENCE_S
        while (there := processes(account.pw_uid)) and time.monotonic() < until:
            self.name(there)
            for pid in there:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        return there

    # --------------------------------------------------------------------------------------------- proof

    def prove(self) -> None:
        """Ask this machine anew; what still lets them in, or cannot be known, is said."""
        for path in self.sshd.everywhere():
            for number, line in enumerate(lines_of(path), 1):
                self.left += [
                    f"{path}:{number} still holds {fingerprint(k)} of {self.login}" for _, k in keys_in(line) if k in self.keys
                ]
        self.left += [f"{path} is still there" for path in self.files()]
        self.left += [f"{self.login}: cannot be proven: {why}" for why in self.sshd.beyond]
        if any(line.split()[:1] == [self.login] for line in text(SUDOERS).splitlines()):
            self.left.append(f"{self.login} may still administer by {SUDOERS}")
        if account := self.account:
            if not self.trusted(account):
                self.left.append(
                    f"the account {self.login} has the number {account.pw_uid}, which is not its own: close it by hand"
                )
            elif not self.closed():
                self.left.append(f"the account {self.login} is not closed")
            elif still := self.end(account):  # a look at processes is not one moment: one begun meanwhile shows in the next
                self.left.append(f"{self.login} still runs {', '.join(f'{called(p)} ({p})' for p in sorted(still))}")

    def answer(self) -> dict[str, Any]:
        """What was found, what is left, what a person has to look at, and which keys nobody had written down."""
        shown = {"found": self.found, "left": self.left, "look_at": self.look_at, "unknown": self.unknown}
        return {**shown, "account": bool(self.account), "keys": sorted(fingerprint(key) for key in self.keys)}


def runs_as(line: str, login: str) -> bool:
    """Whether a line of the system's crontab runs as them (crontab(5): five fields or one @word, then the login); pure."""
    fields = line.split()
    at = 1 if fields[:1] and fields[0].startswith("@") else 5
    return not line.lstrip().startswith("#") and fields[at : at + 1] == [login]


def started(line: str, login: str) -> set[str]:
    """The units that somebody started, by a line of sudo's log; pure."""
    words = line.partition("COMMAND=")[2].split()
    if not words or not line.strip().startswith(f"{login} :"):
        return set()
    program = os.path.basename(words[0])
    if program == "systemd-run":
        named = [word.partition("=")[2] for word in words if word.startswith("--unit=")]
        named += [words[n + 1] for n, word in enumerate(words[:-1]) if word in ("--unit", "-u")]
    elif program == "systemctl" and set(STARTS) & set(words):
        named = [word for word in words[1:] if word not in STARTS and not word.startswith("-")]
    else:
        named = []
    return {name if re.search(r"\.(service|timer|socket|path)$", name) else f"{name}.service" for name in named}
