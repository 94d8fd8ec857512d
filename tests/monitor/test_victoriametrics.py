"""A hub whose pack says `store: victoriametrics`: the real programs, with what the role gives them."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Template

from provisioner import alerting
from provisioner.errors import BadInput
from provisioner.inventory import open_inventory, placement
from tests import network
from tests.lab.light import soon
from tests.monitor import remote_write as made
from tests.monitor.conftest import ROOT, Tool, alertmanager, program
from tests.monitor.test_receiver import CAFE, block, receiver
from tests.monitor.test_rules import queries
from tests.monitor.test_serving import free_port
from tests.remote import network as remote

ROLE = ROOT / "playbooks/roles/monitoring_hub"
STORE, PASSWORD = placement.STORES[1], "one"
PACK = "packs/hub-2026.1.yml"
DEMO = [("__name__", "up"), ("host", "server"), ("job", "node"), ("office", "demo"), ("kind", "server")]


def now_ms() -> int:
    """Of the moment it is asked: a query of now sees samples of the last five minutes alone."""
    return int(time.time() * 1000)


def words(template: str) -> list[str]:
    """What a template of the role gives its program to start with."""
    text = Template((ROLE / "templates" / template).read_text()).render(monitoring_hub_keep_days=400)
    line = next(line for line in text.replace("\\\n", "").splitlines() if line.startswith(("ARGS=", "ExecStart=")))
    return shlex.split(shlex.split(line.partition("=")[2])[0]) if line.startswith("ARGS=") else line.split()[1:]


@dataclass
class Hub:
    """All that runs; `heard` is what the webhook was told."""

    store: str
    receiver: int
    heard: list[dict[str, Any]]

    def send(self, sent: bytes, office: str) -> int:
        """A block as an agent posts it; the status."""
        word = base64.b64encode(f"{office}:{PASSWORD}".encode()).decode()
        there = http.client.HTTPConnection("127.0.0.1", self.receiver, timeout=20)
        there.request("POST", "/api/v1/write", sent, {"Authorization": f"Basic {word}", "Content-Encoding": "snappy"})
        return there.getresponse().status

    def asked(self, query: str) -> list[tuple[dict[str, str], float]]:
        """What the store answers now, as Prometheus would."""
        url = f"{self.store}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=20) as said:
            told = json.load(said)
        assert told["status"] == "success"
        return [(one["metric"], float(one["value"][1])) for one in told["data"]["result"]]

    def told(self, status: str, **labels: str) -> bool:
        """Whether the webhook heard of such an alert."""
        alerts = [one for hook in list(self.heard) for one in hook["alerts"]]
        return any(one["status"] == status and labels.items() <= one["labels"].items() for one in alerts)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Times are shorter than a client's: asked and judged each second, `for:` 2 s."""
    programs = {name: program(name) for name in ("victoria-metrics", "vmalert")}
    if not (all(programs.values()) and alertmanager()):
        pytest.skip(f"not all of {', '.join(programs)} and prometheus-alertmanager are here: make tools")
    folder = tmp_path_factory.mktemp("hub")
    heard: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    store, router, vmalert = (free_port() for _ in range(3))
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    handed = re.search(r"'to': '([^']+)'", (ROLE / "templates/receiver.json.j2").read_text())
    assert handed
    config = {
        "listen": 0, "to": handed[1].replace("9090", str(store)), "outage_s": 7 * 86400,
        "offices": {"cafe": digest, "demo": digest},
    }  # fmt: skip
    server = receiver.serve(config)
    for one in (hook, server):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    shutil.copytree(network.EXAMPLE, folder / "network")
    with (folder / "network/offices/demo/dossier.yml").open("a") as dossier:
        dossier.write("remote: {hub: lumiere}\n")
    inventory = open_inventory(folder / "network")
    parts = alerting.Hub(
        webhook=f"http://127.0.0.1:{hook.server_port}/", prometheus=f"127.0.0.1:{store}", exporter="", store=STORE,
        alertmanager=f"127.0.0.1:{router}", vmalert=f"127.0.0.1:{vmalert}", receiver=f"127.0.0.1:{server.server_port}",
    )  # fmt: skip
    rendered = folder / "etc"
    alerting.write(rendered, alerting.render(inventory, parts, alerting.offices(inventory)))
    for name, pattern, other in (
        ("prometheus.yml", r"scrape_interval: 1m", "scrape_interval: 1s"),
        ("rules/offices.yml", r"for: \d+[mh]", "for: 2s"),
        ("alertmanager.yml", r"(group_wait|group_interval): (30s|5m)", r"\1: 1s"),
    ):
        text = (rendered / name).read_text()
        (rendered / name).write_text(re.sub(pattern, other, text))
        assert (rendered / name).read_text() != text
    changed = {
        "127.0.0.1:9090": f"127.0.0.1:{store}", "127.0.0.1:9093": f"127.0.0.1:{router}", "/etc/prometheus": str(rendered),
        "127.0.0.1:8880": f"127.0.0.1:{vmalert}", "/var/lib/victoria-metrics": str(folder / "data"), "=1m": "=1s",
    }  # fmt: skip
    told_to = {
        "victoria-metrics": [*words("victoria-metrics.j2"), "-search.latencyOffset=0s"],
        "prometheus-alertmanager": [
            f"--config.file={rendered / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{router}", "--cluster.listen-address=",
        ],
        "vmalert": words("vmalert.service.j2"),
    }  # fmt: skip
    running = []
    try:
        for name, told in told_to.items():
            given = told
            for old, new in changed.items():
                given = [word.replace(old, new) for word in given]
            with (folder / f"{name}.log").open("wb") as log:
                start = [programs[name], *given] if name in programs else alertmanager(*given)
                running.append(subprocess.Popen(start, stderr=log, stdout=log))
        ports = (store, vmalert, router)
        logs = [folder / f"{name}.log" for name in told_to]
        assert soon(lambda: all(_answers(port) for port in ports), 20), [log.read_text() for log in logs if log.exists()]
        yield Hub(f"http://127.0.0.1:{store}", server.server_port, heard)
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)
        for one in (server, hook):
            one.shutdown()
            one.server_close()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as said:
            return bool(said.status == 200)
    except OSError:
        return False


