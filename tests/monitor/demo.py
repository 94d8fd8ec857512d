"""`make demo-hub`: a co-op's hub that watches the demo office, two labs on one Internet of their own; both stay up.

`python -m tests.monitor.demo`: builds them, shows what the hub sees, breaks a part and shows the alert; `… down` removes them.
The office is its router and its server with what monitoring needs of the pack; the hub has its whole pack.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.lab.light import inside, soon
from tests.monitor.hub import HUB, OFFICE, network
from tests.stage import Stage

FOLDER = Path(__file__).resolve().parents[2] / ".venv/demo-hub"
STAGES = {name: Stage(FOLDER / "inventory", FOLDER / "state", name) for name in (HUB, OFFICE)}
WITHIN_S = 180  # the agent sends once a minute, the hub's rules are judged once a minute


def say(line: str) -> None:
    """A line for whoever watches."""
    print(line, flush=True)


def call(stage: Stage, *words: str, good: tuple[int, ...] = (0,)) -> None:
    """A verb, as its reader would type it, in front of their eyes.

    Raises:
        SystemExit: it ended otherwise.
    """
    say(f"\n$ provisioner {shlex.join(words)}")
    code = subprocess.run(stage.command(*words), stdin=subprocess.DEVNULL, env=stage.environment, check=False).returncode
    if code not in good:
        raise SystemExit(f"it ended with exit code {code}; what stands is taken down by: make demo-hub-down")


def down() -> None:
    """Both labs and their inventory, where they are."""
    if FOLDER.exists():
        for name, stage in STAGES.items():
            call(stage, "lab", "down", name, good=(0, 2))
        shutil.rmtree(FOLDER)


def ask(query: str) -> list[dict[str, object]]:
    """What the hub's Prometheus answers."""
    words = f"promtool query instant --format=json http://127.0.0.1:9090 {shlex.quote(query)}"
    return list(json.loads(inside(STAGES[HUB], "server", words) or "[]"))


def firing(alert: str) -> bool:
    """Whether the hub has raised it for the office."""
    return bool(ask(f'ALERTS{{alertname="{alert}", office="{OFFICE}"}}'))


def main() -> None:
    """Build and show."""
    down()
    if sys.argv[1:] == ["down"]:
        return
    FOLDER.mkdir(parents=True)
    network(FOLDER)
    internet = f"demo-hub-{STAGES[HUB].target.id}"
    for name, stage in STAGES.items():
        call(stage, "lab", "up", name, "--internet", internet)
        call(stage, "adopt", name, "--lab", "--yes")
        stage.run("secrets", "show", name, "--lab", "--complete")  # what each end knows the other by
    for name, stage in STAGES.items():
        call(stage, "apply", name, "--lab", "--yes")
    say(f"\nWaiting until the hub hears {OFFICE}, which sends once a minute from behind its router")
    began = time.monotonic()
    if not soon(lambda: ask(f'up{{office="{OFFICE}"}}'), WITHIN_S):
        raise SystemExit("it heard nothing; look: provisioner verify demo --lab --only monitor")
    say(f"It does, after {time.monotonic() - began:.0f} s:")
    for one in ask(f'up{{office="{OFFICE}"}}'):
        say(f"  {one['metric']} {one['value']}")
    call(STAGES[OFFICE], "verify", OFFICE, "--lab", "--only", "monitor", "--only", "monitor_hosts", "--no-commit", good=(0, 7))
    say(f"\nThe exporter of {OFFICE}'s server is stopped:")
    began = time.monotonic()
    inside(STAGES[OFFICE], "server", "systemctl stop prometheus-node-exporter")
    try:
        heard = soon(lambda: firing("HostSilent"), WITHIN_S)
        state = "pending or firing" if heard else "not there"
        say(f"the hub's alert HostSilent is {state} after {time.monotonic() - began:.0f} s")
    finally:
        inside(STAGES[OFFICE], "server", "systemctl start prometheus-node-exporter")
    where = f"export PROVISIONER_INVENTORY={STAGES[HUB].inventory} XDG_STATE_HOME={STAGES[HUB].home}"
    labs = STAGES[HUB].environment["PROVISIONER_LAB_DIR"]
    say(f"\nHub and office stand. Look around:\n  {where} PROVISIONER_LAB_DIR={labs}")
    ssh = f".venv/bin/provisioner ssh {HUB} server --lab --"
    say(f"  {ssh} amtool --alertmanager.url=http://127.0.0.1:9093 alert")
    say(f"  {ssh} promtool query instant http://127.0.0.1:9090 'up{{office=\"{OFFICE}\"}}'")
    say("  make demo-hub-down        when you have seen enough")
    if not heard:
        raise SystemExit(1)


if __name__ == "__main__":
    os.environ.setdefault("PROVISIONER_LANG", "en")
    main()
