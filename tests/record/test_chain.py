"""The records of an office: no byte of them is altered unseen."""

import json
import random
import shutil
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import pytest

from provisioner import documents, record
from provisioner.documents.ledger import sha256
from provisioner.errors import Missing, Unverified
from provisioner.inventory.target import Target
from provisioner.record import chain
from provisioner.record.contents import digest
from tests.record import handover


@lru_cache(maxsize=8)
def _stand_in(source: str) -> bytes:
    return b"%PDF " + source.encode()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records without the second it takes to lay out a PDF: what is kept of it is the same."""
    monkeypatch.setattr(documents, "pdf", _stand_in)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network in git whose office has three records of three verifications."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "pdf", _stand_in)
        return recorded(handover.office(tmp_path_factory.mktemp("made") / "net", history=True)).inventory


def recorded(target: Target) -> Target:
    """Three records."""
    for number in range(3):
        handover.verified(target, run=f"20261123T0825{number:02d}Z-ab12")
        if not target.lab:
            handover.save(target.inventory, "verified")
        record.new(target, by=handover.BY, now=handover.NOW + timedelta(minutes=number))
    return target


@pytest.fixture
def office(tmp_path: Path, made: Path) -> Target:
    """That office, to be spoilt."""
    shutil.copytree(made, tmp_path / "net")
    return Target(tmp_path / "net", "demo")


def spoil(folder: Path, chance: random.Random) -> str:
    """Alter the records in one way; says which."""
    files = sorted(folder.iterdir())
    file, other = chance.sample(files, 2)
    way = chance.choice(("byte", "space", "truncate", "append", "delete", "swap", "cut", "add", "renumber", "forge"))
    if way == "byte":
        raw = bytearray(file.read_bytes())
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(7)
        file.write_bytes(raw)
    elif way == "space":
        file = chance.choice(chain.records(folder))
        file.write_bytes(file.read_bytes().replace(b": ", b":  ", 1))
    elif way == "truncate":
        file.write_bytes(file.read_bytes()[: chance.randrange(file.stat().st_size)])
    elif way == "append":
        file.write_bytes(file.read_bytes() + b"\n")
    elif way == "delete":
        file.unlink()
    elif way == "swap":
        one, two = file.read_bytes(), other.read_bytes()
        file.write_bytes(two)
        other.write_bytes(one)
    elif way == "cut":
        for gone in files[chance.randrange(len(files)) :]:
            gone.unlink()
    elif way == "add":
        (folder / chance.choice(("0004-x.pdf", "notes.txt", "0002-20261123T082501Z-ab12.json.orig"))).write_bytes(
            file.read_bytes()
        )
    elif way == "renumber":
        file.rename(folder / f"0009{file.name[4:]}")
    else:  # with every hash made to fit, from the first record on
        former = None
        for path in chain.records(folder):
            body = json.loads(path.read_text()) | {"verdict": "with_reserves", "former": former}
            said = {key: value for key, value in body.items() if key not in chain.HASHES}
            path.write_text(chain.written({**body, "contents_sha256": digest(said)}))
            former = sha256(path)
    return f"{way} {file.name} {other.name}"


def test_untouched_records_are_whole(office: Target) -> None:
    """Three records in a row have no problem, and each is one commit with its three files."""
    assert record.check(office) == []
    assert len(handover.git(office.inventory, "log", "--format=%s", "--grep=record").splitlines()) == 3
    named = handover.git(office.inventory, "show", "--name-only", "--format=%s", "HEAD").split("\n\n")
    assert named[0] == "demo: record 3: handed over without reserves"
    stem = "offices/demo/records/0003-20261123T082502Z-ab12"
    assert named[1].split() == [f"{stem}.html", f"{stem}.json", f"{stem}.pdf"]


@pytest.mark.parametrize("seed", range(120))
def test_no_alteration_goes_unseen(office: Target, seed: int) -> None:
    """Edited, cut, swapped, added, deleted, renumbered, or forged with fitting hashes: it shows."""
    done = spoil(record.folder(office), random.Random(seed))

    assert record.check(office), done


@pytest.mark.parametrize("seed", range(60))
def test_without_git_only_the_end_can_be_cut_off(office: Target, seed: int) -> None:
    """Where nothing is committed, as in a lab, what is edited, added or missing in the middle still shows."""
    done = spoil(record.folder(office), random.Random(seed))

    if not done.startswith(("cut", "forge")):
        assert chain.check(record.folder(office), office.summaries), done


@pytest.mark.parametrize("wrong", [None, "x", 1.5, [1], {"run": 1}], ids=str)
@pytest.mark.parametrize("entry", ["number", "made", "verify", "pdf_sha256"])
def test_an_entry_of_another_kind_is_told(office: Target, entry: str, wrong: object) -> None:
    """A record whose number is a word, or whose moment is a list, is none any more; nothing crashes on it."""
    path = chain.records(record.folder(office))[-1]
    path.write_text(chain.written(json.loads(path.read_text()) | {entry: wrong}))

    assert any(problem.startswith(path.name[:4]) for problem in chain.check(record.folder(office), office.summaries))


def test_a_forged_record_does_not_fit_the_next(office: Target) -> None:
    """Who edits a record and makes its own hashes fit is found by the record after it."""
    path = chain.records(record.folder(office))[0]
    body = json.loads(path.read_text()) | {"verdict": "with_reserves"}
    said = {key: value for key, value in body.items() if key not in chain.HASHES}
    path.write_text(chain.written({**body, "contents_sha256": digest(said)}))

    assert chain.check(record.folder(office), office.summaries) == [
        "0002-20261123T082501Z-ab12.json: the one before it was altered after it was written"
    ]


def test_the_summary_behind_a_record_is_part_of_it(office: Target) -> None:
    """Who edits what the record was made from is found by the record too."""
    summary = office.summaries / json.loads(chain.records(record.folder(office))[0].read_text())["verify"]["file"]
    summary.write_text(summary.read_text().replace('"ok"', '"ok "', 1))

    assert record.check(office) == [
        "0001-20261123T082500Z-ab12.json: the tests it was made from (00001-20261123T082500Z-ab12.json) were altered or deleted"
    ]


def test_no_record_rests_on_an_altered_audit(office: Target) -> None:
    """An edited summary is no evidence: the record is refused, and what to look at is said."""
    first = sorted(office.summaries.iterdir())[0]
    first.write_text(first.read_text().replace("passed", "failed"))

    with pytest.raises(Unverified, match="rest on an audit that was altered") as refused:
        record.new(office, by=handover.BY)
    assert refused.value.hint == "provisioner runs check demo"


def test_no_record_follows_an_altered_one(office: Target) -> None:
    """A new record never gives an altered one its blessing."""
    page = sorted(record.folder(office).glob("*.html"))[0]
    page.write_text(page.read_text().replace("demo", "dem0"))

    with pytest.raises(Unverified, match="an earlier record was altered") as refused:
        record.new(office, by=handover.BY)
    assert refused.value.hint == "provisioner record check demo"


def test_a_record_killed_half_way_is_none(office: Target) -> None:
    """What was left without its JSON gives its number to the next, and leaves nothing behind."""
    where = record.folder(office)
    (where / "0004-20261123T100000Z-dead.html").write_text("half")
    (where / "0004-20261123T100000Z-dead.pdf").write_text("half")

    made = record.new(office, by=handover.BY, now=handover.NOW + timedelta(hours=1))

    assert (made.path.name, made.body["number"]) == ("0004-20261123T082502Z-ab12.json", 4)
    assert record.check(office) == []


def test_an_unreadable_newest_record_is_said(office: Target) -> None:
    """`show` never makes up what a damaged file said."""
    chain.records(record.folder(office))[-1].write_text("{")

    with pytest.raises(Unverified, match="not a record any more"):
        record.show(office)


def test_nothing_verified_nothing_recorded(tmp_path: Path) -> None:
    """Without a verification there is no record, and the way to one is said."""
    target = handover.office(tmp_path / "net")
    handover.applied(target)

    with pytest.raises(Missing, match="demo was never verified") as refused:
        record.new(target, by=handover.BY)
    assert refused.value.hint == "provisioner verify demo"
    with pytest.raises(Missing, match="no record of demo yet"):
        record.show(target)
    assert record.check(target) == []