def test_a_silent_office_is_told_and_that_it_is_back(hub: Hub) -> None:
    """OfficeSilent by vmalert, Alertmanager and the webhook, with the labels that Prometheus would send; a sample ends it."""
    assert soon(lambda: hub.told("firing", alertname="OfficeSilent", office="demo", reseller="scop-lumiere"), 40)
    assert not hub.told("firing", alertgroup="offices")
    assert hub.send(block(DEMO, now_ms()), "demo") == 204
    assert soon(lambda: hub.told("resolved", alertname="OfficeSilent", office="demo"), 40)


def test_what_an_office_sends_is_found_and_what_it_forges_is_not(hub: Hub, tool: Tool) -> None:
    """By the receiver of every hub: 204 and 400; promtool asks the store as it asks Prometheus."""
    forged, when = [*CAFE[:3], ("office", "bakery")], now_ms()
    assert hub.send(block(when=when), "cafe") == 204
    assert hub.send(block(forged, when), "cafe") == 400
    assert hub.send(block(CAFE[:3], when), "cafe") == 400
    assert soon(lambda: [value for _, value in hub.asked('up{office="cafe"}')] == [1], 20)
    assert hub.asked('up{office="bakery"}') == []
    assert 'office="cafe"' in tool("promtool", "query", "instant", hub.store, 'up{office="cafe"}')


def test_an_hour_that_comes_late_is_kept_whole(hub: Hub) -> None:
    """An office whose line was cut: now first, then what it kept of the hour before, two minutes of it twice."""
    labels = [("__name__", "node_load1"), *CAFE[1:]]
    when = now_ms()
    late = {when - at * 60_000: float(at) for at in range(60, 0, -1)}
    assert hub.send(block(labels, when), "cafe") == 204
    for _ in range(2):
        assert hub.send(made.literal(made.request(made.series(labels, late))), "cafe") == 204
        late = dict(list(late.items())[:2])

    def kept() -> list[float]:
        return [value for _, value in hub.asked('count_over_time(node_load1{office="cafe"}[2h])')]

    assert soon(lambda: kept() in ([61], [63]), 20), kept()
    asked = urllib.parse.urlencode({"match[]": 'node_load1{office="cafe"}'})
    with urllib.request.urlopen(f"{hub.store}/api/v1/export?{asked}", timeout=20) as said:
        stamps = {stamp for line in said for stamp in json.loads(line)["timestamps"]}
    assert stamps == {when - at * 60_000 for at in range(61)}


