"""Who was shut out stays out: whatever a merge makes of the files, until somebody admits that person by name."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import GIT
from tests.verbs import Run


def audited(net: Path, login: str, keys: list[str], at: str = "2026-11-20T10:00:00Z") -> None:
    """The audit of the bakery with a run in which they were shut out."""
    folder = net / "offices/bakery/runs"
    folder.mkdir(exist_ok=True)
    data = {
        "number": 1, "former": None, "run": "20261120T100000Z-abcd", "office": "bakery", "verb": "access revoke", "started": at,
        "refuses": {login: ["server"]}, "revoked": {login: keys}, "hosts": {},
    }  # fmt: skip
    (folder / "00001-20261120T100000Z-abcd.json").write_text(json.dumps(data))


def problems(run: Run) -> list[str]:
    said = run("inventory", "check", "--json")
    return [one["what"] for one in said.data["problems"]]


def test_a_merge_that_lost_who_left_is_an_error(run: Run, scop: Path, keys: dict[str, str]) -> None:
    """The older copy of the file won: check names them, plan and apply touch nothing."""
    assert problems(run) == []
    audited(scop, "kim", [keys["kim"], keys["kim-before"]])

    (said,) = problems(run)
    assert "kim was shut out on 2026-11-20T10:00:00Z" in said
    assert "stands among the technicians again" in said
    (scop / "offices/bakery/known_hosts").write_text(f"server.bakery {keys['lou']}\n")
    for verb in (["plan", "bakery"], ["apply", "bakery", "--yes"]):
        done = run(*verb)
        assert done.code == 2
        assert "kim was shut out" in done.err
        assert "provisioner access admit kim" in done.err


def test_their_key_at_another_login_or_another_reseller_is_theirs_too(run: Run, scop: Path, keys: dict[str, str]) -> None:
    """Whoever's name it bears, in whichever member's file."""
    audited(scop, "old", [keys["lou"]])
    assert ["this is a key of old, who was shut out" in said for said in problems(run)] == [True]

    other = scop / "resellers/other.yml"
    text = (scop / "resellers/ma-scop.yml").read_text()
    other.write_text(text.replace(keys["kim"], keys["kim-before"]))
    (scop / "offices/bakery/runs/00001-20261120T100000Z-abcd.json").unlink()
    audited(scop, "gone", [keys["kim-before"]])
    assert ["this is a key of gone" in said for said in problems(run)] == [True]


@pytest.mark.parametrize("left", ["by merge", "by name"])
def test_who_is_admitted_by_name_works_here_again(run: Run, scop: Path, keys: dict[str, str], tmp_path: Path, left: str) -> None:
    """One verb, with a key of now; the audit's word from before counts no more, a later one would."""
    audited(scop, "kim", [keys["kim-before"]])
    if left == "by name":
        assert run("access", "revoke", "kim", "--yes").code in (0, 5)
        assert "kim" in run("access", "list", "--json").data["former"]
    key = tmp_path / "new.pub"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "new"], check=True)

    said = run("access", "admit", "kim", "--key", key, "--yes", "--json")

    assert said.code == 0, said
    assert problems(run) == []
    assert "kim" in run("access", "list", "--json").data["technicians"]
    text = (scop / "resellers/ma-scop.yml").read_text()
    assert key.read_text().split()[1] in text
    assert "readmitted" in text
    left_over = ["git", "-C", str(scop), "status", "--porcelain", "resellers"]
    assert subprocess.run(left_over, capture_output=True, env=GIT, check=True).stdout == b""
    audited(scop, "kim", [keys["kim-before"]], at="2099-01-01T00:00:00Z")
    assert len(problems(run)) == 1


@pytest.mark.usefixtures("scop")
def test_nobody_is_admitted_without_a_key_or_a_name(run: Run) -> None:
    """One clear message, nothing changed."""
    for words in (("ghost", "--yes"), ("kim",)):
        said = run("access", "admit", *words)
        assert said.code == 2, said
        assert "Traceback" not in said.err
