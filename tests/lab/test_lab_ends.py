"""However a lab ends, or does not come up, nothing of it stays: taken down, killed at any moment, interrupted, unable to boot."""

import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.errors import HostFailed
from provisioner.inventory import open_inventory
from provisioner.lab import base, machines
from provisioner.laptop.processes import as_root, run
from tests.lab.light import bring_up as bring_up_adopted
from tests.lab.light import light, soon
from tests.lab.small import bring_up, clean, traces
from tests.stage import make

pytestmark = pytest.mark.lab


def links() -> str:
    """The machine's own links, addresses, routes and namespaces; not a lab's: other tests' labs come and go meanwhile."""
    commands = (["ip", "-brief", "address"], ["ip", "route"], ["ip", "netns", "list"])
    lines = "".join(subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands).splitlines()
    return "\n".join(line for line in lines if not line.startswith("pv-"))


def test_down_leaves_no_trace(tmp_path: Path) -> None:
    """After `lab down` the machine is as before: no process, mount, namespace, link, cgroup or folder."""
    before = links()
    small = bring_up(tmp_path)
    try:
        there = traces(small.stage.target.id)
        assert there["processes"] and there["mounts"] and there["namespaces"] and there["cgroups"] and there["folders"]
        assert there["links"] == []
        assert links() == before
    finally:
        assert lab.down(small.stage.target)

    assert clean(small.stage.target.id)
    assert links() == before
    assert lab.find(small.stage.target) is None


def test_down_waits_for_a_disk_that_is_still_looked_at(tmp_path: Path) -> None:
    """A loop device is freed when the last who looks at it is done, as udev does in a busy moment: `lab down` is, then too."""
    small = bring_up(tmp_path)
    image = str((base.lab_home() / small.stage.target.id / "hosts/server/disk.img").resolve())
    loops = Path("/sys/block").glob("loop*/loop/backing_file")
    device = next(Path("/dev") / path.parts[3] for path in loops if path.read_text().strip() == image)
    look = 'exec 9< "$1"; echo open; sleep 4'  # a disk is root's to open
    looking = subprocess.Popen(as_root(["bash", "-c", look, "look", str(device)]), stdout=subprocess.PIPE)
    try:
        assert looking.stdout
        assert looking.stdout.readline() == b"open\n"
    finally:
        assert lab.down(small.stage.target)
        left = traces(small.stage.target.id)["loops"]
        looking.communicate()
    assert left == []


@pytest.mark.parametrize("moment", [*(pytest.param(one, marks=pytest.mark.deep) for one in ("written", "wired")), "booting"])
def test_killed_up_is_cleaned_by_down(tmp_path: Path, moment: str) -> None:
    """`lab up` killed at any moment leaves nothing that `lab down` does not remove."""
    stage = make(tmp_path, hosts=("router", "server"))
    lab_id = stage.target.id
    folder = base.lab_home() / lab_id
    signs = {
        "written": (folder / "lab.json").exists,
        "wired": Path(f"/run/netns/pv-{lab_id}-server").exists,
        "booting": (folder / "hosts/router/process").exists,
    }
    killed = stage.start("lab", "up", "demo")
    assert soon(signs[moment])
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    assert stage.run("lab", "down", "demo").code == 0
    assert soon(lambda: not any(traces(lab_id).values()), 3), traces(lab_id)


def test_killed_up_is_cleaned_by_the_next_up(tmp_path: Path) -> None:
    """`lab up` after a killed `lab up` starts from nothing and says so."""
    stage = make(tmp_path, hosts=("router", "server"))
    record = base.lab_home() / stage.target.id / "hosts/router/process"
    killed = stage.start("lab", "up", "demo")
    try:
        assert soon(record.exists)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        said = stage.run("lab", "up", "demo")
        assert said.code == 0, said
        assert "Removing what an interrupted lab left." in said.err
    finally:
        stage.run("lab", "down", "demo")
    assert clean(stage.target.id)


def test_killed_build_is_never_taken_for_a_base(tmp_path: Path) -> None:
    """A base is whole or absent: a build killed in the middle leaves no base, no process, and is swept."""
    stage = make(tmp_path, hosts=("router",))
    bases = tmp_path / "labs/bases"
    killed = stage.start("lab", "up", "demo", PROVISIONER_LAB_DIR=str(tmp_path / "labs"))
    assert soon(lambda: list(bases.glob("*.partial/usr/bin")))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    def builders() -> list[str]:
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                lines.append(path.read_bytes().decode(errors="replace"))
        return [line for line in lines if str(bases) in line]

    assert soon(lambda: not builders(), 5), builders()
    assert not [path for path in bases.iterdir() if path.is_dir() and path.suffix != ".partial"]
    assert stage.run("lab", "down", "demo", PROVISIONER_LAB_DIR=str(tmp_path / "labs")).code == 0
    assert [path.name for path in (tmp_path / "labs").glob("**/*")] == ["bases", ".lock"]


def test_interrupted_build_stops_at_once(tmp_path: Path) -> None:
    """Ctrl-C while the base is built ends the build, leaves nothing and exits as interrupted."""
    stage = make(tmp_path, hosts=("router",))
    bases = tmp_path / "labs/bases"
    running = stage.start("lab", "up", "demo", PROVISIONER_LAB_DIR=str(tmp_path / "labs"))
    try:
        assert soon(lambda: list(bases.glob("*.partial/usr/bin")))
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    finally:
        running.kill()

    assert running.returncode == 130
    assert [path.name for path in (tmp_path / "labs").glob("**/*")] == ["bases", ".lock"]


def test_host_that_cannot_boot_is_blamed_with_its_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a host does not come up, the message shows what its console said, and the lab is removed."""
    stage = make(tmp_path, hosts=("router", "server"))
    create = machines.create

    def broken(machine: machines.Machine, *rest: object) -> None:
        create(machine, *rest)  # type: ignore[arg-type]
        if machine.name == "server":
            run(["rm", *(str(machine.root / name) for name in ("usr/sbin/init", "usr/lib/systemd/systemd"))])

    monkeypatch.setattr(machines, "create", broken)
    with pytest.raises(HostFailed, match=r"(?s)server ended while it booted; its console says:.*\|.*init"):
        lab.up(open_inventory(stage.inventory).office("demo"), stage.target)

    assert clean(stage.target.id)


def test_a_lab_cannot_be_saved_over_what_it_stands_on(tmp_path: Path) -> None:
    """The snapshot that a lab started from is not replaced by it: that is said before anything is switched off."""
    stage = light(tmp_path, {})
    try:
        bring_up_adopted(stage)
        start = next(one.snapshot for one in lab.every() if one.inventory == stage.inventory.resolve())
        said = stage.run("lab", "save", "demo", Path(start).name)
        assert said.code == 2, said
        assert "is what this lab stands on" in said.err
        assert stage.on("server", "echo still here") == "still here\n"
    finally:
        stage.run("lab", "down", "demo")
