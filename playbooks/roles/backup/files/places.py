"""Where backups lie: a second disk and an account away from the office, each a restic repository with a life of its own.

Runs on the host, with Debian's Python alone. What can go wrong becomes a `Trouble`: one sentence that a person can act on.
"""

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HOME = "/etc/office-backup"
STATE = "/var/lib/provisioner/backup.json"
WORK = "/var/lib/office-backup"
CACHE = "/var/cache/office-backup"
LOCK = "/run/office-backup.lock"
DISK = "/srv/backup"
LABEL = "/dev/disk/by-label/office-backup"
UNIT = "srv-backup.mount"

VOICE = [sys.stdout]  # `export` gives its standard output to the tar it makes

# restic's words, or ssh's, and ours for them; the first that fits
CAUSES = (
    (r"no space left on device", "no room is left"),
    (r"Host key verification failed|IDENTIFICATION HAS CHANGED", "shows another host key than the pinned one; nothing was sent"),
    (r"Permission denied", "refuses the office's key"),
    (r"wrong password or no key found", "the repository has another password than the office's vault"),
    (r"resolve hostname|Connection refused|timed out|No route|unreachable|Connection closed|Connection reset", "does not answer"),
    (r"403 Forbidden|blob not removed", "the place lets nothing be deleted"),
    (r"locked", "somebody works in the repository"),
    (
        r"ciphertext verification|hash mismatch|does not match|damaged|corrupt|unexpected EOF|invalid data|not contained in"
        r"|unable to load|cannot load|does not exist|not found|LoadBlob|ReadAt|does not have the expected",
        "the repository is damaged",
    ),
)


class Trouble(Exception):
    """What went wrong, in one sentence."""


def say(event, **detail):
    """One JSON line for whoever listens; that they went away does not stop a backup half way."""
    with contextlib.suppress(OSError):
        print(json.dumps({"event": event, **detail}, ensure_ascii=False), file=VOICE[0], flush=True)


def config():
    """What the role wrote."""
    with open(f"{HOME}/config.json", encoding="utf-8") as file:
        return json.load(file)


