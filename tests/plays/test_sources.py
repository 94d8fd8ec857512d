"""Where a machine's packages come from: what is not Debian's is named and stops nothing, what is Debian's must be whole."""

import hashlib
import os
import shutil
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from provisioner.explain import cause
from provisioner.laptop.installed import playbooks

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="apt-get is Debian's")
DISC = "cdrom:[Debian GNU/Linux 13.0.0 _Trixie_ - Official amd64 NETINST]/"


class Machine:
    """An apt of its own in a folder, with Debian's mirror and a stranger's beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.parts, self.lists = folder, folder / "etc/sources.list.d", folder / "lists"
        for path in (
            self.parts,
            folder / "etc/trusted",
            folder / "etc/apt.conf.d",
            folder / "etc/preferences.d",
            self.lists / "partial",
            folder / "cache/archives/partial",
        ):
            path.mkdir(parents=True)
        self.settings = folder / "apt.conf"
        self.settings.write_text(
            f'Dir::Etc "{folder}/etc"; Dir::Etc::SourceList "{folder}/etc/sources.list"; Dir::Etc::SourceParts "{self.parts}";\n'
            f'Dir::State::lists "{self.lists}"; Dir::Cache "{folder}/cache"; Dir::Etc::TrustedParts "{folder}/etc/trusted";\n'
            'APT::Sandbox::User "";\n'
        )
        self.debian, self.depot = folder / "srv/debian", folder / "srv/depot"
        publish(self.debian, "trixie", "Debian")
        publish(self.depot, "stable", "Tiers")
        (folder / "etc/sources.list").write_text(f"# le miroir\n\ndeb [trusted=yes] file:{self.debian} trixie main\n")

    def sh(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A script of ours, with that apt."""
        return subprocess.run(
            ["sh", "-s", *words], input=script, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "APT_CONFIG": str(self.settings), "LC_ALL": "C"},
        )  # fmt: skip

    def sources(self) -> list[list[str]]:
        """What `sources` says, without the folders' common part."""
        said = self.sh((playbooks() / "files/sources.sh").read_text() + "\nsources\n").stdout
        return [line.replace(str(self.folder), "").split("|") for line in said.splitlines()]

    def ready(self) -> subprocess.CompletedProcess[str]:
        """The first task of every plan, with lists that are two hours old."""
        past = time.time() - 7200
        os.utime(self.lists, (past, past))
        text = "\n".join((playbooks() / "files" / name).read_text() for name in ("sources.sh", "ready.sh"))
        return self.sh(text, "look", "5", "30")


