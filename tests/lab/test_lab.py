"""The lab keeps its promises on real systems: apart from each other, blank, repairable, and gone without a trace."""

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.errors import BadInput, HostFailed, Missing
from provisioner.inventory import open_inventory
from provisioner.inventory.dossier import Office
from provisioner.lab import base, machines, network, remove, requirements
from provisioner.laptop.processes import run
from tests.lab.light import soon
from tests.lab.small import Small, bring_up, clean
from tests.network import with_office
from tests.stage import make


@pytest.fixture
def demo(tmp_path: Path) -> Office:
    """The example office."""
    return open_inventory(with_office(tmp_path / "inventory")).office("demo")


# --- decided before anything is made -------------------------------------------------------------------------------


def test_names_of_links_fit_the_kernel(demo: Office) -> None:
    """Whatever a host is called, its links keep within the kernel's 15 characters."""
    host = demo.hosts["server"]
    many = {f"a-host-with-a-very-long-name-{n:03d}": host.model_copy() for n in range(100)}
    plan = network.plan(demo.model_copy(update={"hosts": many}), "0123456789")

    assert len(plan.cables) == 101  # and a gateway that stands in
    assert all(len(name) <= 15 for cable in plan.wired for name in (cable.link, cable.port))
    assert len(set(plan.namespaces)) == len(plan.namespaces) == 104  # the LAN, the Internet, a printer


def test_host_called_lan_has_a_namespace_of_its_own(demo: Office) -> None:
    """A host may be called `lan` or `net`."""
    hosts = dict(demo.hosts) | {"lan": demo.hosts["server"], "net": demo.hosts["server"]}
    plan = network.plan(demo.model_copy(update={"hosts": hosts}), "0123456789")

    assert len(set(plan.namespaces)) == len(plan.namespaces)


def test_laptop_takes_a_free_address_outside_the_pool(demo: Office) -> None:
    """The laptop's own leg never takes a host's address, nor one the router hands out."""
    pool = {"dhcp_first": IPv4Address("192.168.1.200"), "dhcp_last": IPv4Address("192.168.1.253")}
    server = demo.hosts["server"].model_copy(update={"address": IPv4Address("192.168.1.254")})
    update = {"lan": demo.lan.model_copy(update=pool), "hosts": demo.hosts | {"server": server}}
    plan = network.plan(demo.model_copy(update=update), "0123456789")

    assert plan.laptop == "192.168.1.199/24"


def test_full_lan_is_refused(demo: Office) -> None:
    """A LAN without room for the laptop is said, not tried."""
    update = {"dhcp_first": demo.lan.network[1], "dhcp_last": demo.lan.network[-2]}

    with pytest.raises(BadInput, match="no room for a lab"):
        network.plan(demo.model_copy(update={"lan": demo.lan.model_copy(update=update)}), "0123456789")


def test_hosts_never_get_the_machines_clock_or_devices() -> None:
    """No host may set the laptop's clock or see its /dev."""
    argv = machines.Machine("server", "0123456789", Path("/lab/x/hosts/server"), "pv-0123456789-server", "eth0").argv

    assert [word for word in argv if word.startswith("--capability")] == ["--capability=CAP_NET_ADMIN"]
    assert not [word for word in argv if "bind" in word or "SYS_TIME" in word]


