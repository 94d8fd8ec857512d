"""The program that keeps a website's releases on its server: whole or not at all, and nothing carried twice."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner.hosts.programs import website_release
from provisioner.hosts.programs.website_release import Refused, Site

PAGE = "<!doctype html><title>{}</title>" + "<p>Du pain, du vin.</p>" * 40
Files = Mapping[str, bytes]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that has no release yet."""
    monkeypatch.setattr(website_release, "SERVED", str(tmp_path))
    found = Site("cafe")
    Path(found.releases).mkdir(parents=True)
    return found


def one(title: str, **more: bytes) -> Files:
    """The files of a release."""
    return {"index.html": PAGE.format(title).encode(), "contact/index.html": PAGE.format("contact").encode(), **more}


def hashes(files: Files) -> dict[str, str]:
    return {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}


def packed(files: Files, names: list[str] | None = None) -> io.BytesIO:
    """The archive that a laptop sends, with these files of a release (all of them unless named)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            if names is None or name in names:
                member = tarfile.TarInfo(hashlib.sha256(text).hexdigest())
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text))
    out.seek(0)
    return out


def receive(site: Site, release: str, files: Files, archive: io.BytesIO | None) -> dict[str, Any]:
    return site.receive({"release": release, "files": hashes(files)}, archive)


def test_a_release_is_served_by_a_link_and_the_one_before_is_kept(site: Site) -> None:
    """What is served is one folder; who takes it compressed gets the same page."""
    for number in (1, 2):
        receive(site, f"release{number}", one(f"v{number}"), packed(one(f"v{number}")))
        site.flip({"release": f"release{number}"})
    page = Path(site.current, "index.html")

    assert str(Path(site.current).readlink()) == "releases/release2"
    assert b"v2" in page.read_bytes()
    assert subprocess.run(["gzip", "-dc", f"{page}.gz"], capture_output=True, check=True).stdout == page.read_bytes()
    assert site.flip({"release": "release1"}) == {"former": "release2"}
    assert b"v1" in page.read_bytes()


def test_what_a_kept_release_has_is_linked_not_sent(site: Site) -> None:
    """A deploy with one page changed asks for that page alone."""
    receive(site, "release1", one("v1"), packed(one("v1")))
    asked = site.look({"contents": sorted(hashes(one("v2")).values())})
    said = receive(site, "release2", one("v2"), packed(one("v2"), ["index.html"]))
    shared = [Path(site.releases, release, "contact/index.html") for release in ("release1", "release2")]

    assert asked["missing"] == [hashes(one("v2"))["index.html"]]
    assert said == {"new": True, "linked": 1, "received": 1}
    assert shared[0].stat().st_ino == shared[1].stat().st_ino


def test_equal_content_has_one_time_and_another_content_another(site: Site) -> None:
    """nginx makes the ETag of time and size: two pages of one length, sent in one second, must not share it."""
    receive(site, "release1", one("v1"), packed(one("v1")))
    receive(site, "release2", one("v2"), packed(one("v2")))
    first, second = (Path(site.releases, f"release{number}", "index.html").stat() for number in (1, 2))

    assert first.st_size == second.st_size
    assert first.st_mtime != second.st_mtime


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"index.html": "0" * 64}, "missing"),
        ({"../../../outside.html": hashes(one("v1"))["index.html"]}, "missing"),
        ({"/outside.html": hashes(one("v1"))["index.html"]}, "missing"),
        ({"a//b.html": hashes(one("v1"))["index.html"]}, "missing"),
    ],
)
def test_what_cannot_be_whole_gets_no_name(site: Site, tmp_path: Path, spoil: dict[str, str], reason: str) -> None:
    """A content that did not arrive, or a path out of the folder: nothing is left of it."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused) as refused:
        site.receive({"release": "release1", "files": hashes(one("v1")) | spoil}, packed(one("v1")))

    assert refused.value.args[0] == reason
    assert sorted(tmp_path.rglob("*")) == before


def test_a_content_that_is_not_what_its_name_says_is_refused(site: Site) -> None:
    """A flipped bit on the way is seen before the release has a name."""
    out, wanted = io.BytesIO(), hashes(one("v1"))
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo(wanted["index.html"])
        member.size = 5
        tar.addfile(member, io.BytesIO(b"wrong"))
    out.seek(0)

    with pytest.raises(Refused, match="damaged"):
        site.receive({"release": "release1", "files": wanted}, out)
    assert site.kept() == []


def test_three_are_kept_and_the_served_one_always(site: Site) -> None:
    """The oldest go; after a rollback the one that is served stays, however old."""
    for number in range(1, 6):
        receive(site, f"release{number}", one(f"v{number}"), packed(one(f"v{number}")))
        site.flip({"release": f"release{number}"})
    site.flip({"release": "release1"})

    assert sorted(site.drop({})["gone"]) == ["release2", "release3"]
    assert site.kept() == ["release1", "release5", "release4"]
    assert site.served() == "release1"


def test_killed_anywhere_the_old_site_is_served_and_the_next_call_goes_on(site: Site, tmp_path: Path) -> None:
    """Killed at any system call that makes, links, renames or removes a name: the link leads to a whole release."""
    receive(site, "release1", one("v1"), packed(one("v1")))
    site.flip({"release": "release1"})
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from provisioner.hosts.programs import website_release as program\n"
        "program.SERVED = sys.argv[2]; site = program.Site('cafe')\n"
        "import os, io\n"
        "left = int(sys.argv[3])\n"
        "def counted(name):\n"
        "    real = getattr(os, name)\n"
        "    def call(*a, **k):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left < 0: os._exit(137)\n"
        "        return real(*a, **k)\n"
        "    setattr(os, name, call)\n"
        "for name in ('mkdir', 'link', 'rename', 'symlink', 'unlink', 'utime', 'rmdir'): counted(name)\n"
        "site.receive(json.load(open(sys.argv[4])), open(sys.argv[5], 'rb'))\n"
        "site.flip({'release': 'release2'}); site.drop({})\n"
    )
    ask, archive = tmp_path / "ask", tmp_path / "archive"
    ask.write_text(json.dumps({"release": "release2", "files": hashes(one("v2"))}))
    archive.write_bytes(packed(one("v2")).read())
    root = str(Path(__file__).parents[2])
    states, code, count = set(), 137, 0
    while code == 137:
        words = [sys.executable, "-c", script, root, str(tmp_path), str(count), str(ask), str(archive)]
        code, count = subprocess.run(words, check=False).returncode, count + 1
        served = site.served()
        text = {name: Path(site.current, name).read_bytes() for name in one("x")}
        states.add(served)
        assert text == dict(one("v1" if served == "release1" else "v2")), f"killed at {count}: {served} is a mixture"
        if served == "release2":
            site.flip({"release": "release1"})
        if code == 137 and "release2" in site.kept():
            Path(site.releases, "release2").rename(Path(site.releases, ".again"))

    assert code == 0 and count > 10
    assert states == {"release1", "release2"}
    assert list(Path(site.releases).glob(".*")) == []
