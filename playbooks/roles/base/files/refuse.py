"""Shuts technicians who left out of this machine, names all that was theirs, and proves it; as root, standard library only.

Reads one JSON object on stdin and prints one: `do` is `look` or `refuse`, `logins` who left with their keys, `stay` who works
here still with theirs (no key of theirs is ever taken away), `me` who asks, `who` whose access is only told, `stamp` what the
machine remembers of it, `keep_lease` that another's work here is none of our business (a play's own).

Every step is small and whole (written beside, renamed), in the order in which it shuts: whoever kills this leaves somebody who
left half shut out, and nobody else. The same call again does the rest. Nothing is reloaded: sshd reads its keys at each login.
"""

import base64
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

BASE = "/var/lib/provisioner"
ASIDE = f"{BASE}/refused"
SUDOERS = "/etc/sudoers.d/office"
SSHD = "/etc/ssh/sshd_config"
USUAL = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
KEY = re.compile(rb"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?)[ \t]+([A-Za-z0-9+/]{20,}={0,2})")
LIMIT = 16 << 20  # a file of keys beyond that is none
STARTS = ("start", "enable", "restart", "reenable", "link", "try-restart", "reload-or-restart")
SETUID_S = 20  # for a look at every file of the machine's own disk
PATIENCE_S = 8  # until killed processes are gone


def call(*words, given=None):
    """A program's exit code and what it said."""
    try:
        done = subprocess.run(
            words, input=given, stdin=None if given else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def text(path):
    """A file's text; of what is none, or not there, nothing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(LIMIT).decode("utf-8", "surrogateescape")
    return ""


def put(path, content, mode, check=()):
    """Replace one of root's own files, whole, once `check` (a command; the new file's path follows) accepts it."""
    beside = f"{path}~"  # sudo and cron leave names like this alone
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    code, said = call(*check, beside) if check else (0, "")
    if code:
        os.unlink(beside)
        raise OSError(f"{path} would be wrong: {said[:200]}")
    os.rename(beside, path)


# ------------------------------------------------------------------------------------------------ keys


def blob(encoded):
    """The key itself: its text can be written in more than one way (unused bits, padding)."""
    with contextlib.suppress(ValueError):
        return base64.b64decode(encoded.rstrip(b"=") + b"==")
    return b""


def keys_in(line):
    """Every key in a line of a file of keys, as (type, key)."""
    found = [(kind, blob(encoded)) for kind, encoded in KEY.findall(line)] if not line.lstrip().startswith(b"#") else []
    return [(kind, key) for kind, key in found if key]


def of(lines):
    """The keys of `type base64 comment` lines."""
    return {key for line in lines for _, key in keys_in(line.encode())}


def fingerprint(key):
    """`SHA256:…` as ssh-keygen -l shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def bare(kind, key):
    """`type base64`."""
    return f"{kind.decode()} {base64.b64encode(key).decode()}"


class Sshd:
    """Where sshd looks for keys: whatever its configuration names for anybody, in any Match block."""

    def __init__(self):
        self.patterns, self.beyond = [], []
        configs = {SSHD}
        for pid in pids():
            words = re.split(rb"[\0 ]", raw(pid, "cmdline"))  # sshd writes its own title there, in one piece
            name = os.path.basename(words[0]).decode(errors="replace").rstrip(":")
            if name == "dropbear":
                self.beyond.append("dropbear runs here, which reads files of its own")
            if name != "sshd":
                continue
            for at, word in enumerate(words[:-1]):
                if word == b"-f":
                    configs.add(words[at + 1].decode(errors="replace"))
                if word.startswith(b"-o") and b"uthorizedKeys" in word + words[at + 1]:
                    self.beyond.append("a running sshd was told on its command line where keys are")
        for config in sorted(configs):
            self.read(config, 0)
        said = call("/usr/sbin/sshd", "-T")[1]
        for line in said.splitlines():
            if line.startswith("authorizedkeysfile "):
                self.patterns += line.split()[1:]
        self.patterns = list(dict.fromkeys([*(p for p in self.patterns if p != "none"), *USUAL]))
        self.beyond = sorted(set(self.beyond))

    def read(self, path, depth):
        """One file of the configuration and those it includes."""
        for line in text(path).splitlines():
            word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
            word, values = word.lower(), [value.strip('"') for value in rest.split()]
            if word == "include" and depth < 16:
                for pattern in values:
                    for found in sorted(glob.glob(os.path.join("/etc/ssh", pattern))):
                        self.read(found, depth + 1)
            elif word == "authorizedkeysfile":
                self.patterns += values
            elif word in ("authorizedkeyscommand", "trustedusercakeys") and values and values[0].lower() != "none":
                self.beyond.append(f"{path} has {line.strip()[:120]}: whom that lets in is not in any list of keys")

    def of(self, account):
        """Where the keys of one account are."""
        tokens = {"%h": account.pw_dir, "%u": account.pw_name, "%U": str(account.pw_uid), "%%": "%"}
        for pattern in self.patterns:
            path = re.sub("%.", lambda found: tokens.get(found[0], found[0]), pattern)
            yield os.path.join(account.pw_dir, path)

    def everywhere(self):
        """Every file of keys on the machine: each account's, each home's though nobody's account is there, each folder's."""
        found = {}
        accounts = pwd.getpwall()
        homes = {account.pw_dir for account in accounts}
        strays = [home for home in glob.glob("/home/*") if home not in homes]
        for account in accounts:
            found.update(dict.fromkeys(self.of(account)))
        for home in strays:
            found.update(dict.fromkeys(os.path.join(home, pattern) for pattern in self.patterns if pattern[:1] not in "/%"))
        for pattern in self.patterns:
            if pattern.startswith("/"):
                found.update(dict.fromkeys(sorted(glob.glob(re.sub("%[^%]", "*", pattern)))))
        return [path for path in found if os.path.lexists(path)]