def test_lack_is_said_before_anything_is_touched(demo: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop without the programs, `lab up` lists them all, and nothing is made."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path / "labs"))
    monkeypatch.setattr(requirements, "have", lambda program: program not in ("mmdebstrap", "systemd-nspawn"))
    target = make(tmp_path / "stage").target

    with pytest.raises(Missing, match=r"systemd-nspawn: .*\n.*mmdebstrap: ") as said:
        lab.up(demo, target)

    assert said.value.hint == "provisioner doctor"
    assert list((tmp_path / "labs").iterdir()) == []


def test_too_few_inotify_instances_are_said() -> None:
    """More hosts than the kernel's limit bears, those of other labs among them, are said with the command that raises it."""
    limit = int(requirements.INOTIFY.read_text())
    for hosts, beside in ((limit, 0), (1, limit)):
        found = [lack for lack in requirements.lacking(hosts, beside=beside) if "inotify" in lack.what]

        assert len(found) == 1
        assert found[0].repair[0][:2] == ("sysctl", "-w")


def test_nothing_is_removed_through_a_mount(tmp_path: Path) -> None:
    """A forgotten mount below a folder is never emptied: nothing at all is removed."""
    inside = tmp_path / "lab/root"
    inside.mkdir(parents=True)
    (tmp_path / "lab/kept").touch()
    run(["mount", "-t", "tmpfs", "tmpfs", str(inside)])
    try:
        (inside / "precious").touch()
        with pytest.raises(HostFailed, match="is still mounted"):
            remove.remove_tree(tmp_path / "lab")
        assert (inside / "precious").exists()
        assert (tmp_path / "lab/kept").exists()
    finally:
        run(["umount", str(inside)])

    remove.remove_tree(tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_unknown_suite_is_refused(demo: Office, tmp_path: Path) -> None:
    """A suite nobody knows is a clear message."""
    with pytest.raises(BadInput, match="no suite 'sarge'"):
        lab.up(demo, make(tmp_path / "stage").target, suite="sarge")


def test_exec_without_a_lab_says_how_to_get_one(tmp_path: Path) -> None:
    """`lab exec` on an office whose lab is not up names the command that brings it up."""
    stage = make(tmp_path)
    said = stage.run("lab", "exec", "demo", "--", "true")

    assert said.code == 2
    assert "provisioner lab up demo" in said.err


def test_down_without_a_lab_is_no_error(tmp_path: Path) -> None:
    """`lab down` twice is harmless and says that there was nothing."""
    said = make(tmp_path).json("lab", "down", "demo")

    assert (said.code, said.data) == (0, {"office": "demo", "removed": False, "forgotten": False})


# --- on real systems -----------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_blank_host_is_blank(shared: Small) -> None:
    """A host is as a shop sells it: one sudo login that is asked its password, DHCP, nothing of the pack or of us."""
    code, out, _ = shared.on("server", "id -nG; hostname; systemctl is-system-running --wait; ls /home")
    assert (code, [word for word in out.split() if word != "users"]) == (
        0,
        ["installer", "sudo", "debian", "running", "installer"],
    )

    assert shared.on("server", "sudo -n true")[0] != 0
    assert shared.as_root("server", "id -u")[:2] == (0, "0\n")

    pool = open_inventory(shared.stage.inventory).office("demo").lan
    first, last = int(pool.dhcp_first), int(pool.dhcp_last)
    assert first <= int(IPv4Address(shared.address("server"))) <= last

    _, out, _ = shared.as_root("server", "cat /etc/apt/apt.conf.d/*; env; ls /var/lib/apt/lists; cat /etc/resolv.conf")
    assert "roxy" not in out
    _, out, _ = shared.as_root("server", "dpkg-query -W nftables unattended-upgrades 2>/dev/null; echo end")
    assert out == "end\n"
    sources = shared.on("server", "cat /etc/apt/sources.list")[1]
    assert [line.split()[2] for line in sources.splitlines()] == ["trixie", "trixie-updates", "trixie-security"]


@pytest.mark.lab
def test_each_machine_is_itself(shared: Small) -> None:
    """Host keys, machine-id and MAC are each machine's own; the MAC is the dossier's."""
    hosts = open_inventory(shared.stage.inventory).office("demo").hosts
    command = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub; cat /sys/class/net/*0/address"
    router, server = (shared.on(host, command)[1].splitlines() for host in ("router", "server"))

    assert not set(router) & set(server)
    assert hosts["router"].mac in router
    assert hosts["server"].mac in server
    assert [line.split()[0] for line in server if line.startswith(("ssh-", "ecdsa-"))] == [
        "ecdsa-sha2-nistp256",
        "ssh-ed25519",
        "ssh-rsa",
    ]


@pytest.mark.lab
def test_exec_passes_the_exit_code_and_the_labs_resolver(shared: Small) -> None:
    """A command run in the lab ends with its own exit code and sees the lab's names, not the laptop's."""
    before = Path("/etc/resolv.conf").read_text()
    said = shared.stage.plugged("sh", "-c", "cat /etc/resolv.conf; id -u; exit 42")

    assert said.code == 42
    assert said.out.splitlines()[0] == "nameserver 192.168.1.10"
    assert Path("/etc/resolv.conf").read_text() == before


@pytest.mark.lab
def test_only_the_package_cache_and_the_providers_are_out_there(shared: Small) -> None:
    """The lab's Internet is three ports: the proxy, mail, backups. Not the laptop, not its network, not the world."""
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    laptop = [address for address in addresses if ":" not in address]
    wanted = [("198.51.100.1", port) for port in (3142, 587, 22, 25, 80)]
    wanted += [("198.51.100.9", 80), ("203.0.113.1", 443)]
    wanted += [(address, port) for address in laptop for port in (22, 3142)]
    code = (
        "import socket, sys\n"
        f"for there in {wanted!r}:\n"
        "    try: socket.create_connection(there, timeout=1).close(); print(*there)\n"
        "    except OSError: pass\n"
    )
    _, out, err = shared.on("server", "python3 -", stdin=code)

    assert (out, err) == ("198.51.100.1 3142\n198.51.100.1 587\n198.51.100.1 22\n", "")


@pytest.mark.lab
def test_packages_come_through_the_gateway(shared: Small) -> None:
    """A blank host installs a package through its gateway from the laptop's cache, which keeps it."""
    command = f"http_proxy={shared.lab.proxy} apt-get -qq update && http_proxy={shared.lab.proxy} apt-get -qq install hello"
    code, out, err = shared.as_root("server", command)

    assert code == 0, out + err
    assert shared.on("server", "hello")[1] == "Hello, world!\n"


@pytest.mark.lab
def test_reboot_inside_comes_back(shared: Small) -> None:
    """A host that reboots itself is back by itself, with its disk and its address."""
    address = shared.address("server")
    boot = shared.on("server", "touch kept; cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")[1]
    shared.as_root("server", "systemctl --no-block reboot")

    def rebooted() -> bool:
        try:
            return shared.on("server", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")[1] != boot
        except (AssertionError, IndexError, KeyError):
            return False

    assert soon(rebooted)
    assert shared.on("server", "ls kept")[1] == "kept\n"
    assert shared.address("server") == address
    assert ("server", "up") in [(name, state) for name, state, _ in shared.lab.hosts]


@pytest.mark.lab
def test_server_has_a_second_disk(shared: Small) -> None:
    """It is a file system of its own with its label, keeps what lies on it over a restart, and can be full."""
    code, _, err = shared.as_root("server", "mountpoint -q /srv/backup && echo kept > /srv/backup/file")
    assert code == 0, err
    lab.power_off(shared.stage.target, "server")
    lab.power_on(shared.stage.target, "server")

    assert shared.as_root("server", "cat /srv/backup/file && df -m --output=size /srv/backup")[1].split()[::2] == ["kept", "974"]
    assert shared.as_root("server", "fallocate -l 2G /srv/backup/large || rm /srv/backup/large /srv/backup/file")[0] == 0
    assert shared.as_root("router", "mountpoint -q /srv/backup")[0] != 0
    image = lab.base.lab_home() / shared.stage.target.id / "hosts/server/disk.img"
    assert run(["blkid", "-o", "value", "-s", "LABEL", str(image)]).strip() == "office-backup"


@pytest.mark.lab
def test_power_and_cable_can_be_cut(shared: Small) -> None:
    """A host without power or cable does not answer, and does again when it is given back."""
    target, address = shared.stage.target, shared.address("server")
    banner = ["timeout", "2", "bash", "-c", f"head -c4 < /dev/tcp/{address}/22"]

    lab.cut(target, "server")
    assert shared.stage.plugged(*banner).out == ""
    lab.mend(target, "server")
    assert soon(lambda: shared.stage.plugged(*banner).out == "SSH-", 20)

    lab.power_off(target, "server")
    assert ("server", "off") in [(name, state) for name, state, _ in shared.lab.hosts]
    assert shared.stage.plugged(*banner).out == ""
    lab.power_on(target, "server")
    assert shared.address("server") == address
    assert shared.on("server", "systemctl is-system-running --wait; systemctl --failed --no-legend")[1] == "running\n"


@pytest.mark.lab
def test_up_again_changes_nothing_and_revives_the_dead(shared: Small) -> None:
    """`lab up` on a lab that is up says so; a host that died is started again, with its disk, the others untouched."""
    office = open_inventory(shared.stage.inventory).office("demo")
    login = shared.lab.login
    boot = shared.on("router", "stat -c %Y /proc/1")[1]
    lab.power_off(shared.stage.target, "server")
    said: list[str] = []

    again = lab.up(office, shared.stage.target, say=said.append)

    assert said[:2] == ["The lab of demo is up.", "Starting server again."]
    assert {state for _, state, _ in again.hosts} == {"up"}
    assert again.login == login
    assert shared.on("router", "stat -c %Y /proc/1")[1] == boot
    with pytest.raises(BadInput, match="is up with trixie"):
        lab.up(office, shared.stage.target, suite="bookworm")


@pytest.mark.deep
@pytest.mark.lab
def test_two_labs_with_the_same_addresses_do_not_meet(shared: Small, tmp_path: Path) -> None:
    """The same office twice: each laptop leg reaches its own hosts, at the same addresses, and no other's."""
    other = bring_up(tmp_path)
    try:
        seen = []
        for small in (shared, other):
            keys = small.stage.plugged("ssh-keyscan", "-t", "ed25519", "192.168.1.1").out
            upper = base.lab_home() / small.stage.target.id / "hosts/router/root/etc/ssh/ssh_host_ed25519_key.pub"
            assert upper.read_text().split()[1] in keys
            seen.append(keys)
        assert seen[0] != seen[1]
        assert other.lab.login != shared.lab.login
        names = {found.office for found in lab.every()}
        assert names >= {"demo"}
        assert len([1 for found in lab.every() if found.login in (other.lab.login, shared.lab.login)]) == 2
    finally:
        lab.down(other.stage.target)

    assert clean(other.stage.target.id)
    assert shared.on("router", "hostname")[0] == 0


@pytest.mark.lab
def test_office_without_a_router_gets_a_gateway(tmp_path: Path) -> None:
    """Where the provider's box leads out, the lab has one too: at that address, with its DHCP and its way out."""
    stage = make(tmp_path, hosts=("server",))
    stage.edit(("  network: 192.168.1.0/24\n", "  network: 192.168.1.0/24\n  gateway: 192.168.1.254\n"))
    try:
        found = lab.up(open_inventory(stage.inventory).office("demo"), stage.target, suite="bookworm")
        assert [name for name, _, _ in found.hosts] == ["server", "gateway"]
        assert Small(stage).on("server", "cat /etc/debian_version")[1].startswith("12.")
        code, out, err = Small(stage).as_root("server", f"http_proxy={found.proxy} apt-get -qq update")
        assert (code, out, err) == (0, "", "")
    finally:
        lab.down(stage.target)
