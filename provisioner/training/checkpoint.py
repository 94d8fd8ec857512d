"""The checkpoint a course's office starts from: installed once, its faults planted once, then had in seconds.

Two snapshots lie over one another: the office as applied, which courses on the same office share, and the course's own with
its faults. Each is named by all that makes it, so that a changed role or fault makes a new one.
"""

import fcntl
import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import lab
from provisioner.inventory import open_inventory
from provisioner.inventory.courses import Course, folder_of
from provisioner.inventory.target import Target
from provisioner.lab import base, snapshot
from provisioner.laptop.installed import playbooks
from provisioner.plays.handover import hosts
from provisioner.training import verbs
from provisioner.training.network import copy
from provisioner.training.planting import plant

if TYPE_CHECKING:
    from provisioner.training import Say

SUITE = "trixie"
_KEPT = "training-"


def ensure(root: Path, course: Course, *, say: "Say") -> str:
    """The name of the snapshot a course's office starts from, made where it is not there yet; empty: from blank machines."""
    if course.start != "applied":
        return ""
    home = base.lab_home()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="provisioner-course-") as folder, (home / "training.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another start waits for it instead of making it too
        inventory = Path(folder) / "inventory"
        copy(root, course, inventory)
        office, own = _names(root, course, inventory)
        if not snapshot.find(office, SUITE):
            say(f"Installing the office {course.office} once, for all courses on it; this takes some minutes.")
            _make(inventory, course, office, "", _apply)
        if own != office and not snapshot.find(own, SUITE):
            say(f"Preparing the course {course.name} once.")

            def planted() -> dict[str, Any]:
                if course.online:
                    verbs.must(inventory, "website", "deploy", course.office, "--lab")
                for fault in course.faults.values():
                    if fault.start:
                        plant(inventory, course.office, folder_of(root, course.name) / fault.playbook)
                return state(inventory, course.office)

            _make(inventory, course, own, office, lambda *_: planted())
    return own


def up(inventory: Path, course: Course, start: str, *, say: "Say") -> None:
    """Bring the course's office up in an inventory, from the snapshot `start` or blank."""
    office = open_inventory(inventory).office(course.office)
    lab.up(office, Target(inventory, course.office, lab=True), suite=SUITE, start=start, say=say)


def began(name: str) -> dict[str, list[str]]:
    """What was not well in a checkpoint's office from the beginning; nothing where there is no checkpoint."""
    try:
        found: dict[str, list[str]] = json.loads((snapshot.folder_of(name) / "began.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"check": [], "plan": []}
    return found


def state(inventory: Path, office: str) -> dict[str, list[str]]:
    """What is not well in an office now: findings of `check`, and what an apply would change, one text each."""
    checked = verbs.call(inventory, "check", office, "--lab")
    planned = verbs.call(inventory, "plan", office, "--lab")
    return {"check": bad(checked.data), "plan": due(planned.data)}


def bad(checked: dict[str, Any]) -> list[str]:
    """The findings of a `check` that are critical or not known: `check: about`."""
    found = [one for office in checked.get("offices", ()) for one in office["findings"]]
    return sorted({f"{one['check']}: {one['about']}" for one in found if one["level"] in ("critical", "unknown")})


def due(planned: dict[str, Any]) -> list[str]:
    """What a plan would change: `host: task`, read off its journal."""
    found = set()
    try:
        lines = Path(str(planned.get("journal", ""))).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        event = json.loads(line)
        if event.get("what") == "host_changed":
            found.add(f"{event.get('host')}: {event.get('task')}")
    return sorted(found)


def _names(root: Path, course: Course, inventory: Path) -> tuple[str, str]:
    """The names of the two snapshots; the same where the course plants nothing from the beginning."""
    total = hashlib.sha256(base.path_of(SUITE).name.encode())
    made = hosts(inventory / "offices" / course.office / "dossier.yml")
    for _, variables in made.values():
        variables.pop("ansible_ssh_common_args", None)  # where pins lie, which is another place each time
    total.update(json.dumps(made, sort_keys=True, default=str).encode())
    for path in sorted(p for p in playbooks().rglob("*") if p.is_file() and p.suffix not in (".md", ".pyc")):
        total.update(str(path.relative_to(playbooks())).encode() + path.read_bytes())
    office = f"{_KEPT}{course.office}-{total.hexdigest()[:12]}"
    planted = [fault for fault in course.faults.values() if fault.start]
    if not planted and not course.online:
        return office, office
    total.update(str(course.online).encode())
    for fault in planted:
        total.update((folder_of(root, course.name) / fault.playbook).read_bytes())
    given = folder_of(root, course.name) / "files"
    for path in sorted(path for path in given.rglob("*") if path.is_file()):
        total.update(str(path.relative_to(given)).encode() + path.read_bytes())
    return office, f"{_KEPT}{course.name}-{total.hexdigest()[:12]}"


def _apply(inventory: Path, course: Course) -> dict[str, list[str]]:
    verbs.must(inventory, "adopt", course.office, "--lab", "--yes")
    words = ("apply", course.office, "--lab", "--yes")
    if verbs.call(inventory, *words).code:  # as anybody would: what is there already costs no time again
        verbs.must(inventory, *words)
    return state(inventory, course.office)


def _make(inventory: Path, course: Course, name: str, start: str, prepare: Any) -> None:
    target = Target(inventory, course.office, lab=True)
    try:
        up(inventory, course, start, say=base.quiet)
        found = prepare(inventory, course)
        lab.save(target, name)
        (snapshot.folder_of(name) / "began.json").write_text(json.dumps(found), encoding="utf-8")
    finally:
        lab.down(target)
        lab.forget(target)
