"""Where hosts were last met: a file that saves a search, written when it says something new."""

from pathlib import Path

import pytest

from provisioner.inventory.target import Target
from provisioner.operation.reaching import addresses, remember


def test_what_is_known_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round over hosts that are where they were writes nothing; one that moved is noted beside the others."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    target = Target(tmp_path / "net", "bakery")
    file = target.state / "addresses.json"

    remember(target, {"server": "192.168.1.10", "router": "192.168.1.1"})
    first = file.stat().st_ctime_ns
    remember(target, {"server": "192.168.1.10"})
    remember(target, {"server": "192.168.1.10", "router": "fd00::1"}, addresses(target))
    assert file.stat().st_ctime_ns == first

    remember(target, {"server": "192.168.1.77"}, addresses(target))
    assert addresses(target) == {"server": "192.168.1.77", "router": "192.168.1.1"}