def publish(folder: Path, suite: str, origin: str, more: str = "") -> None:
    """An unsigned mirror with one package."""
    packages = folder / f"dists/{suite}/main/binary-amd64/Packages"
    packages.parent.mkdir(parents=True, exist_ok=True)
    packages.write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nFilename: x.deb\nSize: 1\nDescription: x\n\n"
    )
    digest, size = hashlib.sha256(packages.read_bytes()).hexdigest(), packages.stat().st_size
    (folder / f"dists/{suite}/Release").write_text(
        f"Origin: {origin}\nSuite: {suite}\nCodename: {suite}\nDate: {formatdate(time.time() - 60, usegmt=True)}\n{more}"
        f"Architectures: amd64\nComponents: main\nSHA256:\n {digest} {size} main/binary-amd64/Packages\n"
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def strange(machine: Machine) -> None:
    """A maker's source whose key is not there, and the disc that the machine was installed from."""
    said = f"# un dépôt\n\nTypes: deb\nURIs: file:{machine.depot}\nSuites: stable\nComponents: main\n"
    (machine.parts / "tiers.sources").write_text(said + "Signed-By: /usr/share/keyrings/tiers.gpg\n")
    (machine.parts / "disc.list").write_text(f"deb {DISC} trixie main\n")


def test_foreign_sources_are_told_from_debians(machine: Machine) -> None:
    """By address and key before anything was fetched, by the origin of the lists from then on."""
    strange(machine)
    (machine.parts / "bare.list").write_text(
        "deb http://deb.debian.org/debian trixie-updates main\n"
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://ftp.fr.debian.org/debian trixie main\n"
        "deb [signed-by=/usr/share/keyrings/maker.gpg] http://maker.example/repo/debian trixie main\n"
        "deb http://maker.example/apt stable main\n"
    )

    assert machine.sources() == [
        ["foreign", "/etc/sources.list.d/bare.list", "http://maker.example/apt", "stable"],
        ["foreign", "/etc/sources.list.d/bare.list", "http://maker.example/repo/debian", "trixie"],
        ["foreign", "/etc/sources.list.d/disc.list", DISC.replace("cdrom:", "cdrom://").rstrip("/"), "trixie"],
        ["foreign", "/etc/sources.list.d/tiers.sources", "file:/srv/depot", "stable"],
        ["own", "/etc/sources.list.d/bare.list", "http://deb.debian.org/debian", "trixie-updates"],
        ["own", "/etc/sources.list.d/bare.list", "http://ftp.fr.debian.org/debian", "trixie"],
        ["own", "/etc/sources.list", "file:/srv/debian", "trixie"],
    ]
    (machine.parts / "bare.list").unlink()
    publish(machine.debian, "trixie", "Debian-by-another-name")
    assert machine.ready().returncode == 0
    assert ["foreign", "/etc/sources.list", "file:/srv/debian", "trixie"] in machine.sources()


def test_a_foreign_source_that_gives_nothing_is_named_and_stops_nothing(machine: Machine) -> None:
    """By its file and its address, with apt's reason; Debian's own lists are there, and the next time is the same."""
    strange(machine)

    for said in (machine.ready(), machine.ready()):
        assert said.returncode == 0, said
        notes = [line for line in said.stdout.splitlines() if line.startswith("note: ")]
        assert len(notes) == 2, said
        assert f"{DISC.replace('cdrom:', 'cdrom://').rstrip('/')} ({machine.parts}/disc.list) gives nothing" in notes[0]
        assert f"note: file:{machine.depot} ({machine.parts}/tiers.sources) gives nothing, so what came from there" in notes[1]
        assert notes[1].endswith("stable Release' is not signed.")
        assert list(machine.lists.glob("*debian*_Packages"))
        assert not list(machine.lists.glob("*depot*"))


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("wrong", ["expired", "gone", "altered"])
def test_debians_own_lists_must_be_whole(machine: Machine, wrong: str, foreign: bool) -> None:
    """What is wrong with them stops the run with their file's name, also where apt keeps it back behind a stranger's fault."""
    assert machine.ready().returncode == 0
    if foreign:
        strange(machine)
    if wrong == "expired":
        publish(machine.debian, "trixie", "Debian", "Valid-Until: Fri, 27 Nov 2020 10:00:00 UTC\n")
    elif wrong == "gone":
        shutil.rmtree(machine.debian)
    else:
        publish(machine.debian, "trixie", "Debian", "Label: Debian\n")
        (machine.debian / "dists/trixie/main/binary-amd64/Packages").write_text("Package: y\n")
        for path in machine.lists.glob("*_Packages"):
            path.unlink()

    said = machine.ready()

    assert said.returncode == 1, said
    assert f"{machine.folder}/srv/debian" in said.stderr
    assert f"({machine.folder}/etc/sources.list)" in said.stderr
    assert "depot" not in said.stderr
    assert "note: " not in said.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deb htp:// x\n", "has a mistake in its entry 1, and apt reads none while it is there"),
        ("dab http://x.example x\n", "has a mistake in its entry 1 (dab), and apt reads none"),
        (
            "deb [signed-by=/usr/share/keyrings/other.gpg] file:{depot} stable main\n",
            "with two keys (/usr/share/keyrings/other.gpg",
        ),
    ],
)
def test_a_list_that_apt_cannot_read_is_named(machine: Machine, text: str, sentence: str) -> None:
    """No apt works while it is there: the file, or the two keys, stand in the first sentence."""
    strange(machine)
    (machine.parts / "bad.list").write_text(text.format(depot=machine.depot))

    said = machine.ready()

    assert said.returncode != 0
    assert sentence in cause(said.stderr)
    assert "bad.list" in cause(said.stderr) or "/etc/apt/sources.list.d" in cause(said.stderr)
