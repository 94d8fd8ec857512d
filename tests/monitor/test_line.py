"""What `verify` and the record say of the co-op's watch."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.findings import Level
from provisioner.hosts import programs
from provisioner.inventory import open_inventory
from provisioner.record.contents import services
from provisioner.verify.checks import monitor
from tests.monitor.conftest import ROOT
from tests.monitor.hub import network

WELL = {"ok": True, "heard": {"server": "", "router": ""}, "evidence": "2XX: 4"}


@pytest.mark.parametrize(
    ("said", "levels"),
    [
        (WELL, [Level.OK, Level.OK, Level.OK]),
        ({**WELL, "ok": False}, [Level.CRITICAL, Level.OK, Level.OK]),
        ({**WELL, "heard": {"server": "", "router": "connection refused"}}, [Level.OK, Level.OK, Level.CRITICAL]),
        ({**WELL, "heard": {"server": ""}}, [Level.OK, Level.OK, Level.CRITICAL]),
        ({"ok": False, "heard": {}, "evidence": "the agent does not answer"}, [Level.CRITICAL] * 3),
        ({"ok": False, "evidence": "x"}, [Level.CRITICAL] * 3),
        ({**WELL, "heard": ["server"]}, [Level.OK, Level.CRITICAL, Level.CRITICAL]),
    ],
)
def test_both_ends_of_the_watch_are_judged(said: dict[str, Any], levels: list[Level]) -> None:
    """The hub that takes no numbers, the machine that tells none, the one that the agent was never told of."""
    found = list(monitor.judge("server", ["server", "router"], said))
    assert [one.level for one in found] == levels
    assert [one.check for one in found] == ["monitor", "monitor_hosts", "monitor_hosts"]
    assert all(one.evidence for one in found)


def test_a_record_names_the_watch_where_there_is_one(tmp_path: Path) -> None:
    """An office that names no hub is watched by nobody."""
    inventory = open_inventory(network(tmp_path)["demo"].inventory)
    office = inventory.office("demo")
    pack = inventory.pack(office.pack)
    assert "metrics_agent" in services(office, pack)
    assert "metrics_agent" not in services(office.model_copy(update={"remote": None}), pack)


class Hub(http.server.BaseHTTPRequestHandler):
    """The other end of what an agent sends: it takes it, or says that the password is wrong."""

    code = 204

    def do_POST(self) -> None:
        """One block."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """Debian's vmagent, which asks itself (`server`) and a machine that is not there (`router`) each second."""
    program = shutil.which("vmagent", path=f"{ROOT / '.venv/prometheus/usr/bin'}:{os.environ['PATH']}")
    if not program:
        pytest.skip("vmagent is not here: make tools")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    targets = [{"targets": [at], "labels": {"host": "server"}}, {"targets": ["127.0.0.1:9"], "labels": {"host": "router"}}]
    scrape = {"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "node", "static_configs": targets}]}
    (tmp_path / "scrape.yml").write_text(json.dumps(scrape))
    words = [
        program, f"-promscrape.config={tmp_path / 'scrape.yml'}", f"-httpListenAddr={at}", "-loggerLevel=ERROR",
        f"-remoteWrite.url=http://127.0.0.1:{server.server_port}/", f"-remoteWrite.tmpDataPath={tmp_path / 'kept'}",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://{at}"
    process.kill()
    process.wait()
    server.shutdown()
    server.server_close()


def asked(at: str, patience: float) -> dict[str, Any]:
    """What `verify` is told by a machine whose agent answers there."""
    text = programs.source("server").replace("http://127.0.0.1:8429", at)
    ask = json.dumps({"do": "numbers", "patience": patience})
    done = subprocess.run([sys.executable, "-c", text], input=ask, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_an_agent_says_who_is_silent_and_whether_its_hub_takes_what_it_sends(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the hub took yesterday is no proof: it has to take once more while we ask."""
    said = asked(agent, 15)
    assert said["ok"] is True, said
    assert said["heard"]["server"] == "" and "refused" in said["heard"]["router"]
    assert "2XX" in said["evidence"]

    monkeypatch.setattr(Hub, "code", 401)
    time.sleep(3)
    said = asked(agent, 6)
    assert said["ok"] is False and "401" in said["evidence"], said
    found = list(monitor.judge("server", ["server", "router"], said))
    assert [one.level for one in found] == [Level.CRITICAL, Level.OK, Level.CRITICAL]


def test_an_agent_that_does_not_run_is_said() -> None:
    """Nothing is known then, of no machine."""
    said = asked("http://127.0.0.1:9", 1)
    assert (said["ok"], said["heard"]) == (False, {})
    assert "the agent does not answer" in said["evidence"]
