"""Putting things back: staged beside their place first, then moved in; what stood there waits aside until all has gone well.

Nothing is touched before the whole selection was read from the repository and verified: a damaged pack, an unknown path or
a disk too small leave the machine as it was. A restore that was killed is undone by the next one.
"""

import contextlib
import json
import os
import shutil
import subprocess

import directory
from places import WORK, Trouble, Wrong, alone, cause, config, run, say

# Replaced whole, these would take the system with them; a path inside them, or another target, is meant.
NEVER = ("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr",
         "/var", "/var/lib", "/srv/backup", "/var/lib/office-backup", "/var/lib/samba", "/var/lib/provisioner")  # fmt: skip
BLOCK = 4096


class Item:
    """One tree or file to put back: where it lies in the snapshot, where it goes, and how.

    `how` is `replace`, `fill` (only what is not there) or `directory`; `units` use it and stand still meanwhile.
    """

    def __init__(self, name, path, target, how="replace", units=()):
        self.name, self.path, self.target, self.how, self.units = name, path, target, how, units
        self.files, self.bytes = 0, 0

    @property
    def room(self):
        """The folder on the target's file system that both stages lie in."""
        near = self.target if os.path.ismount(self.target) else os.path.dirname(self.target)
        while not os.path.isdir(near):
            near = os.path.dirname(near)
        if os.stat(near).st_dev == os.stat(WORK).st_dev:
            return f"{WORK}/restore"
        while not os.path.ismount(near):
            near = os.path.dirname(near)
        return os.path.join(near, ".office-restore")

    @property
    def staged(self):
        """Where it waits to be moved in."""
        return f"{self.room}/new{self.path}"


def restore(place, wanted, path="", to="", *, plan_only=False):
    """Restore the whole machine's data, or one path, from a snapshot; says first what, and how much room that takes.

    Raises:
        Trouble: the machine is as it was.
    """
    os.makedirs(WORK, mode=0o700, exist_ok=True)
    with alone():
        undo()
        snapshot, items = plan(place, wanted, path, to)
        if plan_only:
            return True
        try:
            stage(place, snapshot, items)
            owners(place, snapshot, items)
            say("moving", names=[item.name for item in items])
            found = swap(items)
        finally:
            undo()
    say("restored", snapshot=snapshot["short_id"], items=[item.name for item in items], **found)
    return True


def export(place, wanted, path=""):
    """Write what a restore would bring, verified, as a tar on standard output, for another machine; this one stays as it is.

    Raises:
        Trouble: it could not be read whole; the tar is torn or empty then.
    """
    os.makedirs(WORK, mode=0o700, exist_ok=True)
    with alone():
        undo()
        snapshot, items = plan(place, wanted, path, f"{WORK}/export")
        try:
            stage(place, snapshot, items)
            say("moving", names=[item.name for item in items])
            top = os.path.dirname(items[0].staged) if path else f"{items[0].room}/new"
            names = [os.path.basename(items[0].staged)] if path else os.listdir(top)
            done = subprocess.run(["tar", "-C", top, "-c", "--", *(f"./{name}" for name in names)], check=False)
        finally:
            undo()
    if done.returncode:
        raise Trouble("the other machine went away")
    say("restored", snapshot=snapshot["short_id"], items=[item.name for item in items])
    return True


def plan(place, wanted, path, to):
    """Look the snapshot up and measure what would come back."""
    if not place.present():
        raise Trouble("nothing was backed up there yet")
    found = json.loads(place.ask("snapshots", "--json", "--no-lock") or "[]") or []
    fits = [one for one in found if one["id"].startswith(wanted)] if wanted != "latest" else found
    if not fits:
        raise Wrong(f"there is no snapshot {wanted} on {place.name}" if found else "nothing was backed up there yet")
    if wanted != "latest" and len(fits) > 1:
        raise Wrong(f"{wanted} begins the names of {len(fits)} snapshots")
    snapshot = max(fits, key=lambda one: one["time"])
    items = [one_item(path, to)] if path else whole(snapshot, to)
    measure(place, snapshot, items)
    items = [item for item in items if item.bytes]
    if not items:
        what = path or "anything to restore"
        raise Wrong(f"there is no {what} in the snapshot {snapshot['short_id']} of {snapshot['time'][:16]}")
    say("plan", snapshot=snapshot["short_id"], time=snapshot["time"], host=snapshot["hostname"], place=place.name, items=[
        {"name": item.name, "path": item.path, "target": item.target, "files": item.files, "bytes": item.bytes,
         "replaces": item.how != "fill" and os.path.lexists(item.target), "how": item.how}
        for item in items
    ])  # fmt: skip
    refuse_small(items)
    return snapshot, items


