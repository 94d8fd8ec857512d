"""Somebody sits down at a desktop of a trainee's office, by the programs that `verify` uses: what the screen showed.

The pictures of a course's pages come from there, so that they show the desktop as it is installed.
"""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner import lab
from provisioner.errors import HostFailed
from provisioner.hosts import answers, programs
from provisioner.inventory import open_inventory
from provisioner.inventory.courses import Course, folder_of
from provisioner.inventory.placement import common_share, services
from provisioner.inventory.target import Target
from provisioner.laptop import disk
from provisioner.secrets import models, vault

LIMIT_BYTES = 48 << 20
LONGEST_S = 280
WIDTH = 960  # of a picture on paper; a screen has more
TOKEN = "course"  # noqa: S105 - of the files and entries that a visit makes
ENTRY = "Bienvenue"


def act(target: Target, host: str, program: str, asked: Mapping[str, Any], timeout_s: float = 60) -> dict[str, Any]:
    """Run one of the programs of `hosts/programs/` on a host of a lab; the object it printed.

    Raises:
        HostFailed: it printed none.
        Missing: the lab is not up.
    """
    words = [
        sys.executable,
        "-m",
        "provisioner.training.visit",
        str(target.inventory),
        target.office,
        host,
        program,
        str(timeout_s),
    ]
    done = subprocess.run(
        lab.plugged(target, words), input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=timeout_s + 60
    )
    try:
        answer = answers.plain(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
        raise HostFailed(f"{host}: {said}", hint=f"provisioner ssh {target.words} {host}")
    return answer


def person(target: Target, login: str) -> dict[str, Any]:
    """What a program is told of somebody: login, the password their vault has, the directory's short name."""
    office = open_inventory(target.inventory).office(target.office)
    return {
        "login": login, "password": vault.read(target).people[login], "workgroup": office.lan.domain.partition(".")[0].upper()
    }  # fmt: skip


def sit_down(target: Target, login: str, steps: Sequence[str], **more: Any) -> dict[str, Any]:
    """The visit of `verify`, as a person of the office at their first desktop; for each step `ok`, `evidence`, `pictures`."""
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    pack = inventory.pack(office.pack)
    host = next(name for name, one in office.hosts.items() if one.kind.value == "desktop")
    asked = {
        **person(target, login), "steps": list(steps), "share": common_share(pack, office), "token": TOKEN,
        "new": models.password(),
        "server": services(pack, office).get("file_share", {}).get("fqdn", ""), "printer": next(iter(office.printers), ""),
        "home": office.organisation.name, "website": f"https://{office.website.domain}/" if office.website else "",
        "website_form": False, "authority": "", **more,
    }  # fmt: skip
    return act(target, host, "desktop_session", asked, LONGEST_S)


def photograph(target: Target, root: Path, course: Course) -> list[Path]:
    """Take the pictures of a course anew, into its folder; says which.

    Raises:
        HostFailed: a step did not go as it should, in its own words; no picture is changed.
    """
    visit = course.visit
    assert visit
    if "agenda" in visit.steps:
        office = open_inventory(target.inventory).office(target.office)
        entry = {
            "do": "calendar",
            "at": f"calendar.{office.lan.domain}",
            "name": "agenda",
            "token": TOKEN,
            "today": True,
            "there": True,
        }
        host = next(name for name, one in office.hosts.items() if one.kind.value == "desktop")
        act(target, host, "user_session", {**person(target, visit.login), **entry, "text": ENTRY, "today": True, "there": True})
    said = sit_down(target, visit.login, visit.steps)
    for step in visit.steps:
        answer = said.get(step, said)
        if not answer.get("ok"):
            seen = str(answer.get("evidence", answer))[:300]
            raise HostFailed(f"at the desktop, {step}: {seen}", hint=f"provisioner training reset {course.name}")
    made = []
    folder = folder_of(root, course.name) / "pictures"
    folder.mkdir(exist_ok=True)
    for step in visit.steps:
        for number, text in enumerate(said[step].get("pictures", []), 1):
            path = folder / f"{step}-{number}.png"
            disk.write(path, smaller(base64.b64decode(text)), mode=0o644)
            made.append(path)
    return made


def smaller(data: bytes) -> bytes:
    """A picture of a screen as a page needs it: narrower, in 128 colours."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as shown:
        height = shown.height * WIDTH // shown.width
        small = shown.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS).quantize(128)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _run(target: Target, host: str, program: str, timeout_s: float) -> str:
    """Here, plugged in."""
    from provisioner.operation.reaching import find
    from provisioner.operation.selection import prepare

    selection = prepare(target)
    find(selection, lambda _: None)
    if host not in selection.met:
        raise HostFailed(selection.found[host].problem, hint=selection.found[host].hint)
    asked = json.load(sys.stdin)
    done = programs.run(
        selection.ssh, host, selection.met[host], programs.source(program), asked, timeout_s=timeout_s, limit_bytes=LIMIT_BYTES
    )
    selection.ssh.close()
    sys.stderr.write(done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(_run(Target(Path(sys.argv[1]), sys.argv[2], lab=True), sys.argv[3], sys.argv[4], float(sys.argv[5])))
