"""What a run that did not end well names as the next command."""

from pathlib import Path

import pytest

from provisioner.cli.common import Console
from provisioner.cli.run_page import show_run
from provisioner.hosts.access import SshAccess
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.operation.selection import Selection
from provisioner.runs import Run
from tests.stage import EXAMPLE


@pytest.mark.parametrize("lab", [False, True])
@pytest.mark.parametrize(
    ("verb", "again"),
    [
        ("apply", "apply"),
        ("router push", "router push"),
        ("router restore", "router restore"),
        ("website deploy", "website deploy"),
    ],
)
def test_a_failed_run_names_its_own_verb_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, again: str, *, lab: bool
) -> None:
    """Who pushes a router and fails is not sent to apply, which would do far more; a lab's run stays in the lab."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    inventory = open_inventory(EXAMPLE)
    office = inventory.office("demo")
    selection = Selection(
        Target(EXAMPLE, "demo", lab=lab), office, inventory.pack(office.pack), inventory.reseller(office.reseller),
        SshAccess(Target(EXAMPLE, "demo", lab=lab), "jo", tmp_path / "key"), ["router"], [], [],
    )  # fmt: skip
    show_run(Console(False, None), Run(id="1", office="demo", verb=verb, lab=lab, status="failed"), selection)

    assert f"try:     provisioner {again} demo{' --lab' if lab else ''}\n" in capsys.readouterr().out
