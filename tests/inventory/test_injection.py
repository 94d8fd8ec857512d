"""Client text is data: in every field of dossier and vault, in every output, byte for byte where it belongs, never obeyed."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
import yaml

from provisioner import documents
from provisioner.errors import BadInput
from provisioner.findings import Finding, Level
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.record import sheet
from provisioner.runs import Event, audit
from provisioner.runs.journal import Journal
from provisioner.secrets import ansible_vault
from tests.documents.test_documents import Page
from tests.inventory.payloads import PAYLOADS, payload
from tests.record import handover
from tests.verbs import CommandResult, Run

ALWAYS = ("jinja-lookup", "shell-quotes", "html-attribute", "terminal-rich", "terminal-return", "lines")
NAMES = [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.deep) for name in PAYLOADS]
BENIGN = "Tranquille"
TOLD = (
    *(("office", "show", "demo"), ("office", "list"), ("person", "list", "demo"), ("runs", "list", "demo", "--lab")),
    *(("runs", "show", "demo", "--lab"), ("runs", "show", "demo", "20261123T093000Z-eeee", "--lab")),
    *(("record", "show", "demo", "--lab"), ("secrets", "show", "demo", "--lab", "--all")),
)
PLACES = 20  # at least: the dossier's fields that take any text


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value with its place."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*place, key))
    if not isinstance(value, dict | list):
        yield place, value


def put(value: Any, place: tuple[Any, ...], text: str) -> None:
    """Another text at a place."""
    for part in place[:-1]:
        value = value[part]
    value[place[-1]] = text


def written(target: Target, data: Any) -> None:
    """The dossier, every text of it quoted."""
    days = {"default_style": '"', "allow_unicode": True, "sort_keys": False, "width": 10**9}
    text = json.loads(json.dumps(data, default=str))
    (target.folder / "dossier.yml").write_text(yaml.safe_dump(text, **days))  # type: ignore[call-overload]


def free(target: Target) -> list[tuple[Any, ...]]:
    """The places of the dossier that take any text, found by trying."""
    text = (target.folder / "dossier.yml").read_text()
    found = []
    for place, value in leaves(yaml.safe_load(text)):
        data = yaml.safe_load(text)
        if isinstance(value, str):
            put(data, place, "a {{ b }} $c <d> [e] \u202e")
            written(target, data)
            try:
                open_inventory(target.inventory).office(target.office)
                found.append(place)
            except BadInput:
                pass
    (target.folder / "dossier.yml").write_text(text)
    return found


def hostile(target: Target, places: list[tuple[Any, ...]], text: str) -> None:
    """This text in every free place, in the lab's vault, and in what a run and a verification left behind."""
    data = yaml.safe_load((target.folder / "dossier.yml").read_text())
    for place in places:
        put(data, place, text)
    written(target, data)
    key = secrets.token_urlsafe(16)
    sections = {
        "people": {"zoe": text},
        "console": {"server": text},
        "mail": {"password": text},
        "directory": {"administrator": text},
    }
    target.vault.with_name("vault.key").write_text(key + "\n")
    target.vault.write_text(ansible_vault.encrypt(yaml.safe_dump(sections, default_style='"'), key, target.office))
    found = [
        Finding("names", Level.CRITICAL, "{host} answers.", {"host": text}, "server", text, 1.0, handover.TESTED.timestamp())
    ]
    handover.verified(target, findings=[one.as_object() for one in [*handover.findings(), *found]])
    journal = Journal(target.journals / "20261123T093000Z-eeee.jsonl")
    detail = {"run": "20261123T093000Z-eeee", "office": target.office, "verb": "apply", "technician": "c.lefevre", "lab": True}
    for event in (
        Event("run_started", detail=detail),
        Event("host_changed", "server", "a task", {"diff": f"--- before\n+++ after\n@@ -1 +1 @@\n-{text}\n+{text}"}),
        Event("host_failed", "server", "another", {"problem": text, "notes": [text]}),
        Event("run_finished", detail={"status": "failed", "error": text}),
    ):
        journal.write(event)
    journal.close()


