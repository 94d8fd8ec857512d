"""The bench's numbers of routers: what it costs to see that nothing is to be done, beside nornir with netmiko."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from provisioner.router import guard
from provisioner.router.platforms import File, Files
from tests.deep import bench_lab
from tests.deep.bench_tools import ROOT, Broken, Number, at_most_one_in, environment, in_turn, say
from tests.router.boxes import Bench, bench

BOXES = 20
CONFIGURATION = "hostname Router\nntp server 192.0.2.123\n"
OURS = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from provisioner.hosts.access import SshAccess
from provisioner.inventory.target import Target
from provisioner.router import guard, platforms
from provisioner.router.platforms import File, Way

def pushed(box):
    way = Way(SshAccess(Target(Path(box["inventory"]), "demo"), "m.durand", Path("no-key")), "router", "127.0.0.1", "run-1",
              "admin", "right one", box["port"])
    router = platforms.router("cisco_ios")(way, {"configuration": File(box["wanted"])}, {})
    try:
        return guard.push(router, say=print).how
    finally:
        router.close()

boxes = json.loads(Path(sys.argv[1]).read_text())
import provisioner.router.platforms.cisco_ios_router, paramiko
began = time.monotonic()
with ThreadPoolExecutor(len(boxes)) as pool:
    assert set(pool.map(pushed, boxes)) == {"unchanged"}
print(time.monotonic() - began)
"""
THEIRS = """
import json, sys, time
import netmiko
from pathlib import Path
from nornir import InitNornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.inventory import InventoryPluginRegister
from nornir_netmiko.tasks import netmiko_send_command

boxes = json.loads(Path(sys.argv[1]).read_text())

class Boxes:
    def load(self):
        hosts = {str(box["port"]): Host(str(box["port"]), hostname="127.0.0.1", port=box["port"], username="admin",
                 password="right one", platform="cisco_ios", data=box) for box in boxes}
        return Inventory(Hosts(hosts), Groups({}), Defaults())

InventoryPluginRegister.register("boxes", Boxes)

def check(task):
    there = task.run(netmiko_send_command, command_string="show running-config").result.splitlines()
    return [line for line in task.host.data["wanted"].splitlines() if line not in there]

began = time.monotonic()
runner = {"plugin": "threaded", "options": {"num_workers": len(boxes)}}
done = InitNornir(inventory={"plugin": "boxes"}, runner=runner, logging={"enabled": False}).run(task=check)
assert not done.failed, done
assert all(result[0].result == [] for result in done.values())
print(time.monotonic() - began)
"""


def routers(place: bench_lab.Place) -> list[Number]:
    """What a push that changes nothing takes on twenty routers, each way with a thread a router."""
    with ExitStack() as stack:
        boxes = [stack.enter_context(bench(_folder(place, n), "cisco_ios", minute_s=60)) for n in range(BOXES)]
        say(f"{BOXES} stand-ins are on; each is given its configuration")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_given, boxes))
        told = place.folder / "boxes.json"
        told.write_text(json.dumps([
            {"port": box.port, "inventory": str(box.target.inventory), "wanted": CONFIGURATION} for box in boxes
        ]))  # fmt: skip
        before = [_storage(box) for box in boxes]
        env = environment(PYTHONPATH=str(ROOT))

        def wall(text: str) -> float:
            done = subprocess.run([sys.executable, "-c", text, str(told)], env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Broken(done.stderr[-1500:])
            return float(done.stdout.split()[-1])

        wall(OURS), wall(THEIRS)  # bytecode and page cache
        seen = in_turn(7, ours=lambda: wall(OURS), theirs=lambda: wall(THEIRS))
        if [_storage(box) for box in boxes] != before:
            raise Broken("a push that changes nothing wrote on a router")
    what = f"`router push` that changes nothing, on {BOXES} stand-ins (Cisco IOS), to the same check by nornir and nornir_netmiko"
    return [at_most_one_in(f"{what} (wall time, without Python's start)", 2, seen["ours"], seen["theirs"])]


def _folder(place: bench_lab.Place, number: int) -> Path:
    folder = place.folder / f"router-{number}"
    folder.mkdir()
    return folder


def _given(box: Bench) -> None:
    wanted: Files = {"configuration": File(CONFIGURATION)}
    router: Any = box.device(wanted)
    try:
        how = guard.push(router, timeout_s=60, say=lambda _: None).how
    finally:
        router.close()
    if how not in ("applied", "unchanged"):
        raise Broken(f"a stand-in took no configuration: {how}")


def _storage(box: Bench) -> list[tuple[str, bytes, int]]:
    """What lies on it, and since when."""
    return [(path.name, path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(box.flash.rglob("*")) if path.is_file()]
