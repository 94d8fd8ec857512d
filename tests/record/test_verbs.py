"""The verbs `record new`, `show`, `check` and `sheet`, as a technician calls them."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pypdf
import pytest

from provisioner import record
from provisioner.cli.__main__ import main
from provisioner.inventory.target import Target
from tests.record import handover


class CommandResult(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one object it printed."""
        return json.loads(self.out)


Run = Callable[..., CommandResult]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run one command line, standing in the network of `office`."""
    monkeypatch.setenv("PROVISIONER_INVENTORY", str(tmp_path / "net"))

    def command(*words: str | Path) -> CommandResult:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capfd.readouterr()
        return CommandResult(int(str(ended.value.code)), out, err)

    return command


@pytest.fixture
def office(tmp_path: Path) -> Target:
    """An office in git whose technician is known, verified a minute ago."""
    target = handover.office(tmp_path / "net", history=True)
    handover.git(target.inventory, "config", "provisioner.technician", "n.petit")
    handover.git(target.inventory, "config", "provisioner.reseller", "scop-lumiere")
    handover.verified(target, **just_now())
    handover.save(target.inventory, "verified")
    return target


def just_now(minutes: int = 1) -> dict[str, str]:
    """When a verification ended, by the clock."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    return {"started": handover.iso(moment), "finished": handover.iso(moment)}


def test_a_record_is_made_shown_and_checked(office: Target, run: Run) -> None:
    """One verb makes it, in the office's own language; `show` finds it again; `check` finds it whole."""
    made, shown, checked = (run("record", verb, "demo", "--json") for verb in ("new", "show", "check"))

    assert (made.code, made.data["verdict"], made.data["reserves"]) == (0, "without_reserves", [])
    assert shown.data == made.data
    assert (checked.code, checked.data) == (0, {"office": "demo", "records": 1, "problems": []})
    assert "Procès-verbal de recette" in Path(made.data["html"]).read_text()
    assert "Noël Petit-d" in Path(made.data["html"]).read_text()
    assert Path(made.data["pdf"]).read_bytes().startswith(b"%PDF-1.7")
    assert handover.git(office.inventory, "status", "--porcelain") == ""
    assert handover.git(office.inventory, "log", "-1", "--format=%s").startswith("demo: record 1: handed over without reserves")