def test_the_hubs_own_parts_are_asked_by_the_same_file_and_every_query_is_understood(hub: Hub) -> None:
    """`prometheus.yml` as rendered, with what is Prometheus' alone in it; rules' and dashboards' queries too."""
    wanted = {"prometheus", "vmalert", "receiver", "alertmanager"}
    assert soon(lambda: {one["job"] for one, value in hub.asked("up") if value == 1} >= wanted, 30), hub.asked("up")
    assert hub.asked('provisioner_receiver_requests_total{office="demo", result="password"}')
    assert hub.asked('vmalert_config_last_reload_successful{job="vmalert"}')[0][1] == 1
    for _, query in queries():
        hub.asked(query)


def test_the_packs_word_decides_and_another_word_is_refused(tmp_path: Path) -> None:
    """`store` of the hub's pack: what is rendered for the hub; without it, Prometheus."""
    stage = remote.network(tmp_path)[remote.HUB]
    path = stage.inventory / PACK
    text = path.read_text()
    assert "store: prometheus" in text

    def rendered(said: str) -> str:
        path.write_text(text.replace(", store: prometheus", said))
        inventory = open_inventory(stage.inventory)
        return alerting.of_hub(inventory, inventory.office(remote.HUB))["prometheus.yml"]

    jobs = [[one["job_name"] for one in yaml.safe_load(rendered(said))["scrape_configs"]] for said in ("", f", store: {STORE}")]
    assert [("vmalert" in one, "prometheus" in one) for one in jobs] == [(False, True), (True, True)]
    with pytest.raises(BadInput, match="store: 'influx' is none of prometheus, victoriametrics"):
        rendered(", store: influx")


@pytest.mark.parametrize("store", placement.STORES)
def test_the_role_installs_one_of_the_two_and_stops_the_other(tmp_path: Path, store: str) -> None:
    """As Ansible composes it: packages, units and files."""
    for name in ("templates", "files"):
        (tmp_path / name).symlink_to(ROLE / name)
    asked = ("packages", "units", "services", "files")
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(ROLE / "defaults/main.yml")],
            "vars": {
                "office": {"monitoring": {"endpoint": "hub.example"}, "secrets": {}},
                "this_host": {"settings": {"monitoring_hub": {"store": store}}},
                "ready": {"stdout_lines": ["debian-13"]},
            },
            "tasks": [
                {
                    "ansible.builtin.copy": {
                        "dest": str(tmp_path / "said.json"), "mode": "0644",
                        "content": "{{ {" + ", ".join(f"'{one}': monitoring_hub_{one}" for one in asked) + "} | to_json }}",
                    }
                }
            ],
        }
    ]  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    program = Path(sys.executable).with_name("ansible-playbook")
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "playbooks/ansible.cfg"), "ANSIBLE_INVENTORY_ENABLED": "host_list"}
    done = subprocess.run(
        [program, "-i", "localhost,", tmp_path / "play.yml"], capture_output=True, text=True, check=False, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "said.json").read_text())
    own = {"prometheus": ["prometheus.service"], STORE: ["victoria-metrics.service", "office-vmalert.service"]}
    other = next(one for one in placement.STORES if one != store)
    assert said["services"][: len(own[store])] == own[store]
    assert said["units"]["unwanted"] == own[other]
    assert set(said["units"]["packaged"]) <= set(said["units"]["wanted"])
    assert not set(said["units"]["wanted"]) & set(own[other])
    assert ("victoria-metrics" in said["packages"], "prometheus" in said["packages"]) == (store == STORE, True)
    dests = {one["dest"] for one in said["files"]}
    assert ("/etc/default/prometheus" in dests, "/etc/systemd/system/office-vmalert.service" in dests) == (
        store != STORE, store == STORE,
    )  # fmt: skip
