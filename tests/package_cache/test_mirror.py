"""The package mirror is down, slow, wrong, out of date, or somebody else's page (row F6): said why, in time, nothing unsigned in.

A mirror of the test's own (bad_mirror.py) stands between the laptop's package cache and Debian's, or, as on a laptop
without a cache, between the hosts and Debian's.
"""

import json
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from provisioner import package_cache
from provisioner.lab import network
from provisioner.lab.state import id_of, read
from tests.deep.faults import taken_up
from tests.deep.office import office, reference
from tests.deep.rows import home
from tests.lab.light import bring_up, light, soon
from tests.package_cache.bad_mirror import OWN, Mirror, mirror, publish
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.case("F6")]
LONG = pytest.mark.deep

LISTS_S, SLOW_S = 40, 8  # what a run waits for lists, and for next to nothing, shortened
LIMIT_S = 240  # the verdict's, on a machine that others use too


@dataclass
class Line:
    """An office whose way to its packages goes over a mirror of ours."""

    stage: Stage
    mirror: Mirror

    @contextmanager
    def going(self, way: str, through: str) -> Iterator[None]:
        """Let the mirror answer in its way; without the cache, hosts ask it themselves."""
        state = read(id_of(self.stage.target))
        assert state and state.forward
        straight = None
        if through == "straight":
            package_cache.stop_forward(state.forward)
            record = self.stage.home / "straight"
            namespace = str(network.NAMESPACES / state.network.internet)
            port = self.mirror.port
            straight = package_cache.forward(namespace, str(network.INTERNET.ip), network.PROXY_PORT, port, record=record)
        self.mirror.way, self.mirror.asked = way, []
        try:
            yield
        finally:
            self.mirror.way = "good"
            if way in ("silent", "slow"):
                time.sleep(SLOW_S + 1)  # so long it refuses to try again
            if straight:
                package_cache.stop_forward(straight)
                # with its own forwarder again; each test begins without variables of ours
                assert self.stage.run("lab", "up", "demo", KNOB_SLOW_S=str(SLOW_S)).code == 0

    def root(self, line: str) -> str:
        """What a line printed, run by root on the server."""
        return self.stage.on("server", f"sudo sh -c {shlex.quote('export LC_ALL=C; ' + line)}")

    def apply(self, lists_s: int = LISTS_S) -> CommandResult:
        """The plain command."""
        return self.stage.json("apply", "demo", "--lab", "--yes", KNOB_LISTS_S=str(lists_s))

    def refused(self, lists_s: int = LISTS_S) -> str:
        """Why the plain command ended with 4, in the first line about the server; within the limit."""
        installed = self.root("dpkg-query -W")
        said = self.apply(lists_s)
        assert said.code == 4, said
        print(said.data["problems"]["server"]["problem"])
        assert said.took_s < LIMIT_S
        assert self.mirror.asked
        assert self.root("dpkg-query -W") == installed
        return str(said.data["problems"]["server"]["problem"]).splitlines()[0]

    def done(self) -> None:
        """With the mirror as it should be the plain command does, and no package is half done."""
        said = self.apply()
        assert said.code == 0, said.data.get("problems", said)
        assert self.root("dpkg --audit") == ""


@contextmanager
def beyond(folder: Path) -> Iterator[Mirror]:
    """A laptop that knows Debian's mirrors through ours alone, with a package cache of its own."""
    memory = tempfile.mkdtemp(dir="/dev/shm", prefix="pv-")  # short: sockets lie there (unix(7))
    with pytest.MonkeyPatch.context() as patch, package_cache.in_use() as cache, mirror(cache.port, folder / "own") as bad:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("XDG_RUNTIME_DIR", memory)
        patch.setenv("http_proxy", f"http://127.0.0.1:{bad.port}")
        patch.setenv("KNOB_SLOW_S", str(SLOW_S))
        patch.setattr(package_cache, "SLOW_S", str(SLOW_S))
        try:
            yield bad
        finally:
            package_cache.stop_cache()
            shutil.rmtree(memory)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Router and server, adopted, of a pack that asks nothing, behind a cache of the test's own and the mirror."""
    folder = tmp_path_factory.mktemp("mirror")
    with beyond(folder) as bad:
        stage = light(folder, {})
        try:
            yield Line(bring_up(stage), bad)
        finally:
            stage.run("lab", "down", "demo")


WAYS = {
    "down": "gives no answer",
    "missing": r"\(404\)",
    "portal": "with a page instead of its lists: does this network ask for a log-in",
    "silent": r"almost nothing comes from the package mirror \(0\.0 kB/s\)|gives no answer",
    "cut": "gives no answer, or none to its end",
    "altered": "no signature of Debian's",
    "unsigned": "no signature of Debian's",
    "slow": r"almost nothing comes from the package mirror \([1-3]\.",
}
THROUGH = ("cache", "straight")
AT_ONCE: set[tuple[str, str]] = set()  # in `make test`: the altered packages below


def spread(ways: dict[str, str], at_once: set[tuple[str, str]]) -> pytest.MarkDecorator:
    """All ways, with the cache and without."""
    both = [(way, through) for through in THROUGH for way in ways]
    return pytest.mark.parametrize(("way", "through"), [pytest.param(*one, marks=() if one in at_once else LONG) for one in both])


