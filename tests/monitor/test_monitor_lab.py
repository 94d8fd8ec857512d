"""An office behind NAT and a hub beyond its router, of real parts: what breaks reaches a webhook, what is mended too.

Intervals are 10 s, `for:` 20 s and Prometheus looks back 30 s here, instead of a minute, 5 to 30 minutes and 5 minutes: the same
parts in less time.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.light import inside, soon
from tests.lab.small import clean
from tests.monitor.hub import HUB, OFFICE, network
from tests.monitor.test_victoriametrics import PACK
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]
AT, PORT = "192.168.1.254", 9999  # this laptop in the hub's LAN
INTERVAL_S, FOR_S, BACK_S, LATE_S = 10, 20, 30, 15
RECEIVER = f"""
import http.server, json, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[1], "a") as file:
            file.writelines(json.dumps([one["status"], one["labels"]]) + chr(10) for one in said["alerts"])
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("{AT}", {PORT}), Hook).serve_forever()
"""
SHORTER = (
    "sed -i 's/group_wait: 30s/group_wait: 1s/; s/group_interval: 5m/group_interval: 5s/' /etc/prometheus/alertmanager.yml; "
    f"cd /etc/prometheus/rules; sed -i 's/for: [0-9]*[mh]$/for: {FOR_S}s/; s/\\[10m\\]/[1m]/' offices.yml hub.yml; "
    "systemctl reload prometheus-alertmanager; "
)
SHORTER_HUB = (
    SHORTER + f"sed -i 's/: 1m$/: {INTERVAL_S}s/' /etc/prometheus/prometheus.yml; "
    f"sed -i 's/ARGS=\"/&--query.lookback-delta={BACK_S}s /' /etc/default/prometheus; systemctl restart prometheus"
)
SHORTER_STORE = (
    SHORTER + f"sed -i 's/Interval=1m/Interval={INTERVAL_S}s/' /etc/systemd/system/office-vmalert.service; "
    "systemctl daemon-reload; systemctl restart office-vmalert"
)
SHORTER_OFFICE = (
    f"sed -i 's/interval: 1m/interval: {INTERVAL_S}s/; s/timeout: 20s/timeout: 5s/' /etc/office-metrics/scrape.yml; "
    "systemctl restart office-metrics"
)


@dataclass
class Monitored:
    """The two labs, and the file of what the webhook heard."""

    hub: Stage
    office: Stage
    heard: Path

    def alerts(self, status: str, **labels: str) -> int:
        """How often the webhook heard of such an alert."""
        lines = self.heard.read_text().splitlines() if self.heard.exists() else []
        told = [json.loads(line) for line in lines]
        return sum(one == status and labels.items() <= had.items() for one, had in told)

    def value(self, query: str) -> str:
        """What Prometheus answers."""
        return inside(self.hub, "server", f"promtool query instant http://127.0.0.1:9090 '{query}'").strip()

    def tried(self, stage: Stage, break_it: str, mend_it: str, within_s: float, **labels: str) -> None:
        """Break something: its alert is heard in time; mend it: that it is over is heard too."""
        fired, over = self.alerts("firing", **labels), self.alerts("resolved", **labels)
        inside(stage, "server", break_it)
        try:
            assert soon(lambda: self.alerts("firing", **labels) > fired, within_s), labels
        finally:
            inside(stage, "server", mend_it)
        assert soon(lambda: self.alerts("resolved", **labels) > over, 150), labels


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Both installed by `apply`, twice: the second changes nothing; then with shorter times."""
    folder = tmp_path_factory.mktemp("monitored")
    found = network(folder, webhook=f"http://{AT}:{PORT}/")
    hook = None
    try:
        for name, stage in found.items():
            for words in (
                ("lab", "up", name, "--internet", f"monitor-{found[HUB].target.id}"),
                ("adopt", name, "--lab", "--yes"),
            ):
                assert (done := stage.json(*words)).code == 0, done
            assert stage.run("secrets", "show", name, "--lab", "--complete").code == 0
        for name, stage in found.items():
            for _ in range(2):
                done = stage.json("apply", name, "--lab", "--yes", timeout_s=1200)
                assert done.code == 0, done
            assert [host["changed"] for host in done.data["hosts"].values()] == [0, 0]
        script = folder / "hook.py"
        script.write_text(RECEIVER)
        hook = found[HUB].start("lab", "exec", HUB, "--", "python3", str(script), str(folder / "heard"))
        inside(found[HUB], "server", SHORTER_HUB)
        inside(found[OFFICE], "server", SHORTER_OFFICE)
        monitored = Monitored(found[HUB], found[OFFICE], folder / "heard")
        assert soon(lambda: f'office="{OFFICE}"' in monitored.value("up"), 120)
        yield monitored
    finally:
        if hook:
            hook.terminate()
            hook.wait(20)
        for name, stage in found.items():
            stage.run("lab", "down", name)
    assert all(clean(stage.target.id) for stage in found.values())