def one_item(path, to):
    """The item for one path, in its place or in another folder."""
    path = os.path.normpath(path)
    if not path.startswith("/") or path.strip("/") == "" or (to and not to.startswith("/")):
        raise Wrong("a path begins with / and names something below it")
    if not to and (path in NEVER or path.startswith(("/var/lib/samba/", "/var/lib/office-backup/"))):
        raise Wrong(f"{path} is not replaced under a running machine: choose another folder with --to, or a path inside it")
    target = os.path.join(os.path.normpath(to), os.path.basename(path)) if to else path
    parent = os.path.dirname(target)
    if os.path.realpath(parent) != parent:
        raise Wrong(f"{parent} leads elsewhere (to {os.path.realpath(parent)}): nothing is written through it")
    return Item(path, path, target)


def whole(snapshot, to):
    """The items of a whole restore: the shares, the calendars, the directory, and what the machine's settings lack."""
    items = []
    for part in config()["parts"]:
        paths, how = part.get("only", [part["path"]]), part["restore"]
        if to and how != "never":
            items.append(Item(part["name"], part["path"], to + part["path"]))
        elif how != "never":
            items += [
                Item(part["name"], path, directory.PRIVATE if how == "directory" else path, how, part["units"]) for path in paths
            ]
    if directory.COPY in snapshot["paths"] and not to and not config()["directory"]:
        raise Trouble("this machine has no directory to restore into: the pack gives it none")
    return items