@spread(WAYS, AT_ONCE)
def test_lists_that_do_not_come_are_said_with_the_cause(line: Line, way: str, through: str) -> None:
    """A verdict within the limit that names the cause; nothing is installed; on a good line the next apply is done."""
    line.root("rm -rf --one-file-system /var/lib/apt/lists/*")
    with line.going(way, through):
        why = line.refused()

    assert re.search(WAYS[way], why)
    line.done()


@LONG
def test_lists_that_take_too_long_end_the_wait(line: Line) -> None:
    """However they come: where no forwarder watches, a host's own clock ends it."""
    line.root("rm -rf --one-file-system /var/lib/apt/lists/*")
    with line.going("slow", "straight"):
        assert "the package lists did not come within 4 s: the package mirror" in line.refused(lists_s=4)
    line.done()


FILES = {
    "down": "gives no answer",
    "missing": r"does not have what Debian's lists name \(404\)",
    "portal": "is not the one Debian signed",
    "silent": r"almost nothing comes from the package mirror \(0\.0 kB/s\)|gives no answer",
    "cut": "gives no answer, or none to its end",
    "altered": "is not the one Debian signed",
    "slow": r"almost nothing comes from the package mirror \([1-3]\.",
}


@pytest.mark.deep
@spread(FILES, {("altered", "cache")})
def test_packages_that_do_not_come_are_said_with_the_cause(line: Line, way: str, through: str) -> None:
    """The lists are there, the package is not to be had, or is not what Debian signed: nothing of it is unpacked."""
    line.done()
    state = r"sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/Status: install reinstreq half-installed/' /var/lib/dpkg/status"
    line.root(f"apt-get clean; {state}")  # the run must fetch it again
    shutil.rmtree(package_cache.folder() / "files/debrep/pool", ignore_errors=True)
    shutil.rmtree(package_cache.folder() / "files/deb.debian.org/debian/pool", ignore_errors=True)
    with line.going(way, through):
        why = line.refused()

    assert re.search(FILES[way], why)
    line.done()
    assert line.root("dpkg-query -W -f '${Status}' tzdata") == "install ok installed"


@LONG
@pytest.mark.parametrize("way", FILES)
def test_a_mirror_that_goes_wrong_in_the_middle_of_a_run_is_said(tmp_path: Path, way: str) -> None:
    """The lists came, the packages of a role do not: each machine says why, and the next apply makes of them what it should."""
    wanted = reference(whole=True)
    boundary = 1 + next(number for number, task in enumerate(wanted.tasks) if "The packages every machine has" in task)
    with beyond(tmp_path) as bad, office(home() / f"mirror-{way}", whole=True) as stage:
        hold = stage.home / "hold"
        hold.touch()
        process = stage.start("--json", "apply", "demo", "--lab", "--yes", KNOB_HOLD=f"{boundary}:{hold}")
        try:
            assert soon(lambda: hold.with_suffix(".held").exists() or process.poll() is not None, 300)
            bad.way = way
            hold.unlink()
            out, err = process.communicate(timeout=LIMIT_S * 2)
        finally:
            hold.unlink(missing_ok=True)
            if process.poll() is None:
                process.kill()
        said = json.loads(out)

        assert process.returncode == 4, out + err
        for host in ("router", "server"):
            assert "packages every machine has" in said["problems"][host]["task"]
            assert re.search(FILES[way], said["problems"][host]["problem"].splitlines()[0]), said["problems"][host]
        bad.way = "good"
        time.sleep(SLOW_S + 1)
        taken_up(stage, wanted)


SIGNED = {
    "expired": f"Valid-Until: {formatdate(1_700_000_000, usegmt=True)}\n",
    "another key": "",
}


@pytest.mark.parametrize("wrong", [pytest.param(one, marks=LONG) for one in SIGNED])
def test_another_mirrors_lists_that_are_old_or_somebodys_stop_nothing(line: Line, wrong: str) -> None:
    """A maker's mirror that stopped years ago; one that somebody else signs: named, unused, and all else is done."""
    gpg = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="pv-"))
    try:
        key = publish(line.mirror.own, gpg, "a mirror", SIGNED[wrong])
        line.root(f"mkdir -p /etc/apt/keyrings; echo {shlex.quote(key)} > /etc/apt/keyrings/own.asc")
        source = f"deb [signed-by=/etc/apt/keyrings/own.asc] http://{OWN}/debian stable main"
        line.root(f"echo '{source}' > /etc/apt/sources.list.d/own.list; touch -d '2 hours ago' /var/lib/apt/lists")
        if wrong == "another key":
            publish(line.mirror.own, gpg, "somebody else")
        with line.going("good", "cache"):
            said = line.apply()
        assert said.code == 0, said
        assert f"http://{OWN}/debian (/etc/apt/sources.list.d/own.list) gives nothing" in said.data["notes"]["server"][0]
        assert f"{OWN}_debian_dists_stable_main" not in line.root("ls /var/lib/apt/lists")
        publish(line.mirror.own, gpg, "a mirror")
        line.done()
    finally:
        line.root("rm -f /etc/apt/sources.list.d/own.list /etc/apt/keyrings/own.asc")
        shutil.rmtree(gpg)
    line.done()