def skeleton(source: str) -> list[tuple[str, tuple[str, ...]]]:
    """A page's elements with their attributes' names: what of it is no text."""
    return [(name, tuple(sorted(attributes))) for name, attributes in Page(source).elements]


def pages(target: Target) -> dict[str, str]:
    """The record as it was written, and the sheets as they are made."""
    (kept,) = (target.kept / "records").glob("*.html")
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    whose = (office, inventory.pack(office.pack), inventory.reseller(office.reseller), "zoe", "fr")
    made = handover.iso(handover.NOW)
    secret = vault_of(target)["people"]["zoe"]
    return {
        "record": kept.read_text(),
        "sheet": sheet.page(*whose, lab=True, made=made, secret=""),
        "sealed": sheet.page(*whose, lab=True, made=made, secret=secret),
    }


def vault_of(target: Target) -> Any:
    """The lab's secrets as its file has them."""
    text = ansible_vault.decrypt(target.vault.read_text(), target.vault.with_name("vault.key").read_text().strip())
    return yaml.safe_load(text)


def tame(said: CommandResult) -> None:
    """Nothing in it that a terminal obeys or hides."""
    assert {sign for sign in said.out + said.err if category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")} <= {"\n", "\t"}, said


def files(top: Path) -> set[str]:
    """The names of all files below, git's own apart."""
    return {str(path.relative_to(top)) for path in top.rglob("*") if ".git" not in path.parts}


@pytest.fixture
def offices(run: Run, tmp_path: Path) -> Iterator[tuple[Target, Target]]:
    """The lab of the example office twice: one with quiet texts everywhere, one that a test makes hostile."""
    yield (
        handover.office(tmp_path / "quiet/net", lab=True, history=True),
        handover.office(tmp_path / "loud/net", lab=True, history=True),
    )
    assert run("inventory", "check", "--inventory", tmp_path / "quiet/net").code == 0


@pytest.mark.case("T2")
@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_ever_code(
    offices: tuple[Target, Target], run: Run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In JSON and files the very text; on the terminal and in documents what a person sees of it; nowhere anything it does."""
    if name not in ALWAYS[:2]:
        monkeypatch.setattr(documents, "pdf", str.encode)
    mark = tmp_path / "pwned"
    text = payload(name, mark)
    quiet, loud = offices
    places = free(loud)
    assert len(places) >= PLACES, places
    for target, word in ((quiet, BENIGN), (loud, text)):
        hostile(target, places, word)
        made = run("--json", "record", "new", "demo", "--lab", "--inventory", target.inventory)
        assert made.code == 0, made
        kept = run("--json", "secrets", "show", "demo", "--lab", "--inventory", target.inventory)

    # byte for byte where it belongs
    shown = run("--json", "office", "show", "demo", "--inventory", loud.inventory)
    assert sum(value == text for _, value in leaves(shown.data)) >= len(places)
    assert [kept.data["people"]["zoe"], kept.data["mail"]["password"]] == [text, text]
    done = run("--json", "runs", "show", "demo", "20261123T093000Z-eeee", "--lab", "--inventory", loud.inventory)
    assert done.data["problems"]["server"]["problem"] == text
    (body,) = (loud.kept / "records").glob("*.json")
    assert sum(value == text for _, value in leaves(json.loads(body.read_text()))) >= 5

    # shown, not obeyed
    for words in TOLD:
        said = run(*words, "--inventory", loud.inventory)
        assert said.code in (0, 4), (words, said)
        assert "1337" not in said.out, words
        tame(said)
    spoken, calm = pages(loud), pages(quiet)
    for kind, source in spoken.items():
        assert skeleton(source) == skeleton(calm[kind]), kind
        assert "1337" not in Page(source).text, kind
    flat = re.sub(r"[ \n\r\t]+", " ", text).strip()
    assert re.sub(r"[\u2066-\u2069]", "", flat) in re.sub(r"[\u2066-\u2069]", "", Page(spoken["record"]).text)

    # nothing done, nothing elsewhere
    assert not mark.exists()
    assert files(loud.inventory) == files(quiet.inventory)
    assert files(loud.state) == files(quiet.state)
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("quiet", "loud", "state", "cache")] == []
    assert audit.check(loud.summaries) == []
