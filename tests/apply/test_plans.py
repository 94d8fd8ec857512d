"""Plans: one that could not ask every host is never whole; the one that was just read need not be played again."""

import json
import shutil
import time
from pathlib import Path

import pytest

from provisioner.apply import plans, recent
from provisioner.cli.common import Console
from provisioner.cli.run_page import show_plan
from provisioner.errors import Unverified
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run, fold
from provisioner.runs.journal import Journal
from tests.stage import EXAMPLE

CHANGED = {"diff": "--- /etc/a\n+++ /etc/a\n@@ -1 +1 @@\n-a\n+b"}


class Ssh:
    """Whose keys would be used; nobody is called."""

    user = "c.lefevre"


@pytest.fixture
def selection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Selection:
    """The demo office's router and server, as `prepare` would choose them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "inventory"
    shutil.copytree(EXAMPLE, root)
    inventory = open_inventory(root)
    office = inventory.office("demo")
    pack, reseller = inventory.pack(office.pack), inventory.reseller(office.reseller)
    return Selection(Target(root, "demo", lab=False), office, pack, reseller, Ssh(), ["router", "server"], [], [])  # type: ignore[arg-type]


def planned(selection: Selection, *events: Event, status: str = "changed", ago_s: float = 0) -> Run:
    """The run of a plan with these events, its journal on disk."""
    at = time.time() - ago_s
    detail = {"run": selection.run_id, "office": "demo", "verb": "plan", "technician": "c.lefevre"}
    told = [
        Event("run_started", detail=detail, at=at),
        *events,
        Event("run_finished", detail={"status": status}, at=at),
    ]
    journal = Journal(selection.target.journals / f"{selection.run_id}.jsonl")
    for event in told:
        journal.write(event)
    journal.close()
    return fold(told)


def plan(selection: Selection, run: Run) -> plans.Plan:
    """It, as `apply.plan` gives it."""
    digest, premises = plans.digest(selection, run), recent.premises(selection)
    return plans.Plan(run, digest, selection.office.pack, selection.office.variant, (), premises, {"server": "", "router": ""})


GOOD = (Event("host_ok", "router"), Event("host_changed", "server", "base: Hosts", CHANGED))


@pytest.mark.parametrize(
    ("events", "status", "missing"),
    [
        (GOOD, "changed", {}),
        ((*GOOD, Event("host_failed", "server", "base: Two", {"problem": "disk full\nmore"})), "failed",
         {"server": "base: Two: disk full"}),
        ((GOOD[0], Event("host_unreachable", "server", "", {"problem": "no answer"})), "unreachable", {"server": "no answer"}),
        ((Event("host_failed", "server", "", {"problem": "x"}), Event("host_failed", "router", "", {"problem": "y"})), "failed",
         {"router": "y", "server": "x"}),
        (GOOD, "interrupted", {"": "it was interrupted"}),
    ],
)  # fmt: skip
def test_a_plan_that_is_not_whole_says_so_and_is_refused(
    selection: Selection, events: tuple[Event, ...], status: str, missing: dict[str, str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Where a host failed or was silent nothing is called complete or unchanged, no digest is given, `apply --plan` refuses."""
    found = plan(selection, planned(selection, *events, status=status))
    show_plan(Console(False, None), found, selection, whole=False)
    said = capsys.readouterr().out
    path = tmp_path / "saved.plan"
    found.save(path, selection.target)

    assert found.missing == missing
    assert json.loads(path.read_text())["missing"] == missing
    if missing:
        assert "plan of demo: not complete" in said
        assert "digest" not in said
        assert "nothing to change" not in said.splitlines()[-1]
        assert all(why in said for why in missing.values())
        with pytest.raises(Unverified, match="the saved plan is not complete; nothing was changed"):
            plans.refuse_incomplete(plans.load(path, selection.target), selection)
    else:
        assert f"digest {found.digest}" in said
        plans.refuse_incomplete(plans.load(path, selection.target), selection)


def test_a_plan_is_not_played_twice_for_the_same_state(selection: Selection) -> None:
    """An apply that asks shows the plan made a minute ago, digest and all."""
    found = plan(selection, planned(selection, *GOOD, ago_s=60))
    recent.keep(selection, found)
    again = recent.recall(selection)

    assert again
    assert (again.digest, again.run.changed, again.newest) == (found.digest, 1, {"server": "", "router": ""})


def _dossier(selection: Selection) -> None:
    path = selection.target.folder / "dossier.yml"
    path.write_text(path.read_text() + "# a thought\n")


def _page(selection: Selection) -> None:
    (selection.target.folder / "website/index.md").write_text("# Other\n")


def _another_run(selection: Selection) -> None:
    Journal(selection.target.journals / "99991231T000000Z-0000.jsonl").close()


def _other_hosts(selection: Selection) -> None:
    selection.hosts.pop()


def _damaged(selection: Selection) -> None:
    (selection.target.state / "planned.json").write_text("[]")


@pytest.mark.parametrize("move", [_dossier, _page, _another_run, _other_hosts, _damaged])
def test_what_moved_since_has_it_played_again(selection: Selection, move: object) -> None:
    """The dossier, a page, a run in between, other hosts: the plan of before is none any more."""
    recent.keep(selection, plan(selection, planned(selection, *GOOD)))
    assert recent.recall(selection)

    move(selection)  # type: ignore[operator]
    assert recent.recall(selection) is None


def test_a_plan_of_before_lunch_is_played_again(selection: Selection) -> None:
    """Ten minutes, and never from the future."""
    recent.keep(selection, plan(selection, planned(selection, *GOOD, ago_s=recent.FRESH_S + 5)))
    assert recent.recall(selection) is None


def test_what_a_colleague_ran_meanwhile_stops_the_apply(selection: Selection) -> None:
    """Under the lease the hosts are asked for their newest run: another than at the plan, and nothing is changed."""
    from provisioner.hosts.lookup import HostLookup
    from provisioner.operation import Operation
    from provisioner.operation.lease import Mark

    found = plan(selection, planned(selection, *GOOD))
    selection.found = {"server": HostLookup("server", "192.0.2.1")}
    op = Operation(selection, "apply", None, print, newest={"server": None})  # type: ignore[arg-type]
    recent.refuse_moved(op, found)

    op.newest = {"server": Mark(run="20260101T000000Z-0002")}
    with pytest.raises(Unverified, match="since the plan was made; nothing was changed: server: 20260101T000000Z-0002"):
        recent.refuse_moved(op, found)