def test_who_is_well_alerts_nobody(monitored: Monitored) -> None:
    """Nothing but the watchdog fires once all parts have been met."""
    time.sleep(90)
    assert monitored.value('ALERTS{alertstate="firing", office!=""}') == ""
    assert inside(monitored.office, "server", "ss -Hltn 'sport = :9100' | awk '{print $4}'").split() == ["127.0.0.1:9100"]


def test_each_part_that_ends_is_heard_of_and_so_is_its_end(monitored: Monitored) -> None:
    """An exporter, an agent, a part of the hub: within two intervals and `for` (the agent: and what is looked back)."""
    soonest = 2 * INTERVAL_S + FOR_S + LATE_S
    for stage, unit, within_s, labels in (
        (monitored.office, "prometheus-node-exporter", soonest, {"alertname": "HostSilent", "office": OFFICE}),
        (monitored.office, "office-metrics", soonest + BACK_S, {"alertname": "OfficeSilent", "office": OFFICE}),
        (monitored.hub, "prometheus-blackbox-exporter", soonest, {"alertname": "HubPartDown", "job": "blackbox"}),
    ):
        monitored.tried(stage, f"systemctl stop {unit}", f"systemctl start {unit}", within_s, **labels)


def test_a_wrong_password_is_heard_of(monitored: Monitored) -> None:
    """The office's name is on it; with the right one all goes on."""
    path = "/etc/office-metrics/password"
    monitored.tried(
        monitored.office,
        f"cp -p {path} /root/kept; echo wrong > {path}; systemctl restart office-metrics",
        f"cp -p /root/kept {path}; systemctl restart office-metrics",
        120, alertname="SenderRefused", office=OFFICE, result="password",
    )  # fmt: skip


def test_an_office_cannot_speak_for_another(monitored: Monitored) -> None:
    """With its own password, through the hub's web server: another's label is refused and reaches nobody."""
    made = base64.b64encode((Path(__file__).parent / "remote_write.py").read_bytes()).decode()
    text = f"""
import base64, http.client, ssl, time
exec(base64.b64decode("{made}"))
secret = open("/etc/office-metrics/password").read().strip()
trust = ssl.create_default_context(cafile="/etc/office-metrics/hub.pem")
word = "Basic " + base64.b64encode(f"{OFFICE}:{{secret}}".encode()).decode()
for office in ("{OFFICE}", "bakery"):
    there = http.client.HTTPSConnection("hub.lumiere.example", context=trust, timeout=20)
    told = [("__name__", "forged"), ("job", "node"), ("office", office)]
    block = literal(request(series(told, {{int(time.time() * 1000): 1.0}})))
    there.request("POST", "/api/v1/write", block, {{"Authorization": word, "Content-Encoding": "snappy"}})
    print(there.getresponse().status)
"""
    line = f"echo {base64.b64encode(text.encode()).decode()} | base64 -d | python3 -"
    assert inside(monitored.office, "server", line).split() == ["204", "400"]
    assert monitored.value("count by (office) (forged)").startswith(f'{{office="{OFFICE}"}} => 1')


def test_no_sample_is_lost_while_the_hub_is_away(monitored: Monitored) -> None:
    """Two minutes here, of which none is missing afterwards."""
    inside(monitored.hub, "server", "systemctl stop nginx")
    time.sleep(120)
    inside(monitored.hub, "server", "systemctl start nginx")

    def whole() -> bool:
        said = monitored.value(f'count_over_time(node_load1{{office="{OFFICE}"}}[3m])')
        return f" => {180 // INTERVAL_S} @" in said

    assert soon(whole, 120), monitored.value(f'count_over_time(node_load1{{office="{OFFICE}"}}[3m])')


def test_a_hub_that_outgrew_prometheus_goes_over(monitored: Monitored) -> None:
    """One word of its pack: the next apply changes the store and one more nothing; samples arrive, an alert comes and goes."""
    pack = monitored.hub.inventory / PACK
    pack.write_text(pack.read_text().replace("store: prometheus", "store: victoriametrics"))
    monitored.hub.git("commit", "-q", "-a", "-m", "another store")
    for _ in range(2):
        done = monitored.hub.json("apply", HUB, "--lab", "--yes", timeout_s=1200)
        assert done.code == 0, done
    assert [host["changed"] for host in done.data["hosts"].values()] == [0, 0]
    active = "systemctl is-active victoria-metrics office-vmalert prometheus || true"
    assert inside(monitored.hub, "server", active).split() == ["active", "active", "inactive"]
    assert soon(lambda: f'office="{OFFICE}"' in monitored.value("up"), 180)
    inside(monitored.hub, "server", SHORTER_STORE)
    labels = {"alertname": "HostSilent", "office": OFFICE}
    stop, start = (f"systemctl {word} prometheus-node-exporter" for word in ("stop", "start"))
    monitored.tried(monitored.office, stop, start, 120, **labels)
