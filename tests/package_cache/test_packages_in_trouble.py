"""Packages in trouble before a run: half set up, locked, broken by their own scripts, busy with themselves (row F4)."""

import shlex
from collections.abc import Iterator

import pytest

from provisioner import lab
from tests.lab.light import bring_up, light, soon
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.case("F4")]
LONG = pytest.mark.deep

# What a run waits for a lock (s), shortened: nobody who keeps it for good lets go in five minutes either.
PATIENCE_S = 6


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, of a pack that asks nothing; on the server a package whose script can wait or fail."""
    stage = light(tmp_path_factory.mktemp("packages"), {})
    try:
        bring_up(stage)
        root(stage, _DEB)
        yield stage
    finally:
        stage.run("lab", "down", "demo")


_DEB = r"""
mkdir -p /root/half/DEBIAN
printf 'Package: half\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n' > /root/half/DEBIAN/control
cat > /root/half/DEBIAN/postinst <<'END'
#!/bin/sh
if [ -e /run/broken ]; then echo 'no scanner is plugged in' >&2; exit 3; fi
if [ -e /run/long ]; then touch /run/within; sleep 8; fi
END
chmod 755 /root/half/DEBIAN/postinst
dpkg-deb -b /root/half /root/half.deb >/dev/null
"""


def root(stage: Stage, line: str) -> str:
    """What a line printed, run by root on the server."""
    return stage.on("server", f"sudo sh -c {shlex.quote('export LC_ALL=C; ' + line)}")


def apply(stage: Stage) -> CommandResult:
    """The plain command."""
    return stage.json("apply", "demo", "--lab", "--yes", KNOB_WAIT_S=str(PATIENCE_S))


def sound(stage: Stage) -> None:
    """The plain command does, and dpkg has no complaint afterwards."""
    said = apply(stage)
    assert said.code == 0, said
    assert root(stage, "dpkg --audit; ls /var/lib/dpkg/updates") == ""


def refused(stage: Stage) -> str:
    """Why the plain command ended with 4 on the server, in its first line; the router was finished."""
    said = apply(stage)
    assert said.code == 4, said
    assert said.data["hosts"]["router"]["failed"] == 0
    assert said.data["hosts"]["router"]["ok"] > 0
    return str(said.data["problems"]["server"]["problem"]).splitlines()[0]


def marked(stage: Stage, package: str, state: str) -> str:
    """A line that gives an installed package another state in dpkg's records, as a kill at that moment leaves it."""
    root(stage, f"dpkg-query -W {package}")
    return rf"sed -i '/^Package: {package}$/,/^$/ s/^Status: .*/Status: {state}/' /var/lib/dpkg/status"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("install ok unpacked", marks=LONG),
        pytest.param("install ok half-configured", marks=LONG),
        pytest.param("install ok triggers-pending", marks=LONG),
        "install reinstreq half-installed",
    ],
)
def test_what_a_killed_dpkg_left_is_finished(two: Stage, state: str) -> None:
    """Whatever state a package of Debian's was left in, it is installed after the next apply."""
    change = marked(two, "tzdata", state)
    if "triggers" in state:  # dpkg(1): such a package names the triggers it has yet to process
        change += "\n" + r"sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/&\nTriggers-Pending: ldconfig/' /var/lib/dpkg/status"
    root(two, change)
    assert state.rpartition(" ")[2] in root(two, "dpkg-query -W -f '${Status}' tzdata")
    sound(two)
    assert root(two, "dpkg-query -W -f '${Status}' tzdata") == "install ok installed"


@pytest.mark.deep
def test_what_is_finished_brings_only_what_it_needs(two: Stage) -> None:
    """A package unpacked before what it depends on gets that, and nothing that Debian merely recommends beside it."""
    found = lab.find(two.target)
    assert found
    root(two, f"http_proxy={found.proxy} apt-get -q update")
    root(two, "cp -r /root/half /root/needy; cd /root/needy/DEBIAN; rm postinst; sed -i s/half/needy/ control")
    root(two, "echo 'Depends: libglib2.0-0t64' >> /root/needy/DEBIAN/control; dpkg-deb -b /root/needy /root/needy.deb")
    root(two, "dpkg --unpack /root/needy.deb")
    sound(two)
    said = root(two, "dpkg-query -W -f '${Status}\n${Recommends}\n' libglib2.0-0t64; dpkg --purge needy >/dev/null")
    status, recommended = said.splitlines()

    assert status == "install ok installed"
    names = [name.split()[0] for name in recommended.split(",")]
    assert names
    states = root(two, f"dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\n' {' '.join(names)} 2>/dev/null || true")
    assert [line for line in states.splitlines() if not line.startswith("not-installed ")] == []


@LONG
def test_what_dpkg_had_not_yet_written_down_is_taken_in(two: Stage) -> None:
    """dpkg keeps a journal of its own (/var/lib/dpkg/updates): a machine that lost power in between is repaired."""
    root(two, "dpkg-query -s tzdata | sed 's/^Status: .*/Status: install ok unpacked/' > /var/lib/dpkg/updates/0001")
    sound(two)