def test_it_is_told_to_people_too(office: Target, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict, each reserve and where the files lie, in the terminal's language; the document in the one asked for."""
    handover.verified(office, run="20261123T090000Z-0002", dossier_sha256="0" * 64, **just_now(0))
    handover.save(office.inventory, "verified")
    said = run("record", "new", "demo", "--lang", "en", "--no-commit")

    assert said.code == 0
    assert "Handed over with reserves" in said.out
    assert "The description of the office was changed after the tests." in said.out
    assert "0001-20261123T090000Z-0002.pdf" in said.out
    assert "Hand-over record" in next(record.folder(office).glob("*.html")).read_text()
    assert len(handover.git(office.inventory, "status", "--porcelain", "-uall").splitlines()) == 3
    assert "Handed over with reserves" in run("record", "new", "demo", "--lang", "fr").out
    monkeypatch.setenv("PROVISIONER_LANG", "fr")
    assert "Recette avec réserves" in run("record", "show", "demo").out


def test_an_altered_record_is_exit_seven(office: Target, run: Run) -> None:
    """One byte is enough; what it is in is said, and no new record is made upon it."""
    run("record", "new", "demo")
    pdf = next(record.folder(office).glob("*.pdf"))
    pdf.write_bytes(pdf.read_bytes()[:-1])
    checked = run("record", "check", "demo")

    assert checked.code == 7
    assert f"✗ {pdf.name}: altered" in checked.out
    assert (run("record", "check", "demo", "--json").code, run("record", "new", "demo").code) == (7, 7)


def test_nothing_to_record_is_said_with_the_way_there(run: Run, tmp_path: Path) -> None:
    """No office, no verification, no record: exit 2, and what to do first."""
    handover.office(tmp_path / "net", lab=True)

    assert "no office 'nowhere'" in run("record", "new", "nowhere").err
    for verb, hint in (("new", "provisioner verify demo --lab"), ("show", "provisioner record new demo --lab")):
        said = run("--json", "record", verb, "demo", "--lab")
        assert (said.code, said.data["hint"]) == (2, hint)
    assert run("record", "check", "demo", "--lab").code == 0


def test_a_labs_record_never_enters_the_inventory(run: Run, tmp_path: Path) -> None:
    """A lab's record lies in the state folder, private, and is no commit."""
    target = handover.office(tmp_path / "net", lab=True, history=True)
    handover.verified(target, **just_now())
    made = run("record", "new", "demo", "--lab", "--json")

    assert made.data["lab"] is True
    assert Path(made.data["pdf"]).is_relative_to(target.state)
    assert Path(made.data["json"]).stat().st_mode & 0o777 == 0o600
    assert handover.git(target.inventory, "status", "--porcelain", "-uall") == ""


@pytest.mark.parametrize("language", ["fr", "en"])
def test_everybody_gets_a_sheet_of_one_page(office: Target, run: Run, language: str) -> None:
    """Login, own desktop, folders, printer, calendar, whom to call; one page each, in either language."""
    said = run("record", "sheet", "demo", "--all", "--lang", language, "--json")
    pages = {one["login"]: pypdf.PdfReader(one["pdf"]).pages for one in said.data["sheets"]}
    zoe = pages["zoe"][0].extract_text()

    assert {login: len(sheet) for login, sheet in pages.items()} == {"zoe": 1, "come": 1, "aicha": 1}
    for wanted in ("(desktop)", "commun", "boutique", "compta", "zoe", "bureau", "Thunderbird", "Noël Petit-d"):
        assert wanted in zoe, wanted
    assert "Comptabilité" in zoe
    assert "compta" not in pages["come"][0].extract_text()
    assert handover.git(office.inventory, "status", "--porcelain", "-uall") == ""


def test_a_sealed_sheet_never_lies_in_git(run: Run, tmp_path: Path) -> None:
    """Refused inside any repository, even below it or through a link; elsewhere it is the owner's alone."""
    handover.office(tmp_path / "net", lab=True, history=True)
    (tmp_path / "link").symlink_to(tmp_path / "net" / "offices")
    (tmp_path / "stick").mkdir()
    for place in (tmp_path / "net" / "zoe.pdf", tmp_path / "net" / "new" / "zoe.pdf", tmp_path / "link" / "zoe.pdf"):
        said = run("record", "sheet", "demo", "zoe", "--lab", "--sealed", "--to", place)
        assert (said.code, "git repository" in said.err, place.exists()) == (2, True, False)
    made = run("record", "sheet", "demo", "zoe", "come", "--lab", "--sealed", "--to", tmp_path / "stick", "--json")

    assert [Path(one["pdf"]).name for one in made.data["sheets"]] == ["zoe-sealed.pdf", "come-sealed.pdf"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "stick").iterdir()} == {0o600}
    assert run("record", "sheet", "demo", "zoe", "--lab", "--sealed", "--to", tmp_path / "z.pdf").code == 0
    assert (tmp_path / "z.pdf").read_bytes().startswith(b"%PDF")


def test_a_sealed_sheet_needs_the_vault_open(office: Target, run: Run) -> None:
    """Locked, nothing is written, and the way is said; a plain sheet needs no secret."""
    (office.folder / "vault.yml").write_text("x")
    (office.folder / "vault.key").write_text("x")
    (office.inventory / "network.key").write_text("x")
    said = run("--json", "record", "sheet", "demo", "zoe", "--sealed")

    assert (said.code, said.data["hint"]) == (2, "provisioner unlock")
    assert not list((office.state / "sheets").glob("*sealed*"))
    assert run("record", "sheet", "demo", "zoe").code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("demo",), "whose sheet?"),
        (("demo", "zoe", "--all"), "whose sheet?"),
        (("demo", "nobody"), "demo has nobody with the login 'nobody'"),
        (("demo", "../zoe"), "demo has nobody with the login '../zoe'"),
    ],
)
def test_wrong_sheets_are_refused(office: Target, run: Run, words: tuple[str, ...], complaint: str) -> None:
    """Exit 2 with what is wrong, and nothing written."""
    said = run("record", "sheet", *words)

    assert (said.code, complaint in said.err) == (2, True)
    assert not (office.state / "sheets").exists() or not os.listdir(office.state / "sheets")  # noqa: PTH208 - short
