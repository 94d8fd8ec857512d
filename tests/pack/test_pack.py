"""A reseller's own version of the pack, tried on an installed office before anybody decides."""

from collections.abc import Iterator

import pytest

from tests.stage import Stage

pytestmark = pytest.mark.lab


@pytest.fixture
def ours(office: Stage) -> Iterator[str]:
    """The standard pack with another port and without calendars: a file, no role touched."""
    text = (office.inventory / "packs" / "standard-2026.1.yml").read_text()
    begin = text.index("    calendar:\n")
    end = text.index("    backup:\n", begin) if "    backup:\n" in text[begin:] else text.index("  desktop:\n", begin)
    own = (text[:begin] + text[end:]).replace(
        "    base:\n      ports: [{port: 22}]", "    base:\n      ports: [{port: 22}, {port: 8443}]", 1
    )
    path = office.inventory / "packs" / "ours-2027.1.yml"
    path.write_text(own)
    yield path.stem
    path.unlink()


@pytest.mark.deep
def test_plan_shows_what_another_pack_would_change(office: Stage, ours: str) -> None:
    """The plan of a move has its diffs and names what stays behind; dossier and hosts stay as they are; apply refuses it."""
    saved = office.home / "move.plan"
    before = office.dossier.read_bytes()

    moved = office.json("plan", "demo", "--lab", "--pack", ours, "--save", str(saved), "--host", "server")
    light = office.json("plan", "demo", "--lab", "--variant", "light", "--host", "server")
    refused = office.json("apply", "demo", "--lab", "--plan", str(saved), "--host", "server")
    now = office.json("plan", "demo", "--lab", "--host", "server")

    assert moved.code == 3, moved
    diffs = "\n".join(change["diff"] for change in moved.data["changes"]["server"])
    assert "+" in diffs
    assert "tcp dport 8443 accept" in diffs
    assert moved.data["dropped"] == {"server": ["calendar"]} == light.data["dropped"]
    assert (moved.data["pack"], moved.data["variant"], light.data["variant"]) == (ours, "full", "light")
    assert refused.code == 7, refused
    assert f"the saved plan is one for pack: {ours}" in refused.data["error"]
    assert office.dossier.read_bytes() == before
    assert (now.code, now.data["changes"]["server"]) == (0, []), "nothing of the plans stayed on the host"