@LONG
def test_a_package_that_is_nowhere_to_be_had_is_named(two: Stage) -> None:
    """Half unpacked, and no mirror has it: refused by its name and with the way out; nothing is forced."""
    root(two, "dpkg -i /root/half.deb")
    root(two, marked(two, "half", "install reinstreq half-installed"))
    why = refused(two)

    assert "the package half was left half unpacked and no mirror has it" in why
    assert "dpkg --remove --force-remove-reinstreq half" in why
    root(two, "dpkg --purge --force-remove-reinstreq half")
    sound(two)


def test_a_package_whose_script_fails_is_named_with_its_words(two: Stage) -> None:
    """Somebody's package cannot be set up: refused by its name and its script's words; once mended, the next apply is done."""
    root(two, "touch /run/broken; dpkg -i /root/half.deb 2>/dev/null || true")
    try:
        said = apply(two)
    finally:
        root(two, "rm /run/broken")
    problem = said.data["problems"]["server"]["problem"]

    assert said.code == 4, said
    assert problem.startswith("the package half cannot be set up: its own post-installation script fails")
    assert "no scanner is plugged in" in problem
    assert "non-zero return code" not in problem
    assert "post-installation script fails" in said.err  # told while the run goes on, not only at its end
    sound(two)
    assert root(two, "dpkg-query -W -f '${Status}' half; dpkg --purge half >/dev/null") == "install ok installed"


LOCKS = {
    "/var/lib/dpkg/lock-frontend": "install ok unpacked",
    "/var/lib/dpkg/lock": "install ok unpacked",
    "/var/lib/apt/lists/lock": "",
    "/var/cache/apt/archives/lock": "install reinstreq half-installed",  # apt-get must fetch it again
}


def needing(stage: Stage, lock: str) -> None:
    """Give the run something to do for which it needs this lock."""
    root(stage, marked(stage, "tzdata", LOCKS[lock]) if LOCKS[lock] else "touch -d '2 hours ago' /var/lib/apt/lists")


def hold(stage: Stage, lock: str, seconds: int) -> None:
    """Keep a lock on the server as apt and dpkg do (fcntl, not flock)."""
    code = f"import fcntl,time; f=open('{lock}','a'); fcntl.lockf(f, fcntl.LOCK_EX); open('/run/held','w'); time.sleep({seconds})"
    root(stage, f"rm -f /run/held; systemd-run -q --collect --unit=holder python3 -c {shlex.quote(code)}")
    assert soon(lambda: "held" in root(stage, "ls /run"), 10)


# The other two: test_faults.py.
@pytest.mark.parametrize("lock", ["/var/cache/apt/archives/lock", pytest.param("/var/lib/dpkg/lock-frontend", marks=LONG)])
def test_a_lock_is_waited_for(two: Stage, lock: str) -> None:
    """Somebody installs packages on the machine, or refreshes its lists: the run waits for them."""
    needing(two, lock)
    hold(two, lock, PATIENCE_S - 2)
    sound(two)


@LONG
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_is_never_given_back_is_named(two: Stage, lock: str) -> None:
    """A forgotten program keeps it: refused after the wait, and the process is named; afterwards the next apply is done."""
    needing(two, lock)
    hold(two, lock, 600)
    try:
        pid = root(two, "systemctl show -P MainPID holder").strip()
        why = refused(two)
    finally:
        root(two, "systemctl stop holder")

    assert "another program there" in why
    assert f"process {pid}" in why
    sound(two)


@pytest.mark.deep
@pytest.mark.parametrize(
    "itself",
    [
        "systemd-run -q --unit=itself apt-get -y -q install /root/half.deb",
        pytest.param("touch -d '2 days ago' /var/lib/apt/lists; systemctl start --no-block apt-daily.service", marks=LONG),
    ],
)
def test_a_machine_that_updates_itself_is_waited_for(two: Stage, itself: str) -> None:
    """Its own updates run when ours begins: they come to their end unharmed, and so does the run."""
    unit = "apt-daily.service" if "apt-daily" in itself else "itself.service"
    root(two, f"touch /run/long; rm -f /run/within; systemctl reset-failed {unit} 2>/dev/null; {itself}")
    assert "half" not in itself or soon(lambda: "within" in root(two, "ls /run"))
    try:
        said = two.json("apply", "demo", "--lab", "--yes", KNOB_WAIT_S="60")
        assert said.code == 0, said
        assert soon(lambda: "active" not in root(two, f"systemctl is-active {unit} || true").split())
        assert root(two, f"systemctl show -P Result {unit}").strip() == "success"
    finally:
        root(
            two,
            f"rm -f /run/long /run/within; systemctl reset-failed {unit} 2>/dev/null; dpkg --purge half >/dev/null 2>&1 || true",
        )
    sound(two)
