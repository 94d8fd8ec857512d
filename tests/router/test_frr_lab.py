"""An office in the lab whose router is of the platform frr: a real one, driven by the verbs as at a client's."""

from pathlib import Path

import pytest
import yaml

from tests.lab.light import bring_up, inside, light

pytestmark = [pytest.mark.lab, pytest.mark.deep]
ROUTES = {"warehouse": {"network": "10.9.0.0/16", "via": "192.168.1.10"}}
LINE = {"type": "static", "address": "203.0.113.10/29", "gateway": "203.0.113.9"}


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_small_office_s_router_is_a_real_frr(suite: str, tmp_path: Path) -> None:
    """Up, adopted, shown, planned, pushed to, read back; the LAN has its addresses and its way out by the machine meanwhile."""
    stage = light(tmp_path, {"router": ["router"]})
    dossier = yaml.safe_load(stage.dossier.read_text())
    dossier = {word: said for word, said in dossier.items() if word not in ("mail", "backup", "website", "printers", "guests")}
    dossier["hosts"]["router"] |= {"platform": "frr", "interfaces": {"wan": "wan0", "lan": ["lan0"]}}
    dossier |= {"routes": ROUTES, "wan": LINE}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "a router of another system")
    try:
        bring_up(stage, suite, blank=True)
        before = stage.json("router", "show", "demo", "--lab").data["routers"]["router"]
        assert (before["platform"], before["last"]) == ("frr", None)
        assert {"name": "lan0", "up": True, "addresses": ["192.168.1.1/24"]} in before["links"]
        wanted = stage.json("plan", "demo", "--lab", "--host", "router", "--diff")
        assert wanted.code == 3, wanted
        assert "+ip route 10.9.0.0/16 192.168.1.10" in wanted.out

        said = stage.json("router", "push", "demo", "--lab", "--timeout", "30")

        assert said.code == 0, said
        shown = stage.json("router", "show", "demo", "--lab").data["routers"]["router"]
        assert shown["route"] == {"gateway": "203.0.113.9", "dev": "wan0"}
        assert shown["last"]["how"] == "applied"
        assert stage.json("router", "diff", "demo", "--lab").code == 0
        assert stage.json("router", "backup", "demo", "--lab").code == 0
        assert "via 192.168.1.10 dev lan0 proto static" in inside(stage, "router", "ip route show 10.9.0.0/16")
        assert "1 received" in inside(stage, "server", "ping -c 1 -W 5 198.51.100.1")
    finally:
        assert stage.run("lab", "down", "demo").code == 0
