"""What `verify` concludes of the way in: open it must work, closed it must be closed."""

from pathlib import Path
from typing import Any

import pytest

from provisioner.findings import Level
from provisioner.inventory import open_inventory
from provisioner.record.contents import services
from provisioner.verify.checks import remote
from tests.remote.network import HUB, network

CASES = [
    ({"ok": True, "up": True, "closed": False}, Level.OK, "is open"),
    ({"ok": False, "up": True, "closed": False}, Level.CRITICAL, "does not work"),
    ({"ok": False, "up": False, "closed": True}, Level.NOT_APPLICABLE, "has closed"),
    ({"ok": True, "up": True, "closed": True}, Level.CRITICAL, "though it was closed"),
    ({"ok": False, "up": False}, Level.CRITICAL, "does not work"),
]


@pytest.mark.parametrize(("said", "level", "told"), CASES)
def test_an_offices_end_is_judged(tmp_path: Path, said: dict[str, Any], level: Level, told: str) -> None:
    """Closed by the office is no fault; closed and up is one."""
    office = open_inventory(network(tmp_path)["demo"].inventory).office("demo")
    found = remote.judge(office, "server", {**said, "evidence": "x"})
    assert (found.level, found.about, found.evidence) == (level, "server", "x")
    assert told in found.sentence


def test_a_hub_waits_and_a_record_names_the_service_where_there_is_one(tmp_path: Path) -> None:
    """A hub's line speaks of the offices; an office that calls none has no such service."""
    inventory = open_inventory(network(tmp_path)["demo"].inventory)
    hub, office = inventory.office(HUB), inventory.office("demo")
    assert "offices" in remote.judge(hub, "server", {"ok": True, "up": True, "evidence": ""}).sentence
    pack = inventory.pack(office.pack)
    assert "remote" in services(office, pack)
    assert "remote" not in services(office.model_copy(update={"remote": None}), pack)
