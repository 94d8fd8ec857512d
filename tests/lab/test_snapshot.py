"""Snapshots over one another, on disk alone: what a lab that started from one leaves lies over it."""

import json
from pathlib import Path

import pytest

from provisioner.lab import base, snapshot
from provisioner.lab.remove import remove_tree


def keep(home: Path, name: str, below: str, *hosts: str) -> None:
    """A snapshot as `keep` leaves it, with a layer of each host."""
    for host in hosts:
        (home / "snapshots" / name / "hosts" / host).mkdir(parents=True)
    said = {"office": "demo", "suite": "trixie", "base": base.path_of("trixie").name, "login": ["installer", "x"], "below": below}
    (home / "snapshots" / name / "snapshot.json").write_text(json.dumps(said))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for labs, with the snapshot `own` over `office`."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path))
    keep(tmp_path, "office", "", "router", "server")
    keep(tmp_path, "own", "office", "router")
    return tmp_path


def test_layers_lie_over_one_another(home: Path) -> None:
    """The newest is on top, the base at the bottom; a host that the upper one lacks is the lower one's."""
    found, system = snapshot.get("own", "trixie"), Path("/base")
    own, office = (home / "snapshots" / name / "hosts" for name in ("own", "office"))

    assert found.layers("router", system) == [own / "router", office / "router", system]
    assert found.layers("server", system) == [office / "server", system]
    assert found.layers("desktop", system) == [system]
    assert [found.has(host) for host in ("router", "server", "desktop")] == [True, True, False]


def test_what_another_lies_on_is_not_pruned(home: Path) -> None:
    """Who wants the upper one keeps the lower one; without it the upper one is none any more."""
    keep(home, "old", "", "router")
    snapshot.prune(["own"], [], lambda _: None)
    assert sorted(path.name for path in (home / "snapshots").iterdir()) == ["office", "own"]

    snapshot.prune([], [str(home / "snapshots/own")], lambda _: None)
    assert sorted(path.name for path in (home / "snapshots").iterdir()) == ["office", "own"]

    remove_tree(home / "snapshots/office")
    assert snapshot.find("own", "trixie") is None