def now():
    """The time as ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextlib.contextmanager
def alone():
    """Hold this machine's backups; the kernel gives the lock back however we end."""
    with open(LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble("another backup or restore runs on this machine now") from None
        yield


def remembered():
    """What is known of each place: last success and failure, snapshot, sizes; empty when the file is not there or torn."""
    try:
        with open(STATE, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        found = None
    known = found.get("places") if isinstance(found, dict) else None
    return {"places": {name: one for name, one in known.items() if fits(one)} if isinstance(known, dict) else {}}


def fits(one):
    """Whether what is remembered of a place has its shape."""
    numbers = ("checked", "pruned", "forgotten")
    if not isinstance(one, dict):
        return False
    for held in (one.get("held", {}), one.get("ignored", {})):
        if not isinstance(held, dict) or not all(isinstance(at, (int, float)) for at in held.values()):
            return False
    texts = all(isinstance(one.get(word, ""), str) for word in ("snapshot", "odd", "note"))
    return texts and all(isinstance(one.get(word, 0), (int, float)) for word in numbers)


def remember(place, **news):
    """Write down what is new of a place, whole or not at all."""
    os.makedirs(os.path.dirname(STATE), mode=0o700, exist_ok=True)
    with open(f"{LOCK}.state", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = remembered()
        state["places"].setdefault(place, {}).update(news)
        with open(f"{STATE}.part", "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{STATE}.part", STATE)


def run(*words, **more):
    """A program to its end, its words kept."""
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, **more)


def cause(said):
    """Our sentence for what restic or ssh said, with its own words as evidence."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for pattern, sentence in CAUSES:
        for line in lines:
            if re.search(pattern, line, re.IGNORECASE):
                return f"{sentence} ({line[:300]})"
    return lines[-1][:300] if lines else "restic ended without a word"


class Gone(Trouble):
    """Snapshots that were there are missing: whoever can read this has to say why."""

    def __init__(self, place, what):
        super().__init__(f"{what}: find out why, then: provisioner backup accept OFFICE --place {place} --why WHY")


class Wrong(Trouble):
    """What was asked for is not there or cannot be: the asker's mistake, not the machine's."""


class Stopped(BaseException):
    """Whoever had called went away, or the machine shuts down."""


class Place:
    """One restic repository: `disk`, which counts only when a disk is mounted there, or `remote`."""

    def __init__(self, name, settings):
        self.name = name
        self.repository = settings["repository"]
        self.ssh_config = settings.get("ssh_config", "")
        self.append_only = settings.get("append_only", False)  # what is there we can only add to

    def words(self, *words, password="password"):
        """The command line of restic on this place; `password` is the file in `HOME` that holds it."""
        base = ["restic", "--repo", self.repository, "--password-file", f"{HOME}/{password}", "--cache-dir", CACHE]
        if self.append_only:  # the place runs its own program, whatever we ask for (sshd_config(5), ForceCommand)
            base += ["-o", f"rclone.program=ssh -F {self.ssh_config} office-backup rclone", "-o", "rclone.timeout=2m"]
        elif self.ssh_config:
            base += ["-o", f"sftp.command=ssh -F {self.ssh_config} office-backup -s sftp"]
        return [*base, *words]

    def call(self, *words, on_line=None, password="password"):
        """Run restic: (exit code, stdout, stderr); with `on_line`, each line of stdout goes there instead."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "RESTIC_PROGRESS_FPS": "1",
        }  # fmt: skip
        kept = []
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as err:
            process = subprocess.Popen(
                self.words(*words, password=password),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=environment, text=True, errors="replace",
            )  # fmt: skip
            try:
                for line in process.stdout:
                    (on_line or kept.append)(line)
                code = process.wait()
            except BaseException:
                process.terminate()  # it takes its lock away
                process.wait()
                raise
            err.seek(0)
            return code, "".join(kept), err.read()

    def ask(self, *words, on_line=None, password="password"):
        """The same, when it must succeed; stdout."""
        code, out, err = self.call(*words, on_line=on_line, password=password)
        if code:
            raise Trouble(cause(err))
        return out

    def connect(self):
        """Make sure that the place itself is there; says nothing of a repository."""
        if self.ssh_config:
            return
        if not os.path.ismount(DISK) and os.path.exists(LABEL):
            run("systemctl", "start", UNIT)
        if not os.path.ismount(DISK) or os.stat(DISK).st_dev == os.stat("/").st_dev:
            raise Trouble(
                f"no disk is mounted at {DISK}: plug in the one labelled office-backup (mkfs.ext4 -L office-backup DEVICE)"
            )

    def names(self, folder=""):
        """What lies in a folder of the repository; None when the folder is not there."""
        if not self.ssh_config:
            try:
                return os.listdir(os.path.join(self.repository, folder))
            except FileNotFoundError:
                return None
        path = "/".join(filter(None, (self.repository.split(":", 2)[2], folder)))
        done = run("sftp", "-F", self.ssh_config, "-b", "-", "office-backup", input=f'@ls -1 "{path}"\n')
        if done.returncode and re.search(r"not found|No such file", done.stderr):
            return None
        if done.returncode:
            raise Trouble(cause(done.stderr))
        return [line.rpartition("/")[2] for line in done.stdout.split("\n") if line]

    def present(self):
        """Whether the repository is there; one that lost its configuration is damaged, not absent: nothing is made over it."""
        self.connect()
        if self.append_only:
            code, _, err = self.call("cat", "config", "--no-lock", "--quiet")
            absent = re.search(r"unable to open config file|repository does not exist", err)
            if code and not absent and not re.search(r"wrong password or no key found", err, re.IGNORECASE):
                raise Trouble(cause(err))
            return not absent
        names = self.names()
        if names and "config" in names:
            return True
        if names and (self.names("snapshots") or self.names("index")):
            raise Trouble("the repository is damaged (its file config is gone); move its folder aside and a new one is made")
        if names and not set(names) <= {"data", "index", "keys", "locks", "snapshots"}:
            raise Trouble(f"{self.repository} holds other things than a repository: {', '.join(sorted(names)[:3])}")
        return False

    def unlock(self, password="password"):
        """Take away the locks of processes that are no more, however fresh: `alone` means that no restic of ours runs now."""
        host = os.uname().nodename
        found = self.ask("list", "locks", "--no-lock", "--quiet", password=password).split()
        dead = 0
        for lock in found:
            code, out, _ = self.call("cat", "lock", lock, "--no-lock", "--quiet", password=password)
            try:
                held = json.loads(out) if not code else {}
            except ValueError:
                held = {}
            dead += held.get("hostname") == host and not _is_restic(held.get("pid", 0))
        if found and dead == len(found):
            self.ask("unlock", "--remove-all", password=password)
        elif found:
            self.ask("unlock", password=password)  # restic's own judgement: those older than half an hour

    def snapshots(self):
        """All snapshots, oldest first, with the bytes each holds."""
        found = json.loads(self.ask("snapshots", "--json", "--no-lock") or "[]") or []
        sizes = remembered()["places"].get(self.name, {}).get("sizes", {})
        listed = []
        for one in sorted(found, key=lambda one: one["time"]):
            size = one.get("summary", {}).get("total_bytes_processed") or sizes.get(one["id"])  # restic 0.17 keeps it itself
            if size is None:
                size = json.loads(self.ask("stats", "--json", "--no-lock", "--mode", "restore-size", one["id"]))["total_size"]
                sizes[one["id"]] = size
            listed.append({**{k: one[k] for k in ("id", "time", "hostname", "paths")}, "bytes": size, "place": self.name})
        kept = {one["id"]: sizes[one["id"]] for one in found if one["id"] in sizes}
        if kept != remembered()["places"].get(self.name, {}).get("sizes", {}):
            remember(self.name, sizes=kept)
        return listed


def _is_restic(pid):
    try:
        with open(f"/proc/{int(pid)}/comm", encoding="utf-8") as file:
            return file.read().strip() == "restic"
    except (OSError, ValueError):
        return False


def places(only=""):
    """The places of this machine, or the one asked for."""
    found = [Place(name, settings) for name, settings in config()["places"].items() if only in ("", name)]
    if not found:
        raise Wrong(f"this office has no place {only!r} for backups; it has {', '.join(config()['places'])}")
    return found
