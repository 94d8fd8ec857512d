"""What French readers are given: no word of Python, no English phrase, in any document and in what `--lang fr` prints."""

import json
import re
from pathlib import Path

import pytest

from provisioner import documents
from provisioner.cli import verify
from provisioner.cli.common import Console
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from provisioner.language import evidence, translator
from provisioner.verify.checks import backup
from tests.documents.test_documents import Page, every, person_page
from tests.record import handover

PYTHON = re.compile(r"\b(?:None|True|False|nan|Traceback|NoneType|[A-Z]\w+Error)\b|\[Errno|[{\[(]'|': '|<\w+ object")
ENGLISH = re.compile(r"\b(?:the|not|yes|was|were|and|of|is|with|from|yet|none|found|silent|kept|ago|after|adopted|there)\b")
# A whole verification of the example's lab before its first backup, as the machines answered.
FOUND = json.loads(Path(__file__).with_name("findings.json").read_text())


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """An office whose record has what machines really answered, and a machine that is not adopted."""
    monkeypatch.setattr(documents, "pdf", str.encode)
    target = handover.office(tmp_path / "net")
    away = Finding("reached", Level.CRITICAL, "{host} does not answer.", {"host": "router"}, "router", "not adopted")
    handover.verified(target, findings=[*FOUND, away.as_object()], status="failed")
    return target


def test_no_french_document_speaks_python_or_english(real: Target) -> None:
    """Record, sheet and sealed sheet; the machines' own words are quoted in the annex alone, ours in it are French."""
    for name, source in every(real).items():
        outside = re.sub(r"<pre>.*?</pre>|<style>.*?</style>", "", source, flags=re.DOTALL)

        assert PYTHON.findall(Page(re.sub(r"<style>.*?</style>", "", source, flags=re.DOTALL)).text) == [], name
        assert ENGLISH.findall(Page(outside).text) == [], name
    assert "pas encore prise en charge" in source or "pas encore prise en charge" in every(real)["record"]


def test_what_verify_prints_in_french_is_french(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences and evidence of a verification before the first backup; it names the verb that makes one."""
    verify.show_findings(Console(as_json=False, inventory_option=None), map(Finding.of, FOUND), "fr")
    said = capsys.readouterr().out

    assert PYTHON.findall(said) == []
    assert ENGLISH.findall(said) == []
    assert "Aucune sauvegarde n’a encore été faite sur le disque de sauvegarde du bureau" in said
    assert "provisioner backup run demo --lab" in said


def test_the_scan_finds_what_it_is_for() -> None:
    """It could not pass over what was once printed."""
    for text in ("None", "locked: True", "undeclared: [22, 80]".replace("[", "['"), "TimeoutError: x", "{'a': 1}", "[Errno 111]"):
        assert PYTHON.search(text), text
    assert ENGLISH.search("not adopted")
    assert evidence.told(translator("fr"), "not adopted") == "pas encore prise en charge"
    assert {len(said) for said in backup.SAID.values()} == {3}


@pytest.mark.parametrize(
    ("language", "menu", "there"),
    [("fr", "Changer mon mot de passe", "Ils sont là d’eux-mêmes"), ("en", "Change my password", "They are there by themselves")],
)
def test_the_first_steps_are_for_who_never_types_an_address(real: Target, language: str, menu: str, there: str) -> None:
    """On the pack's desktop shares and calendar are there, and the password is changed with the mouse, as the picture shows."""
    source = person_page(real, language)

    assert "smb://" not in source and "https://calendar" not in source and "passwd" not in source
    assert menu in source and there in source
    assert 'class="window" src="data:image/png;base64,iVBOR' in source


def test_on_a_pc_of_ones_own_the_addresses_are_told(real: Target) -> None:
    """An office without the pack's desktops keeps the addresses."""
    dossier = real.folder / "dossier.yml"
    text = dossier.read_text()
    dossier.write_text(re.sub(r"  desktop:\n(?:    .*\n)+", "", text))
    source = person_page(real)

    assert "smb://server.epicerie.internal/commun" in source and "https://calendar.epicerie.internal" in source
    assert "Changer mon mot de passe" not in source


BREAKING = re.compile(r"(?:\S (?:[;?!%€:»](?!\w))|« ).{0,30}")


def test_french_signs_stand_by_their_words(real: Target) -> None:
    """No line begins with a colon or ends with an opening quote: their spaces do not break, in the catalog and on paper."""
    assert [text for text in translator("fr").sentences() if BREAKING.search(translator("fr").sentence(text) or "")] == []
    for name, source in every(real).items():
        text = Page(re.sub(r"<pre>.*?</pre>|<style>.*?</style>", "", source, flags=re.DOTALL)).text
        assert BREAKING.findall(text) == [], name
