"""Stages that many tests share: built once, because a real office takes a minute."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.stage import Stage, make

# The same examples every time: a change is judged by what it changed. HYPOTHESIS_SEEDED=no looks for new ones.
settings.register_profile("repeatable", derandomize=os.environ.get("HYPOTHESIS_SEEDED") != "no", deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_inventory_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inventory, run and lab of whoever runs the tests must not leak into them."""
    for name in list(os.environ):
        if name.startswith("PROVISIONER_") and name != "PROVISIONER_LAB_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The demo office, from blank machines to installed ones; what each verb said on the way is `evidence`."""
    stage = make(tmp_path_factory.mktemp("office"))
    try:
        stage.evidence["up"] = stage.json("lab", "up", "demo")
        assert stage.evidence["up"].code == 0, stage.evidence["up"]
        stage.evidence["adopt"] = stage.json("adopt", "demo", "--lab", "--yes")
        assert stage.evidence["adopt"].code == 0, stage.evidence["adopt"]
        stage.evidence["plan"] = stage.json("plan", "demo", "--lab", "--save", str(stage.home / "first.plan"))
        stage.evidence["apply"] = stage.json("apply", "demo", "--lab", "--plan", str(stage.home / "first.plan"))
        stage.evidence["again"] = stage.json("apply", "demo", "--lab", "--yes")
        yield stage
    finally:
        stage.run("lab", "down", "demo")


@pytest.fixture
def blank(tmp_path: Path) -> Iterator[Stage]:
    """A lab of two blank machines, router and server, for one test."""
    stage = make(tmp_path, hosts=("router", "server"))
    try:
        said = stage.run("lab", "up", "demo")
        assert said.code == 0, said
        yield stage
    finally:
        stage.run("lab", "down", "demo")
