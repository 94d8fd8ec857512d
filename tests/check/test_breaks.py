"""The table of breaks at the level of what a machine says: one turns its check and no other, its repair turns it back."""

import copy
from typing import Any

import pytest

from provisioner.check.subjects import Machine
from provisioner.check.subjects.answering import served
from provisioner.check.subjects.ports import declared
from provisioner.check.subjects.units import STORES, UNITS, needed
from provisioner.check.table import REACHED, SUBJECTS, TITLES
from provisioner.findings import Level
from provisioner.inventory import open_inventory
from provisioner.inventory.models import Kind
from provisioner.inventory.network import Remote
from provisioner.inventory.placement import roles
from tests.check.test_subjects import DAY, NOW, machine
from tests.remote.network import HUB, network

GOOD = (Level.OK, Level.NOT_APPLICABLE)
YOUNG, LATELY = "2001-09-08T20:00:00Z", "2001-08-10T00:00:00Z"
STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
Said = dict[str, Any]


def healthy(name: str) -> Said:
    """All that a machine of the example office says when nothing is amiss; the server has every kind of thing there is."""
    blank = machine({}, name)
    disk = {"device": "/dev/sda1", "bytes": 10**11, "free": 5 * 10**10, "inodes": 1000, "inodes_free": 900, "read_only": False}
    kept = {"last_success": YOUNG, "checked_at": YOUNG}
    site = {"domain": "epicerie.example", "release": "0123456789abcdef", "unchanged": True, "status": 200, "same": True}
    return {
        "system": {"id": "debian", "version": "13", "pretty": "Debian 13", "kernel": "6", "container": False, "serial": "",
                   "model": ""},
        "disks": [{"where": "/", **disk}, {"where": "/srv", **disk}],
        "memory": {"bytes": 8 * 10**9, "available": 4 * 10**9, "killed": 0},
        "units": [],
        "updates": {"others": [], "automatic": "", "timer": "enabled", "security": [], "held": [], "audit": "", "lists_s": 3600,
                    "restart": False},
        "clock": {"now": NOW + 1, "kept": True, "synchronised": True},
        "backups": {"disk": kept, "remote": kept} if name == "server" else None,
        "certificates": {"/etc/nginx/tls/office.crt": NOW + 300 * DAY},
        "ways_in": {"accounts": ["root", "zoe", "c.lefevre"], "sudo": ["c.lefevre"], "keys": {}},
        "firewall": sorted(declared(blank)),
        "drives": [{"drive": "/dev/sda", "passed": True, "worn": {"percentage_used": 12, "media_errors": 0}}],
        "arrays": [{"name": "md0", "members": "[UU]"}],
        "queues": [{"printer": "bureau", "stopped": False, "waiting": 0}] if name == "server" else None,
        "batteries": [{"ups": "apc", "state": "OL CHRG", "charge": "99"}],
        "drift": {"files": {}, "pushed": [] if name == "router" else None},
        "websites": [{**site, "problem": ""}] if name == "server" else None,
        "answering": dict.fromkeys(served(blank), ""),
        "active": dict.fromkeys(needed(blank), "active"),
    }  # fmt: skip


def judged(said: Said, name: str, one: Machine | None = None, **more: Any) -> dict[str, Level]:
    """The worst of each check."""
    more = {"proofs": {"disk": (LATELY, ""), "remote": (LATELY, "")}} | more
    one = one or machine({section: {"is": value} for section, value in said.items()}, name, **more)
    worst: dict[str, Level] = {}
    for subject in SUBJECTS:
        for found in subject.findings(one):
            worst[found.check] = max(found.level, worst.get(found.check, Level.NOT_APPLICABLE))
    return worst


def turned(worst: dict[str, Level]) -> dict[str, str]:
    """Those that are not well."""
    return {name: level.word for name, level in worst.items() if level not in GOOD}