def measure(place, snapshot, items):
    """Count files and bytes of each item, as they lie on a disk."""

    def heard(line):
        node = json.loads(line)
        path = node.get("path", "")
        for item in items if node.get("struct_type") == "node" else ():
            if path == item.path or path.startswith(f"{item.path}/"):
                item.files += node["type"] != "dir"
                item.bytes += -(-node.get("size", 0) // BLOCK) * BLOCK if node["type"] == "file" else BLOCK

    place.ask("ls", "--json", "--no-lock", "--recursive", snapshot["id"], *(item.path for item in items), on_line=heard)


def refuse_small(items):
    """Stop before anything is written where a disk has not the room for the old and the new side by side."""
    for room in {item.room for item in items}:
        there = [item for item in items if item.room == room]
        size, free = sum(item.bytes for item in there), shutil.disk_usage(os.path.dirname(room)).free
        if size > free:
            raise Trouble(
                f"the disk is too small: {size / 1e6:.1f} MB are to be restored and {free / 1e6:.1f} MB are free where"
                f" {there[0].target} lies; nothing was changed"
            )


def stage(place, snapshot, items):
    """Read everything from the repository into place beside its target, each byte verified."""
    for room in sorted({item.room for item in items}):
        there = [item for item in items if item.room == room]
        say("staging", names=[item.name for item in there], bytes=sum(item.bytes for item in there))
        os.makedirs(f"{room}/new", mode=0o700)
        words = []
        for item in there:
            words += ["--include", "".join(f"\\{sign}" if sign in "\\*?[" else sign for sign in item.path)]
        code, out, err = place.call("restore", snapshot["id"], "--no-lock", "--target", f"{room}/new", "--verify", *words)
        if code or not all(os.path.lexists(item.staged) for item in there):
            lost = sorted(
                {word for line in (err + out).splitlines() for item in there if item.path in line for word in [line.strip()]}
            )
            raise Trouble(
                f"it could not be read whole from {place.name}, nothing was changed: {cause(chr(10).join([*lost, err]))}"
            )


def owners(place, snapshot, items):
    """Give system accounts' files to the accounts of the same name here: their numbers are another machine's."""
    maps = []
    for kind in ("passwd", "group"):
        done = subprocess.run(
            place.words("dump", "--no-lock", snapshot["id"], f"/etc/{kind}"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        with open(f"/etc/{kind}", encoding="utf-8", errors="replace") as file:
            here, there = numbers(file.read()), numbers(done.stdout.decode(errors="replace"))
        maps.append({number: here[name] for name, number in there.items() if here.get(name, number) != number})
    users, groups = maps
    for item in items if users or groups else ():
        paths = [item.staged]
        for folder, folders, names in os.walk(item.staged):
            paths += [os.path.join(folder, name) for name in (*folders, *names)]
        for path in paths:
            status = os.lstat(path)
            uid, gid = users.get(status.st_uid, -1), groups.get(status.st_gid, -1)
            if (uid, gid) != (-1, -1):
                os.lchown(path, uid, gid)


def numbers(text):
    """Name -> number of a passwd or group file."""
    fields = (line.split(":") for line in text.splitlines())
    return {field[0]: int(field[2]) for field in fields if len(field) > 2 and field[2].isdigit()}


def swap(items):
    """Move everything in while nobody uses it; what fails puts all of it back as it was. What was proven, as a dict."""
    units = dict.fromkeys(unit for item in items for unit in item.units)
    for unit in list(units):  # what stops with it does not start with it (systemd.unit, PartOf)
        units |= dict.fromkeys(run("systemctl", "show", "-P", "ConsistsOf", unit).stdout.split())
    running = [unit for unit in units if run("systemctl", "is-active", "--quiet", unit).returncode == 0]
    try:
        for unit in running:
            run("systemctl", "stop", unit)
        for item in items:
            put(item)
        for unit in running:
            done = run("systemctl", "start", unit)
            if done.returncode:
                raise Trouble(f"{unit} does not start with what was restored: {done.stderr.strip()[-300:]}")
        found = directory.prove() if any(item.how == "directory" for item in items) else {}
    except BaseException:
        for unit in running:
            run("systemctl", "stop", unit)
        undo()
        raise
    else:
        for room in {item.room for item in items}:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{room}/moving.json")
    finally:
        for unit in running:
            run("systemctl", "start", unit)
    return found


def put(item):
    """Move one item in."""
    if item.how == "fill":
        fill(item)
    elif item.how == "directory":
        for source, target in directory.moves(item):
            replace(item.room, source, target)
    else:
        replace(item.room, item.staged, item.target, item.staged if item.target == item.path else "")


def replace(room, source, target, parents_like=""):
    """Move the old aside and the new in; a disk of its own stays where it is, its content changes."""
    parents(target, parents_like)
    if os.path.ismount(target):
        kept = (".office-restore", "lost+found")
        olds = [os.path.join(target, name) for name in os.listdir(target) if name not in kept]
        new = [(os.path.join(source, name), os.path.join(target, name)) for name in os.listdir(source) if name not in kept]
    else:
        olds, new = [target] if os.path.lexists(target) else [], [(source, target)]
    pairs = [(old, f"{room}/old{old}") for old in olds]
    with open(f"{room}/moving.json", "a", encoding="utf-8") as file:  # who comes after a kill puts it back
        file.write(json.dumps({"pairs": pairs, "new": [to for _, to in new if to not in olds]}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    for old, aside in pairs:
        os.makedirs(os.path.dirname(aside), mode=0o700, exist_ok=True)
        move(old, aside)
    for staged, to in new:
        move(staged, to)


def parents(target, like):
    """Make the folders above the target that are missing, as those above `like` are."""
    missing, near = [], os.path.dirname(target)
    while not os.path.isdir(near):
        like = os.path.dirname(like)
        missing.append((near, like))
        near = os.path.dirname(near)
    for folder, model in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        if model:
            status = os.stat(model)
            os.chown(folder, status.st_uid, status.st_gid)
            os.chmod(folder, status.st_mode & 0o7777)


def fill(item):
    """Add the files that this machine lacks; none that it has is touched."""
    for folder, _, names in os.walk(item.staged):
        here = item.target + folder[len(item.staged) :]
        for name in names:
            if not os.path.lexists(os.path.join(here, name)):
                os.makedirs(here, mode=0o755, exist_ok=True)
                move(os.path.join(folder, name), os.path.join(here, name))


def undo():
    """Put back what an unfinished restore has moved, and remove all stages; after a good end only the latter is left to do."""
    rooms = {f"{WORK}/restore"}
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            point = line.split()[1].replace("\\040", " ")
            rooms.add(os.path.join(point, ".office-restore"))
    for room in sorted(rooms):
        if not os.path.isdir(room):
            continue
        with contextlib.suppress(FileNotFoundError), open(f"{room}/moving.json", encoding="utf-8") as file:
            for line in reversed(file.readlines()):
                moved = json.loads(line)
                for old, aside in moved["pairs"]:
                    if os.path.lexists(aside):
                        remove(old)
                        move(aside, old)
                for target in moved["new"]:
                    remove(target)
        shutil.rmtree(room)


def move(source, target):
    """Rename, or where the file system cannot (an overlay's lower layer), copy with everything and remove."""
    try:
        os.rename(source, target)
    except OSError:
        done = run("mv", "-T", "--", source, target)
        if done.returncode:
            raise Trouble(f"{source} cannot be moved to {target}: {done.stderr.strip()[-200:]}") from None


def remove(path):
    """Remove a file or a tree; what is not there is no error."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