def lines_of(path):
    """The lines of a file of keys, as bytes."""
    return text(path).encode("utf-8", "surrogateescape").splitlines(keepends=True)


def without(path, gone):
    """Take the lines with one of these keys out of a file of keys, the rest byte for byte.

    A home is not root's: all is done in one folder held open, so that no link put there meanwhile leads elsewhere.
    """
    real = os.path.realpath(path)
    folder = os.open(os.path.dirname(real), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    name, beside = os.path.basename(real), f".{os.path.basename(real)}.{os.getpid()}"
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(source, "rb") as file:
            was = os.fstat(source)
            if not stat.S_ISREG(was.st_mode) or was.st_size > LIMIT:
                raise OSError(f"{path} is no file of keys")
            kept = [line for line in file.read().splitlines(keepends=True) if not gone & {key for _, key in keys_in(line)}]
        target = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(target, "wb") as file:
            os.fchown(target, was.st_uid, was.st_gid)
            os.fchmod(target, stat.S_IMODE(was.st_mode))
            file.writelines(kept)
            file.flush()
            os.fsync(target)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


# ------------------------------------------------------------------------------------------- processes


def pids():
    """Every process."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def raw(pid, name):
    """A file of /proc/PID; nothing when the process has ended."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def ancestors():
    """Ourselves and whoever started us, up to the first process: the very connection this comes by."""
    found, pid = {1}, os.getpid()
    while pid > 1:
        found.add(pid)
        pid = int(raw(pid, "stat").rpartition(b")")[2].split()[1] or b"1")
    return found


def processes(uid):
    """What runs as this account, or came out of one of its logins (sudo, su, nohup): process -> its unit."""
    ours = ancestors()
    found = {}
    for pid in pids():
        if pid in ours:
            continue
        status = raw(pid, "status").decode(errors="replace")
        uids = re.search(r"^Uid:\s+(.*)$", status, re.M)
        if not uids or re.search(r"^State:\s+Z", status, re.M):
            continue
        group = raw(pid, "cgroup").decode(errors="replace")
        mine = str(uid) in uids[1].split()
        # user-runtime-dir@.service is the system's own: it makes and removes /run/user/UID around their logins
        login = raw(pid, "loginuid").strip() == str(uid).encode()
        if mine or login or re.search(rf"/user-{uid}\.slice/(?!user-runtime-dir@{uid}\.service)", group):
            unit = re.search(r"/system\.slice/(?:[^\n]*/)?([^/\n]+\.service)", group)
            # what systemd runs for somebody is stopped as a unit; what a login of theirs started elsewhere is not one of ours
            if mine or not unit:
                found[pid] = unit[1] if unit and mine else ""
    return found


def called(pid):
    """A process's name without its arguments, which may hold a secret."""
    return raw(pid, "comm").decode(errors="replace").strip() or "?"


# ------------------------------------------------------------------------------------------- one person


class Leaver:
    """One technician who left, on this machine."""

    def __init__(self, login, lines, ask, sshd):
        self.login, self.ask, self.sshd = login, ask, sshd
        self.act = ask["do"] == "refuse"
        self.found, self.left, self.look_at = [], [], []
        self.named = set()  # processes
        self.spared = of(line for lines in ask["stay"].values() for line in lines) | of([ask["me"]["key"]])
        recorded = of(lines)
        try:
            self.account = pwd.getpwnam(login)
        except KeyError:
            self.account = None
        self.own = {}
        if self.account:
            for path in sshd.of(self.account):
                for line in lines_of(path):
                    self.own.update({key: kind for kind, key in keys_in(line) if key not in self.spared})
        self.keys = (recorded | set(self.own)) - self.spared
        self.unknown = [bare(kind, key) for key, kind in self.own.items() if key not in recorded]

    def say(self, what, where, about="", **more):
        """Name a thing of theirs."""
        self.found.append({"what": what, "where": where, "about": about[:200], **more})

    def step(self, action, *words):
        """Do something to this machine unless we only look; what it cannot do is said, and the rest goes on."""
        if not self.act:
            return
        try:
            action(*words)
        except OSError as error:
            self.left.append(f"{self.login}: {error}")

    def program(self, *words):
        """The same with a program of Debian's."""

        def run():
            code, said = call(*words)
            if code:
                raise OSError(f"{' '.join(words)}: {said[-200:]}")

        self.step(run)

    def aside(self, path):
        """Keep a file where nothing runs it."""

        def move():
            folder = f"{ASIDE}/{self.login}"
            os.makedirs(folder, mode=0o700, exist_ok=True)
            target = f"{folder}/{time.strftime('%Y%m%dT%H%M%S')}{path.replace('/', '-')}"
            try:
                os.rename(path, target)
            except OSError:  # another file system
                shutil.copy2(path, target, follow_symlinks=False)
                os.unlink(path)

        self.step(move)

    def refuse(self):
        """All of it, what shuts first."""
        if self.account and self.trusted():
            self.close()
        self.key_files()
        self.sudo()
        self.other_files()
        if self.account and self.trusted():
            self.lingering()
            self.units()
        self.jobs()
        self.mentions()
        self.as_root()
        if self.account and self.trusted():
            self.sessions()

    def trusted(self):
        """Whether the account is one that can be closed without anybody else: a number of its own, not the system's."""
        same = [a.pw_name for a in pwd.getpwall() if a.pw_uid == self.account.pw_uid and a.pw_name != self.login]
        return self.account.pw_uid >= 1000 and not same

    def closed(self):
        """Whether nobody gets in as this account: it is over (shadow(5), 8th field), has no password and no group."""
        for line in text("/etc/shadow").splitlines():
            fields = line.split(":")
            if fields[0] == self.login:
                return fields[7] == "1" and fields[1].startswith(("!", "*"))
        return True

    def groups(self):
        """The groups they are in beside their own."""
        rows = (line.split(":") for line in text("/etc/group").splitlines())
        return [row[0] for row in rows if len(row) > 3 and self.login in row[3].split(",")]

    def close(self):
        """The account is over and locked; its files stay."""
        groups = self.groups()
        if not self.closed() or groups:
            self.say("account", self.login, f"in {', '.join(groups)}" if groups else "")
            self.program("usermod", "--lock", "--expiredate", "1", "--groups", "", self.login)

    def key_files(self):
        """The files that sshd reads for this login alone: in a folder of root's they go."""
        for path in self.files():
            about = ", ".join(fingerprint(key) for line in lines_of(path) for _, key in keys_in(line))
            self.say("key", path, about)
            self.step(os.unlink, path)

    def files(self):
        """Those files."""
        patterns = [pattern for pattern in self.sshd.patterns if pattern.startswith("/") and "%u" in pattern]
        paths = [pattern.replace("%u", self.login) for pattern in patterns if "%" not in pattern.replace("%u", "")]
        return [path for path in paths if os.path.lexists(path)]

    def sudo(self):
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

    def other_files(self):
        """Lines with one of their keys, whoever's file it is."""
        whole = self.files()  # named already
        for path in self.sshd.everywhere():
            named = []
            if path in whole:
                continue
            for number, line in enumerate(lines_of(path), 1):
                named += [(number, bare(kind, key), key) for kind, key in keys_in(line) if key in self.keys]
            for number, line, key in named:
                self.say("key", f"{path}:{number}", fingerprint(key), key=line)
            if named:
                self.step(without, path, self.keys)

    # ---------------------------------------------------------------------------------------------- jobs

    def jobs(self):
        """Their crontab, their lines in the system's, their at jobs: put aside, each named."""
        spool = f"/var/spool/cron/crontabs/{self.login}"
        if os.path.lexists(spool):
            for line in text(spool).splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    self.say("cron", spool, line.strip())
            self.aside(spool)
        for path in ["/etc/crontab", *sorted(glob.glob("/etc/cron.d/*"))]:
            lines = text(path).splitlines(keepends=True)
            theirs = [line for line in lines if self.runs_as(line)]
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

    def runs_as(self, line):
        """Whether a line of the system's crontab runs as them (crontab(5): five fields or one @word, then the login)."""
        fields = line.split()
        at = 1 if fields[:1] and fields[0].startswith("@") else 5
        return not line.lstrip().startswith("#") and fields[at : at + 1] == [self.login]

    def lingering(self):
        """What the system would run for them though they are not logged in."""
        flag = f"/var/lib/systemd/linger/{self.login}"
        home = self.account.pw_dir
        timers = sorted(glob.glob(f"{glob.escape(home)}/.config/systemd/user/*.timer"))
        live = os.path.lexists(flag)
        if live:
            self.say("linger", flag, ", ".join(os.path.basename(timer) for timer in timers))
            self.step(os.unlink, flag)
            if self.act:
                call("loginctl", "disable-linger", self.login)  # tells the running logind

    def units(self):
        """Services of the system that run as them: stopped, and put aside."""
        running = {unit for unit in processes(self.account.pw_uid).values() if unit}
        theirs = re.compile(rf"^\s*User\s*=\s*\"?({re.escape(self.login)}|{self.account.pw_uid})\"?\s*$", re.M)
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

    def mentions(self):
        """What others' jobs run out of their home: named for a person to judge, because it may be the office's."""
        home = self.account.pw_dir if self.account else f"/home/{self.login}"
        inside = re.compile(rf"{re.escape(home)}(/|\b)")
        places = ["/etc/crontab", *glob.glob("/etc/cron.*/*"), *glob.glob("/var/spool/cron/crontabs/*")]
        places += [*glob.glob("/etc/systemd/system/*.service"), *glob.glob("/etc/systemd/system/*.timer"), "/etc/rc.local"]
        for path in sorted(places):
            for line in text(path).splitlines():
                if inside.search(line) and not line.lstrip().startswith("#"):
                    self.look_at.append(f"{path} runs something of {self.login}'s: {line.strip()[:160]}")

    def as_root(self):
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

    def sessions(self):
        """What they are doing here now ends."""
        uid = self.account.pw_uid
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
            self.end()

    def name(self, there):
        """Name what runs as them, each once."""
        for pid in sorted(there.keys() - self.named):
            self.say("process", str(pid), called(pid))
        self.named |= there.keys()

    def end(self):
        """Kill what runs as them until nothing does, or the patience is over; what is left."""
        until = time.monotonic() + PATIENCE_S
        while (there := processes(self.account.pw_uid)) and time.monotonic() < until:
            self.name(there)
            for pid in there:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        return there

    # --------------------------------------------------------------------------------------------- proof

    def prove(self):
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
        if self.account:
            uid = self.account.pw_uid
            if not self.trusted():
                self.left.append(f"the account {self.login} has the number {uid}, which is not its own: close it by hand")
            elif not self.closed():
                self.left.append(f"the account {self.login} is not closed")
            elif still := self.end():  # a look at processes is not one moment: one begun meanwhile shows in the next
                self.left.append(f"{self.login} still runs {', '.join(f'{called(p)} ({p})' for p in sorted(still))}")

    def answer(self):
        """What was found, what is left, what a person has to look at, and which keys nobody had written down."""
        shown = {"found": self.found, "left": self.left, "look_at": self.look_at, "unknown": self.unknown}
        return {**shown, "account": bool(self.account), "keys": sorted(fingerprint(key) for key in self.keys)}


# ------------------------------------------------------------------------------------------- the machine


def started(line, login):
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


def setuid():
    """Programs that give whoever calls them somebody's rights, and are of no package; and whether all files were looked at."""
    found = []
    look = ("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-type", "f", "-perm", "/6000", "-print")
    code, out = call("timeout", str(SETUID_S), *look)
    paths = [path for path in out.splitlines() if path.startswith("/")]
    known = call("dpkg", "-S", *paths)[1] if paths else ""
    owned = {line.partition(": ")[2] for line in known.splitlines()}
    # what lies below /usr is known to some packages by its former place, /bin (usrmerge)
    owned |= {f"/usr{path}" for path in owned} | {path.removeprefix("/usr") for path in owned}
    for path in paths:
        if path not in owned:
            status = os.lstat(path)
            who = next((a.pw_name for a in pwd.getpwall() if a.pw_uid == status.st_uid), str(status.st_uid))
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            found.append(f"{path} gives whoever calls it the rights of {who}, and is of no package (mode {mode})")
    if code:
        found.append(f"not every file was looked at for set-user-ID programs within {SETUID_S} s")
    return found


def lease(logins, act):
    """Whose work on this machine goes on now (lease.py): somebody's who left is none, and ends."""
    try:
        held = json.loads(text(f"{BASE}/lease.json"))
        here = held["boot"] == text("/proc/sys/kernel/random/boot_id").strip()
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - (held["renewed_up"] if here else 0)
        if not 0 <= ago < held["lease_s"]:
            return None
    except (ValueError, KeyError, TypeError):
        return None
    if held.get("technician") in logins:
        if act:
            with contextlib.suppress(OSError):
                os.unlink(f"{BASE}/lease.json")
        return None
    return {word: held.get(word, "") for word in ("technician", "laptop", "run", "since")}


def access(login, sshd):
    """Who somebody is to this machine: account, whether it is closed, the keys it is let in with, whether it may administer."""
    try:
        account = pwd.getpwnam(login)
    except KeyError:
        return {"account": False, "open": False, "keys": [], "sudo": False}
    keys = {fingerprint(key) for path in sshd.of(account) for line in lines_of(path) for _, key in keys_in(line)}
    over = next((line.split(":")[7] for line in text("/etc/shadow").splitlines() if line.startswith(f"{login}:")), "")
    sudo = any(line.split()[:1] == [login] for line in text(SUDOERS).splitlines())
    return {"account": True, "open": over != "1", "keys": sorted(keys), "sudo": sudo}


def strangers(known):
    """Logins that are let in as technicians are, and that nobody knows."""
    named = {line.split()[0] for line in text(SUDOERS).splitlines() if line.strip() and not line.startswith("#")}
    named |= {os.path.basename(path) for path in glob.glob("/etc/ssh/technicians/*")}
    return sorted(name for name in named - set(known) if not name.startswith(("Defaults", "%", "@")))


def main():
    """Look, refuse, prove, tell."""
    ask = json.load(sys.stdin)
    os.makedirs(BASE, mode=0o700, exist_ok=True)
    lock = os.open("/run/provisioner-refuse.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    sshd = Sshd()
    act = ask["do"] == "refuse"
    mine = of([ask["me"]["key"]])
    wrong = ""
    if ask["me"]["login"] in ask["logins"] or set(ask["logins"]) & set(ask["stay"]):
        wrong = "somebody who left is said to stay"
    elif mine & {key for lines in ask["logins"].values() for key in of(lines)}:
        wrong = "the key this was asked with is one to be refused"
    if wrong:
        print(json.dumps({"wrong": wrong, "logins": {}, "changed": False}))
        sys.exit(3)
    leavers = [Leaver(login, lines, ask, sshd) for login, lines in sorted(ask["logins"].items())]
    for leaver in leavers:
        leaver.refuse()
    if act:
        for leaver in leavers:
            leaver.prove()
    working = None if ask.get("keep_lease") else lease(ask["logins"], act)
    if act and ask.get("stamp"):
        with contextlib.suppress(ValueError, AttributeError):
            known = json.loads(text(f"{BASE}/refused.json") or "{}")
            put(f"{BASE}/refused.json", json.dumps({**known, **dict.fromkeys(ask["logins"], ask["stamp"])}), 0o600)
    same = [a.pw_name for a in pwd.getpwall() if a.pw_uid == 0 and a.pw_name != "root"]
    answer = {
        "changed": any(leaver.found for leaver in leavers),
        "logins": {leaver.login: leaver.answer() for leaver in leavers},
        "look_at": [f"the account {name} has root's number" for name in same] + setuid() if leavers else [],
        "works": working,
        "who": {login: access(login, sshd) for login in ask.get("who", [])},
        "strangers": strangers([*ask["logins"], *ask["stay"], *ask.get("who", [])]),
    }
    print(json.dumps(answer))
    left = [line for leaver in leavers for line in leaver.left]
    print("\n".join(left), file=sys.stderr)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