# what is broken: on which machine, the way to the word in what it says, what stands there then, the check that turns
BREAKS: dict[str, tuple[str, tuple[str | int, ...], Any, str, str]] = {
    "a disk is nearly full": ("server", ("disks", 1, "free"), 10**9, "disks", "critical"),
    "inodes run out": ("server", ("disks", 0, "inodes_free"), 100, "disks", "warning"),
    "a file system takes no writes": ("router", ("disks", 0, "read_only"), True, "disks", "critical"),
    "memory is short": ("desktop", ("memory", "available"), 10**8, "memory", "warning"),
    "a program was ended for want of it": ("server", ("memory", "killed"), 1, "memory", "warning"),
    "a unit failed": ("router", ("units",), ["broken.service"], "units", "critical"),
    "a service stands": ("server", ("active", "cups.service"), "inactive", "services", "critical"),
    "a desktop has no login": ("desktop", ("active", "lightdm.service"), "failed", "services", "critical"),
    "a security update waits": ("server", ("updates", "security"), ["openssl"], "updates", "warning"),
    "lists are old": ("router", ("updates", "lists_s"), 9 * DAY, "updates", "warning"),
    "a package is half installed": ("router", ("updates", "audit"), "tzdata", "updates", "critical"),
    "a package is held": ("desktop", ("updates", "held"), ["samba"], "updates", "warning"),
    "a restart is due": ("router", ("updates", "restart"), "linux-image", "restart", "warning"),
    "a clock is off": ("desktop", ("clock", "now"), NOW + 10, "clock", "warning"),
    "a clock is of 1970": ("server", ("clock", "now"), 5.0, "clock", "critical"),
    "a clock follows no other": ("router", ("clock", "synchronised"), False, "clock", "warning"),
    "a night failed": ("server", ("backups", "disk", "last_failure"), "2001-09-09T01:00:00Z", "backups", "critical"),
    "a night is old": ("server", ("backups", "remote", "last_success"), "2001-09-01T01:00:00Z", "backups", "critical"),
    "a place looks odd": ("server", ("backups", "disk", "odd"), "half as many files", "backups", "warning"),
    "a place was not read": ("server", ("backups", "disk", "checked_at"), "2001-08-01T00:00:00Z", "backups", "warning"),
    "nothing backs the server up": ("server", ("backups",), None, "backups", "critical"),
    "a certificate ends": ("server", ("certificates", "/etc/nginx/tls/office.crt"), NOW + 3 * DAY, "certificates", "critical"),
    "a stranger has an account": ("desktop", ("ways_in", "accounts"), ["root", "stranger"], "accounts", "warning"),
    "somebody else is root": ("server", ("ways_in", "sudo"), ["zoe"], "accounts", "warning"),
    "a stranger's key": ("desktop", ("ways_in", "keys"), {"/root/.ssh/authorized_keys": [STRANGER]}, "keys", "critical"),
    "a firewall is not loaded": ("server", ("firewall",), None, "ports", "critical"),
    "a firewall is shut": ("router", ("firewall",), [], "ports", "warning"),
    "a drive fails": ("server", ("drives", 0, "passed"), False, "drives", "critical"),
    "a drive wears out": ("desktop", ("drives", 0, "worn", "media_errors"), 3, "drives", "warning"),
    "an array lacks a drive": ("server", ("arrays", 0, "members"), "[U_]", "arrays", "critical"),
    "the mains are away": ("server", ("batteries", 0, "state"), "OB DISCHRG", "power", "warning"),
    "a battery is to be replaced": ("server", ("batteries", 0, "state"), "OL RB", "power", "critical"),
    "a printer is stopped": ("server", ("queues", 0, "stopped"), True, "queues", "warning"),
    "pages wait": ("server", ("queues", 0, "waiting"), 40, "queues", "warning"),
    "a file was changed by hand": ("server", ("drift", "files"), {"/etc/postfix/main.cf": "changed"}, "files", "warning"),
    "nobody noted what was applied": ("desktop", ("drift", "files"), None, "files", "unknown"),
    "a router was changed by hand": ("router", ("drift", "pushed"), ["/etc/nftables.conf"], "router", "warning"),
    "nobody pushed to a router": ("router", ("drift", "pushed"), None, "router", "unknown"),
    "the directory is silent": ("server", ("answering", "directory"), "timed out", "directory", "critical"),
    "the shares are silent": ("server", ("answering", "share"), "timed out", "share", "critical"),
    "the website is down": ("server", ("websites", 0, "status"), 502, "website", "critical"),
    "the website is another": ("server", ("websites", 0, "same"), False, "website", "critical"),
    "the website's files were changed": ("server", ("websites", 0, "unchanged"), False, "website", "critical"),
    "the system's support has ended": ("desktop", ("system", "id"), "ubuntu", "support", "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["server", "router", "desktop"])
def test_a_healthy_machine_has_nothing_to_tell(name: str) -> None:
    """The ground on which the breaks stand: every check of the table that such a machine can have is well."""
    assert turned(judged(healthy(name), name)) == {}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_turns_its_check_and_its_repair_turns_it_back(name: str) -> None:
    """And no other check of that machine's."""
    host, way, value, check, level = BREAKS[name]
    said = healthy(host)
    broken: Any = copy.deepcopy(said)
    part = broken
    for word in way[:-1]:
        part = part[word]
    part[way[-1]] = value

    assert broken != said
    assert turned(judged(broken, host)) == {check: level}
    assert turned(judged(said, host)) == {}


def test_what_lies_beyond_the_machine_turns_its_check_too() -> None:
    """The last word on a proof, a trend, the warranty in the dossier: kept on this side, judged with what the machine says."""
    said = healthy("server")
    assert turned(judged(said, "server", proofs={"disk": (LATELY, "damaged"), "remote": (LATELY, "")})) == {"proofs": "critical"}
    shrinking = [(NOW - day * DAY, 5e10 + day * 5e9) for day in range(9, -1, -1)]
    assert turned(judged(said, "server", samples={"free:/": shrinking})) == {"disks": "warning"}
    one = machine(
        {section: {"is": value} for section, value in said.items()}, proofs=dict.fromkeys(said["backups"], (LATELY, ""))
    )
    old = one.host.model_copy(update={"warranty_end": one.host.purchased.replace(year=2001) if one.host.purchased else None})
    other = Machine(one.name, old, _with(one, old), one.pack, one.reseller, one.condition, proofs=one.proofs)
    assert turned(judged({}, "server", other)) == {"warranty": "warning"}


def _with(one: Machine, host: Any) -> Any:
    return one.office.model_copy(update={"hosts": {**one.office.hosts, one.name: host}})


def test_every_check_there_is_has_its_break() -> None:
    """A check that nothing turns is a promise nobody tried; and a break is of a check there is."""
    beyond = {"proofs", "warranty"}
    assert {check for _, _, _, check, _ in BREAKS.values()} | beyond == set(TITLES) - {REACHED}
    assert {"disks", "services"} <= {check for _, _, _, check, _ in BREAKS.values()}


def test_every_service_that_a_role_stands_on_is_missed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The way in from afar, monitoring, the website's web server, a hub's own too: each that stands turns `services` alone."""
    inventory = open_inventory(network(tmp_path_factory.mktemp("hub"))[HUB].inventory)
    example = machine({}).office.model_copy(update={"remote": Remote(hub=HUB)})
    hub = inventory.office(HUB)
    missed: set[str] = set()
    other = inventory.pack("hub-2026.1").model_copy(deep=True)
    other.kinds[Kind.SERVER]["monitoring_hub"].settings["store"] = "victoriametrics"
    for office, pack, kept in (
        (example, machine({}).pack, "prometheus"),
        (hub, inventory.pack("hub-2026.1"), "prometheus"),
        (hub, other, "victoriametrics"),
    ):
        reseller = machine({}).reseller
        for name, host in office.hosts.items():
            blank = Machine(name, host, office, pack, reseller, machine({}).condition)
            units = needed(blank)
            assert {unit for role in roles(pack, office, host) for unit in UNITS.get(role, ())} >= {*units} - {*STORES[kept]}
            for unit in units:
                active = dict.fromkeys(units, "active")
                for state, level in (("failed", "critical"), ("active", "ok")):
                    told = machine({"active": {"is": {**active, unit: state}}}).condition
                    one = Machine(name, host, office, pack, reseller, told)
                    found = [f for s in SUBJECTS if s.section == "active" for f in s.findings(one)]
                    assert [(f.check, f.level.word, f.about) for f in found] == [("services", level, name)]
                missed.add(unit)
    assert missed == {unit for units in [*UNITS.values(), *STORES.values()] for unit in units}
