"""An existing router is read into the dossier: what the dossier can say it says, and of the rest each line is told.

`python -m tests.router.test_adoption` writes what comes out now, to be read before it is kept.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.errors import Unreadable
from provisioner.inventory import open_inventory
from provisioner.inventory.editing import Draft
from provisioner.inventory.models import Kind
from provisioner.router.adoption import Adoption, adoption, read
from provisioner.router.description import describe
from provisioner.router.platforms import (
    cisco_ios,
    cisco_ios_reading,
    debian,
    debian_reading,
    frr_reading,
    openwrt_reading,
    routeros_reading,
)
from provisioner.router.reading import Reading
from provisioner.secrets.models import Secrets
from tests import network
from tests.router.test_rendering import CASES, SECRETS

ROOM = Path(__file__).parent / "adopted"
DEBIAN = [case for case in CASES if case.parent.name == "debian"]
FOUND = sorted(path.parent for path in ROOM.glob("*/raw.yml"))


def adopted(
    dossier: Path,
    folder: Path,
    raw: Mapping[str, Any] | None = None,
    known: Secrets = SECRETS,
    reading: Reading | None = None,
) -> Adoption:
    """What comes of a dossier and a router; without `raw` the router has what the dossier gives it."""
    root = network.empty(folder / "net")
    (root / "offices/shop").mkdir()
    shutil.copy(dossier, root / "offices/shop/dossier.yml")
    inventory = open_inventory(root)
    office = inventory.office("shop")
    host = next(name for name, one in office.hosts.items() if one.kind is Kind.ROUTER)
    pack = inventory.pack(office.pack)
    if reading is not None:
        return adoption(Draft(inventory, "shop"), pack, known, host, str(office.hosts[host].address), reading)
    if raw is None:
        files = {path: file.content for path, file in debian.render(describe(office, pack, SECRETS, host)).items()}
        raw = {"files": files, "rules": files.pop("/etc/office/firewall.nft")}
    said = debian_reading.shaped({"rules": "", "unread": [], "addresses": [], "routes": [], **raw})
    assert said is not None
    return adoption(Draft(inventory, "shop"), pack, known, host, str(office.hosts[host].address), debian_reading.read(said))


@pytest.mark.parametrize("case", DEBIAN, ids=lambda case: case.name)
def test_what_a_dossier_gave_a_router_is_read_back_whole(case: Path, tmp_path: Path) -> None:
    """No line of ours is unknown, no secret is another, and the dossier says it already, but for its ports."""
    found = adopted(case / "dossier.yml", tmp_path)

    assert [str(line) for line in found.left] == []
    assert found.secrets == {}
    changes = [line for line in found.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line for line in changes if not line.strip("+- ").startswith(("interfaces:", "wan: wan0", "lan: [lan0]"))] == []


@pytest.mark.parametrize("case", DEBIAN, ids=lambda case: case.name)
def test_a_cisco_is_read_back_too(case: Path, tmp_path: Path) -> None:
    """What the platform can do of a dossier comes back from its configuration, and no line of ours is unknown."""
    dossier = tmp_path / "dossier.yml"
    dossier.write_text(
        re.sub("(?m)^    kind: router$", "    kind: router\n    platform: cisco_ios", (case / "dossier.yml").read_text())
    )
    root = network.empty(tmp_path / "described")
    (root / "offices/shop").mkdir()
    shutil.copy(dossier, root / "offices/shop/dossier.yml")
    office = open_inventory(root).office("shop")
    wanted = describe(office, open_inventory(root).pack(office.pack), SECRETS, "router")
    running = f"Building configuration...\n!\nversion 15.7\n{cisco_ios.render(wanted)['configuration'].content}"
    running += "line vty 0 4\n login local\nend\n"

    found = adopted(dossier, tmp_path, reading=cisco_ios_reading.read(running))

    assert [line.text for line in found.left] == ["line vty 0 4", "login local"]
    changes = [line for line in found.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    silent = (
        "interfaces:",
        "wan: GigabitEthernet0/0",
        "lan: [GigabitEthernet0/1]",
        "lan: [enp2s0]",
        "vlan: 20",
        "wan: enp1s0",
        "radio: ",
    )
    if wanted.wan.type != "pppoe":  # which IOS has as the router has it
        assert [line for line in changes if not line.strip("+- ").startswith(silent)] == []


def test_the_line_s_and_the_tunnel_s_secrets_go_into_the_vault(tmp_path: Path) -> None:
    """Those that the vault has not; none stands in the dossier or in what is told."""
    case = next(case for case in DEBIAN if case.name == "everything")

    found = adopted(case / "dossier.yml", tmp_path, known=Secrets())

    assert found.secrets == {
        "wan.password": SECRETS.wan["password"], "tunnel.key": SECRETS.tunnel["key"],
        "wifi.staff": SECRETS.wifi["staff"], "wifi.guests": SECRETS.wifi["guests"],
    }  # fmt: skip
    assert not any(secret in found.diff for secret in found.secrets.values())


def outcome(case: Path, folder: Path) -> dict[str, str]:
    """The dossier afterwards, and what is told."""
    raw = yaml.safe_load((case / "raw.yml").read_text(encoding="utf-8"))
    reading = cisco_ios_reading.read(raw["running"]) if "running" in raw else None
    reading = frr_reading.read(raw["running"], raw["links"]) if "links" in raw else reading
    reading = openwrt_reading.read(raw["packages"], raw["others"], raw["staged"]) if "packages" in raw else reading
    reading = routeros_reading.read(raw["export"]) if "export" in raw else reading
    found = adopted(case / "before.yml", folder, raw, Secrets(), reading)
    told = [*map(str, found.left), *(f"into the vault: {name}" for name in found.secrets)]
    return {"after.yml": found.draft.text, "told.txt": "".join(f"{line}\n" for line in told)}


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.name)
def test_a_router_of_somebody_else_s_is_read(case: Path, tmp_path: Path) -> None:
    """The dossier afterwards with its comments, and every line that it cannot say."""
    for name, text in outcome(case, tmp_path).items():
        assert text == (case / name).read_text(encoding="utf-8"), name


def test_no_line_is_dropped_unsaid(tmp_path: Path) -> None:
    """Whatever line is put beside the known ones, in whichever file, is told."""
    case = next(case for case in DEBIAN if case.name == "everything")
    probes = {
        "/etc/systemd/network/10-office-lan.network": "[Network]\nProxyARP=yes", "/etc/dnsmasq.d/office.conf": "tftp-root=/srv",
        "/etc/dnsmasq.d/other": "address=/ads.example/0.0.0.0", "/etc/network/interfaces": "iface eth9 inet wvdial",
        "/etc/network/interfaces.d/vpn": "up ip route add 10.9.0.0/16 via 192.168.1.9", "/etc/hostapd/office.conf": "wps_state=2",
        "/etc/ppp/peers/office": "demand", "/etc/chrony/office.conf": "smoothtime 400 0.001",
        "/etc/rsyslog.d/x.conf": "*.* @@192.0.2.9",
        "/etc/systemd/network/70-x.link": "[Link]\nMTUBytes=9000",
        "/etc/systemd/network/x.netdev": "[NetDev]\nName=b0\nKind=bond",
    }  # fmt: skip
    plain = adopted(case / "dossier.yml", tmp_path / "plain")
    rendered = debian.render(
        describe(plain.draft.before, open_inventory(tmp_path / "plain/net").pack(plain.draft.before.pack), SECRETS, "router")
    )
    for number, (path, line) in enumerate(probes.items()):
        files = {at: file.content for at, file in rendered.items()}
        rules = files.pop("/etc/office/firewall.nft")
        files[path] = f"{files.get(path, '')}\n{line}\n"
        found = adopted(case / "dossier.yml", tmp_path / str(number), {"files": files, "rules": rules})
        assert line.splitlines()[-1] in "\n".join(map(str, found.left)), (path, line)
    for rule in ("tcp dport 8080 accept", 'iifname "office-line" tcp dport 22 accept', "meta mark set 0x1", "queue to 1"):
        found = adopted(case / "dossier.yml", tmp_path / rule[:5].strip() / "r", {
            "files": {at: file.content for at, file in rendered.items()},
            "rules": f"table inet filter {{\n\tchain input {{\n\t\t{rule}\n\t}}\n}}",
        })  # fmt: skip
        assert f"nftables inet filter input: {rule}" in "\n".join(map(str, found.left))
        shutil.rmtree(tmp_path / rule[:5].strip())


if __name__ == "__main__":
    import tempfile

    for one in FOUND:
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in outcome(one, Path(scratch)).items():
                (one / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("running", "brief"),
    [
        ("ip route 0.0.0.0/0 999.1.1.1\n", "eth0 up default 192.168.1.1/24\n"), ("ip route 10.9.0.0/16 1.2.3\n", ""),
        ("", "eth0 up default 1.2/999\n"), ("ip route 0.0.0.0/0 10.0.0.1\n", "eth0 up default ....../24\n"),
    ],
)  # fmt: skip
def test_a_router_that_says_addresses_that_are_none_is_one_sentence(running: str, brief: str) -> None:
    """Whatever answers there is not believed in part, and ends no verb in a traceback."""

    class Router:
        def reading(self) -> Reading:
            return frr_reading.read(running, brief)

    with pytest.raises(Unreadable, match="what gate says of itself cannot be read"):
        read(Router(), "gate")
