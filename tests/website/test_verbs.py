"""The verbs that need no host: new, build, preview, check; in a copy of the example network."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

ROOT = Path(__file__).parents[2]
OFFICES = ("association-les-hirondelles", "demo", "mairie-saint-aubin")


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example network, as somebody's own."""
    shutil.copytree(ROOT / "inventory", tmp_path / "network")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PROVISIONER_INVENTORY", str(tmp_path / "network"))
    return tmp_path / "network"


def run(*words: str, code: int = 0) -> str:
    """One call of the tool; what it printed."""
    done = subprocess.run([sys.executable, "-m", "provisioner.cli", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.usefixtures("inventory")
@pytest.mark.parametrize("office", OFFICES)
def test_the_example_sites_are_in_order(office: str) -> None:
    """Law, HTML, links, accessibility, weight, of each office of the example network."""
    found = json.loads(run("website", "check", office, "--json"))

    assert [one for one in found["findings"] if one["level"] not in ("ok",)] == []
    assert {one["check"] for one in found["findings"]} == {
        f"website_{part}" for part in ("pages", "law", "html", "links", "accessibility", "weight")
    }


def test_new_writes_what_lacks_and_nothing_else(inventory: Path) -> None:
    """A site from nothing, in two languages, lawful and whole; a second call writes nothing; what is there stays."""
    pages = inventory / "offices/demo/website"
    shutil.rmtree(pages)
    pages.mkdir()
    (pages / "nos-horaires.md").write_text("---\ntitre: À nous\ntype: hours\n---\n", encoding="utf-8")

    written = json.loads(run("website", "new", "demo", "--with", "en", "--no-commit", "--json"))["written"]

    assert len(written) == 17 and not (pages / "horaires.md").exists()
    assert json.loads(run("website", "new", "demo", "--with", "en", "--json"))["written"] == []
    assert json.loads(run("website", "check", "demo", "--json"))["verdict"] == "ok"


def test_new_of_a_title_that_looks_like_a_place(inventory: Path) -> None:
    """The dossier's words are data in the first pages too."""
    dossier = inventory / "offices/demo/dossier.yml"
    text = dossier.read_text(encoding="utf-8").replace("title: \"L'Épicerie d'à côté\"", 'title: "{city} {{ 7*7 }} <b>: x"')
    dossier.write_text(text, encoding="utf-8")
    shutil.rmtree(inventory / "offices/demo/website")

    run("website", "new", "demo", "--no-commit")

    assert "titre: {city} {{ 7*7 }} <b>: x\n" in (inventory / "offices/demo/website/index.md").read_text(encoding="utf-8")
    folder = Path(json.loads(run("website", "build", "demo", "--json"))["folder"])
    assert "<h1>{city} {{ 7*7 }} &lt;b&gt;: x</h1>" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_mistake_is_said_and_nothing_is_written(inventory: Path) -> None:
    """In the operator's language, with the file and line; exit code 2; `check` says it with 7."""
    run("website", "build", "demo")
    before = sorted((inventory.parent / "state").rglob("website/*"))
    (inventory / "offices/demo/website/contact.md").write_text("---\ntitre: C\ntype: contact\n---\n<script>\n", encoding="utf-8")

    assert "contact.md:5: HTML is not taken here (<script>)" in run("website", "build", "demo", code=2)
    assert "contact.md:5: du HTML n'est pas permis ici (<script>)" in run("website", "build", "demo", "--lang", "fr", code=2)
    assert sorted((inventory.parent / "state").rglob("website/*")) == before
    assert json.loads(run("website", "check", "demo", "--json", code=7))["verdict"] == "critical"


def test_a_missing_field_names_the_dossiers_line(inventory: Path) -> None:
    """The line of the section it would stand in."""
    dossier = inventory / "offices/demo/dossier.yml"
    dossier.write_text(dossier.read_text(encoding="utf-8").replace("  capital: 8 000 €\n", ""), encoding="utf-8")

    said = run("website", "build", "demo", code=2)

    assert (
        "offices/demo/dossier.yml:3: organisation.capital is missing; the law asks for it on the page 'Mentions légales'" in said
    )


def test_hours_in_the_dossier_are_held_to_their_form(inventory: Path) -> None:
    """Each mistake with its line."""
    dossier = inventory / "offices/demo/dossier.yml"
    text = dossier.read_text(encoding="utf-8")
    text = text.replace('tuesday: ["08:30-19:00"]', 'tuesday: ["8h30-19h"]').replace(
        'saturday: ["08:30-12:30", "14:00-19:00"]', 'saturday: ["08:30-12:30", "12:00-19:00"]\n    sundays: ["20:00-02:00"]'
    )
    dossier.write_text(text, encoding="utf-8")

    said = run("website", "build", "demo", code=2)

    assert "website.hours.tuesday[0]: '8h30-19h' is not a span of hours; try a form as in 08:30-12:30" in said
    assert "website.hours.saturday[1]: '12:00-19:00' begins before the one before it ends" in said
    assert "website.hours.sundays" in said


@pytest.fixture
def preview(inventory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A preview that runs, and its address."""
    words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), "website", "preview", "demo", "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        yield process, process.stderr.readline().partition(" shown at ")[2].split(" ")[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def get(address: str) -> str:
    """What stands there."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


def test_preview_shows_what_was_saved_until_ctrl_c(inventory: Path, preview: tuple[subprocess.Popen[str], str]) -> None:
    """On loopback alone; a mistake is said and the page before it stays; Ctrl-C ends it with nothing left."""
    process, address = preview
    page = inventory / "offices/demo/website/contact.md"
    assert process.stderr and address.startswith("http://127.0.0.1:") and "En métro" in get(f"{address}contact/")

    page.write_text("---\ntitre: C\ntype: contact\n---\nEn tramway.\n", encoding="utf-8")
    assert process.stderr.readline() == "built again: reload the page\n" and "En tramway" in get(f"{address}contact/")
    page.write_text("---\ntitre: C\ntype: contact\n---\n{{ x }}\n", encoding="utf-8")
    assert "contact.md:5: double braces" in process.stderr.readline() and "En tramway" in get(f"{address}contact/")
    with pytest.raises(HTTPError) as lost:
        get(f"{address}perdue/")
    assert lost.value.code == 404 and "Cette page n'existe pas" in lost.value.read().decode().replace("&#39;", "'")

    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(10) == 0 and time.monotonic() - began < 5 and process.stderr.read() == ""
