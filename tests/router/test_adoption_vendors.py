"""Routers of other systems are read into a dossier: what a dossier gave them comes back as it was, over SSH too."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.inventory import open_inventory
from provisioner.inventory.network import Wan
from provisioner.router.description import Description, describe
from provisioner.router.platforms import Files, frr_reading, openwrt_reading, rendering, routeros_reading, routeros_router
from provisioner.router.platforms.openwrt_guard import written
from provisioner.router.reading import Reading, said, staying
from provisioner.secrets.models import Secrets
from tests.router.boxes import bench, pushed
from tests.router.test_adoption import ROOM as ADOPTED
from tests.router.test_adoption import adopted
from tests.router.test_rendering import CASES, description

ROUTERS_WORDS = ("wan", "guests", "wifi", "forwards", "reserved", "time", "syslog", "tunnel")


def openwrt(files: Files) -> Reading:
    """What its packages say."""
    return openwrt_reading.read({path.rpartition("/")[2]: file.content for path, file in files.items()})


def routeros(files: Files) -> Reading:
    """What its export says."""
    return routeros_reading.read("".join(file.content for file in files.values()))


READERS: dict[str, Callable[[Files], Reading]] = {"openwrt": openwrt, "routeros": routeros}
OURS = [case for case in CASES if case.parent.name in READERS]


def bare(case: Path, folder: Path) -> Path:
    """The dossier of a case as it is before anybody has looked at the router."""
    dossier = yaml.safe_load((case / "dossier.yml").read_text(encoding="utf-8"))
    dossier = {word: said for word, said in dossier.items() if word not in ROUTERS_WORDS}
    dossier["lan"] = {**dossier["lan"], "dhcp_first": "192.168.1.210", "dhcp_last": "192.168.1.211"}
    dossier["lan"].pop("domain", None)
    dossier["hosts"]["router"].pop("interfaces", None)
    path = folder / "bare.yml"
    path.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("case", OURS, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_what_a_dossier_gave_a_router_comes_back(case: Path, tmp_path: Path) -> None:
    """From a dossier that says nothing of it: the same description, the same bytes, its secrets for the vault, nothing left."""
    platform = rendering(case.parent.name)
    before = description(case, tmp_path)
    given = platform.render(before)

    found = adopted(bare(case, tmp_path), tmp_path / "adopted", known=Secrets(), reading=READERS[case.parent.name](given))

    assert [str(line) for line in found.left] == []
    known: dict[str, Any] = {}
    for name, text in found.secrets.items():
        known.setdefault(name.partition(".")[0], {})[name.partition(".")[2]] = text
        assert text not in found.draft.text
    inventory = open_inventory(tmp_path / "adopted/net")
    office = found.draft.office()
    after = describe(office, inventory.pack(office.pack), Secrets(**known), "router")
    assert platform.render(after) == given
    cannot = " ".join(platform.cannot(before))
    assert given_of(after, cannot) == given_of(before, cannot)


def given_of(one: Description, cannot: str) -> Description:
    """A description without what the platform was not given: usual ports that go unsaid, a password that nobody uses."""
    return replace(
        one,
        interfaces=type(one.interfaces)(),
        wan_password=one.wan_password if one.wan.type == "pppoe" else "",
        wireless=() if "Wi-Fi is left out" in cannot else one.wireless,
        routes=() if "static routes are left out" in cannot else one.routes,
        syslog=None if "syslog is left out" in cannot else one.syslog,
    )


@pytest.mark.parametrize("case", OURS, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_read_again_it_is_the_same(case: Path, tmp_path: Path) -> None:
    """A dossier that says it already is not changed, but for the ports that it leaves unsaid."""
    given = rendering(case.parent.name).render(description(case, tmp_path))

    found = adopted(case / "dossier.yml", tmp_path / "adopted", reading=READERS[case.parent.name](given))

    assert [str(line) for line in found.left] == []
    assert found.secrets == {}
    changes = [line for line in found.diff.splitlines() if re.match(r"[+-](?![+-]{2})", line)]
    assert [line for line in changes if not re.match(r"[+-] +(interfaces:|wan: \w+$|lan: \[|guests: \w+$)", line)] == []


@pytest.mark.parametrize("platform", sorted(READERS))
def test_what_the_pack_leads_in_stays_the_pack_s(platform: str, tmp_path: Path) -> None:
    """The way to the website of the office's server is no word of the dossier's, and becomes none."""
    case = next(case for case in OURS if (case.parent.name, case.name) == (platform, "everything"))
    dossier = yaml.safe_load(bare(case, tmp_path).read_text(encoding="utf-8"))
    dossier["website"] = {"domain": "epicerie.example", "title": "Chez nous"}
    (tmp_path / "site.yml").write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False), encoding="utf-8")
    plain = adopted(tmp_path / "site.yml", tmp_path / "plain", reading=Reading())
    pack = open_inventory(tmp_path / "plain/net").pack(plain.draft.before.pack)
    wanted = describe(plain.draft.before, pack, Secrets(), "router")
    assert [one.port for one in wanted.forwards] == [443, 80]

    found = adopted(tmp_path / "site.yml", tmp_path / "found", reading=READERS[platform](rendering(platform).render(wanted)))

    assert "forwards" not in found.draft.data


def test_an_openwrt_router_is_read_over_ssh(tmp_path: Path) -> None:
    """What its files say byte for byte, the packages that are not ours, and the names of what waits to be committed."""
    raw = yaml.safe_load((ADOPTED / "openwrt-home/raw.yml").read_text(encoding="utf-8"))
    with bench(tmp_path, "openwrt") as box:
        router = box.device({})
        lines = "".join(written(f"/etc/config/{name}", text) for name, text in raw["packages"].items())
        lines += "".join(written(f"/etc/config/{name}", "\n") for name in raw["others"])
        lines += "uci set network.lan.ipaddr=192.0.2.7\nuci set wireless.default_radio0.key='hidden\nsystem\nthings'\n"
        assert router._ask("sh", lines)[0] == 0  # type: ignore[attr-defined]
        before = box.noted()

        found = router.reading()
        router.close()

    assert found == openwrt_reading.read(raw["packages"], raw["others"], raw["staged"])
    assert box.noted() == before
    assert "hidden" not in repr(found)


def test_a_routeros_router_is_read_over_ssh(tmp_path: Path) -> None:
    """What a push gave it comes back whole; what it came with besides stays on it, and is told so."""
    wanted = description(next(case for case in OURS if case.name == "words-of-clients"), tmp_path)
    files = rendering("routeros").render(replace(wanted, wan=Wan(), domain="office.internal"))
    with pytest.MonkeyPatch.context() as patch, bench(tmp_path / "bench", "routeros") as box:
        patch.setattr(routeros_router, "SETTLED_S", 1.0)
        outcome = pushed(box.device(files), 15.0)
        assert outcome.how == "applied", outcome
        before = {path: path.stat().st_mtime_ns for path in box.flash.rglob("*")}
        router = box.device(files)
        found = router.reading()
        router.close()
        assert {path: path.stat().st_mtime_ns for path in box.flash.rglob("*")} == before

    given = routeros(files)
    assert {line.why for line in said(found.left, routeros_reading.statements(files))} == {staying("", "").why}
    for one in (found, given):
        one.left.clear()
        one.fixed.sort(key=lambda it: it.address)
        one.time_servers.sort()
    assert found == given
    assert [(one.ssid, one.key) for one in found.air] == [(one.ssid, one.key) for one in wanted.wireless]


@pytest.mark.parametrize("name", ["frr-warehouse", "openwrt-home", "routeros-home"])
def test_no_secret_is_told(name: str) -> None:
    """Neither those that go into the vault nor those that no word is had for, in the dossier or on the terminal."""
    case = ADOPTED / name
    hidden = yaml.safe_load((case / "raw.yml").read_text(encoding="utf-8"))["hidden"]
    raw, told = ((case / file).read_text(encoding="utf-8") for file in ("raw.yml", "told.txt"))
    for secret in hidden:
        assert secret in raw.partition("hidden:")[0], secret
        assert secret not in told + (case / "after.yml").read_text(encoding="utf-8"), secret


PROBES = {
    "openwrt": [
        ("network", "config interface 'x'\n\toption proto 'gre'"),
        ("network", "config interface 'lan'\n\toption mtu '1400'"),
        ("dhcp", "config boot\n\toption filename 'x'"),
        ("dhcp", "config dnsmasq\n\toption confdir '/x'"),
        ("firewall", "config rule\n\toption src 'wan'\n\toption dest_port '8080'"),
        ("firewall", "config zone\n\toption name 'wan'\n\toption input 'ACCEPT'"),
        ("wireless", "config wifi-iface 'x'\n\toption mode 'sta'"),
        ("system", "config led 'x'\n\toption sysfs 'green'"),
        ("system", "config system\n\toption conloglevel '7'"),
    ],
    "routeros": [
        (".rsc", "/ip firewall filter add action=accept chain=input dst-port=8080"),
        (".rsc", "/ip firewall nat add action=netmap chain=dstnat"),
        (".rsc", "/ip service set telnet disabled=no"),
        (".rsc", "/ip dns set use-doh-server=https://x"),
        (".rsc", "/ip dhcp-client add interface=ether9"),
        (".rsc", "/ip pool add name=x ranges=10.0.0.1"),
        (".rsc", "/ip address add address=10.0.0.1/24 interface=ether8"),
        (".rsc", "/interface wireless set [ find default-name=wlan1 ] ssid=x"),
        (".rsc", "/interface bridge settings set use-ip-firewall=yes"),
    ],
}


@pytest.mark.parametrize("platform", sorted(PROBES))
def test_no_line_is_dropped_unsaid(platform: str, tmp_path: Path) -> None:
    """Whatever is put beside the known ones is told, in whichever part."""
    case = next(case for case in OURS if (case.parent.name, case.name) == (platform, "everything"))
    given = rendering(platform).render(description(case, tmp_path))
    for number, (place, more) in enumerate(PROBES[platform]):
        path = next(path for path in given if path.endswith(place))
        files = {**given, path: replace(given[path], content=f"{given[path].content}{more}\n")}
        found = adopted(case / "dossier.yml", tmp_path / str(number), reading=READERS[platform](files))
        assert more.split()[-1].strip("'") in "\n".join(map(str, found.left)), more


LINKS = "eth0 up default 192.168.1.1/24\neth1 up default 203.0.113.10/29\n"
FRR_S = [
    "ip route 10.7.0.0/16 Null0",
    "ipv6 route ::/0 fd00::1",
    "router ospf",
    "access-list 7 remark x",
    "ip nht resolve-via-default",
]


def test_what_a_dossier_gave_an_frr_router_comes_back(tmp_path: Path) -> None:
    """Its routes and its way out, from a dossier that says nothing of them; whatever else is put beside them is told."""
    case = next(case for case in CASES if (case.parent.name, case.name) == ("frr", "static-line"))
    platform = rendering("frr")
    given = platform.render(description(case, tmp_path))
    text = "".join(file.content for file in given.values())
    assert len(text.splitlines()) > 1
    dossier = yaml.safe_load(bare(case, tmp_path).read_text(encoding="utf-8"))
    del dossier["routes"]
    (tmp_path / "bare.yml").write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False), encoding="utf-8")

    found = adopted(tmp_path / "bare.yml", tmp_path / "found", reading=frr_reading.read(text, LINKS))

    assert [str(line) for line in found.left] == []
    inventory = open_inventory(tmp_path / "found/net")
    office = found.draft.office()
    assert platform.render(describe(office, inventory.pack(office.pack), Secrets(), "router")) == given
    for number, more in enumerate(FRR_S):
        found = adopted(case / "dossier.yml", tmp_path / str(number), reading=frr_reading.read(f"{text}{more}\n", LINKS))
        assert [line.text for line in found.left] == [more]
