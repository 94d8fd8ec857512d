"""What we keep of Ansible's events; as ansible-core 2.19 (Python 3.11) and 2.21 (3.12 and later) word them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import plays
from provisioner.hosts import programs
from provisioner.inventory.target import Target
from provisioner.plays import Play
from provisioner.plays.handover import Handover
from provisioner.plays.results import problem_text

SAID = {"changed": False, "msg": "no such group", "ansible_loop_var": "account", "_ansible_item_label": "p.x"}


@pytest.mark.parametrize("mark", [{"failed": True}, {"exception": "(traceback unavailable)"}], ids=["2.19", "2.21"])
def test_a_failed_item_says_why(mark: dict[str, Any]) -> None:
    """Of a task over many accounts, the one that failed is named with its reason; the others are not."""
    loop = [{"changed": True, "_ansible_item_label": "a.b"}, SAID | mark]

    assert problem_text({"msg": "One or more items failed", "results": loop}) == "p.x: no such group"


SECRET = 'Tr3s "secret" \\ é'


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """A play that is never begun, which knows a secret."""
    for name in ("STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path))
    handover = Handover(str(tmp_path), "bakery", False, "c.lefevre", {}, {})
    yield Play(
        Target(tmp_path, "bakery"), "apply.yml", handover, run_id="r", check=False, limit=["server"], control=tmp_path,
        secrets=[SECRET],
    )  # fmt: skip


def event(kind: str, **result: Any) -> dict[str, Any]:
    """One as ansible-runner hands it over."""
    return {"event": kind, "event_data": {"host": "server", "task": "Write", "role": "base", "res": result}}


@pytest.mark.parametrize(
    "raw",
    [
        event("runner_on_ok", changed=True, diff={"before": "", "after": f"password = {SECRET}\n"}),
        event("runner_on_failed", msg=f"could not set {SECRET}"),
        event("runner_on_failed", msg="no", stderr=f"bad: {SECRET}"),
        event("runner_on_ok", changed=True, notes=[f"kept {SECRET}"]),
    ],
    ids=["diff", "message", "stderr", "note"],
)
def test_a_secret_in_what_ansible_says_is_hidden(play: Play, raw: dict[str, Any]) -> None:
    """Whatever forgot its no_log: neither journal nor terminal gets it, as it is or as JSON writes it."""
    said = json.dumps([one.detail for one in play._translate(raw)], ensure_ascii=False)

    assert "********" in said
    assert SECRET not in said
    assert json.dumps(SECRET, ensure_ascii=False)[1:-1] not in said


def test_a_saved_plan_is_of_one_program_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What role base runs of ours lies beside the playbooks: with another text of it, a plan is another one."""
    was = plays.tree_digest()
    assert plays.tree_digest() == was

    monkeypatch.setattr(programs, "source", lambda program: f"# {program}\n")

    assert plays.tree_digest() != was
