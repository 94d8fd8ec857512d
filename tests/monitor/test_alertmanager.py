"""`monitor silence` and `monitor test` against Debian's Alertmanager, a mail server and a webhook that are really there."""

import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from provisioner import alerting
from provisioner.check import bulletin
from provisioner.language import translator
from tests.monitor.conftest import alertmanager
from tests.monitor.test_serving import free_port
from tests.verbs import Run


class Mails:
    """What the mail server was given; with `refuses` it takes nothing."""

    def __init__(self) -> None:
        self.to: list[str] = []
        self.subjects: list[str] = []
        self.refuses = False

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:
        """aiosmtpd's call. What is refused later, after the text, Alertmanager 0.25 takes for sent."""
        if self.refuses:
            return "550 no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
        """The same."""
        self.to += envelope.rcpt_tos
        self.subjects.append(str(message_from_bytes(envelope.content)["subject"]))
        return "250 OK"


class Hub:
    """An Alertmanager with what `monitor render` made, and who hears of it."""

    def __init__(self, url: str, mails: Mails, hooked: list[dict[str, Any]]) -> None:
        self.url, self.mails, self.hooked = url, mails, hooked


@pytest.fixture
def hub(run: Run, example: Path, tmp_path: Path) -> Iterator[Hub]:
    if not alertmanager():
        pytest.skip("prometheus-alertmanager is not here: make tools")
    mails = Mails()
    hooked: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hooked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    smtp = Controller(mails, hostname="127.0.0.1", port=free_port())
    smtp.start()
    folder = tmp_path / "rendered"
    given = ("--smarthost", f"127.0.0.1:{smtp.port}", "--webhook", f"http://127.0.0.1:{hook.server_port}/")
    assert run("monitor", "render", folder, "--inventory", example, *given).code == 0
    config = folder / "alertmanager.yml"
    config.write_text(config.read_text().replace("group_wait: 30s", "group_wait: 1s"))
    port = free_port()
    listen = (f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=")
    words = alertmanager(f"--config.file={config}", f"--storage.path={tmp_path / 'data'}", *listen)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield Hub(f"http://127.0.0.1:{port}", mails, hooked)
    finally:
        process.terminate()
        process.wait(20)
        smtp.stop()
        hook.shutdown()
        hook.server_close()


def test_a_made_up_alert_reaches_every_receiver(run: Run, example: Path, hub: Hub) -> None:
    """Each member's contacts and technicians by mail, the webhook too; nobody else, and the alert is over afterwards."""
    done = run("monitor", "test", "--inventory", example, "--alertmanager", hub.url, "--json")
    assert done.code == 0, done
    assert {"hub", "scop-lumiere", "scop-lumiere-critical", "garrigue-numerique-critical"} <= set(done.data["receivers"])
    assert {"contact@lumiere.example", "c.lefevre@lumiere.example", "h.roux@garrigue.example"} <= set(hub.mails.to)
    assert {one["receiver"] for one in hub.hooked} == set(done.data["receivers"])
    assert done.data["taken"]["email"] == len(hub.mails.to)
    assert any("ProvisionerTest" in one for one in hub.mails.subjects)
    with urllib.request.urlopen(f"{hub.url}/api/v2/alerts") as said:
        assert json.load(said) == []


def test_a_relay_that_refuses_is_said(run: Run, example: Path, hub: Hub) -> None:
    """Exit 7, with how many."""
    hub.mails.refuses = True
    done = run("monitor", "test", "--inventory", example, "--alertmanager", hub.url)
    assert done.code == 7
    assert "alerts do not arrive" in done.out
    assert "email: 0 of" in done.out


def test_a_silenced_offices_alerts_reach_nobody(run: Run, example: Path, hub: Hub) -> None:
    """The others' do; who silenced it and why is Alertmanager's to tell."""
    subprocess.run(["git", "init", "-q", example], check=True)
    subprocess.run(["git", "-C", example, "config", "provisioner.technician", "c.lefevre"], check=True)
    subprocess.run(["git", "-C", example, "config", "provisioner.reseller", "scop-lumiere"], check=True)
    words = ("--for", "2h", "--because", "Travaux « jeudi »", "--inventory", example, "--alertmanager", hub.url, "--json")
    done = run("monitor", "silence", "demo", *words)
    assert done.code == 0, done
    with urllib.request.urlopen(f"{hub.url}/api/v2/silence/{done.data['silence']}") as said:
        kept = json.load(said)
    assert (kept["comment"], kept["createdBy"], kept["status"]["state"]) == ("Travaux « jeudi »", "c.lefevre", "active")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    labels = [{"alertname": "X", "severity": "warning", "office": one} for one in ("demo", "mairie-saint-aubin")]
    alerts = [{"labels": one, "startsAt": now} for one in labels]
    request = urllib.request.Request(
        f"{hub.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    for _ in range(100):
        if hub.hooked:
            break
        time.sleep(0.1)
    time.sleep(3)
    assert {one["labels"]["office"] for hook in hub.hooked for one in hook["alerts"]} == {"mairie-saint-aubin"}


def test_a_silence_is_in_the_offices_audit(run: Run, example: Path, hub: Hub) -> None:
    """Who, how long, why: `runs` tells it, the client's bulletin has it among what was done, git has a commit."""
    subprocess.run(["git", "init", "-q", example], check=True)
    for word, said in (("technician", "c.lefevre"), ("reseller", "scop-lumiere")):
        subprocess.run(["git", "-C", example, "config", f"provisioner.{word}", said], check=True)
    there = ("--inventory", example)
    words = ("--for", "2h", "--because", "website deploy", "--alertmanager", hub.url, *there, "--json")
    done = run("monitor", "silence", "demo", *words)
    assert done.code == 0, done

    newest = run("runs", "list", "demo", *there, "--json").data["runs"][-1]
    assert (newest["verb"], newest["technician"], newest["status"]) == ("monitor silence", "c.lefevre", "changed")
    assert (newest["because"], newest["seconds"], newest["silence"]) == ("website deploy", 7200, done.data["silence"])
    ends, began = (datetime.fromisoformat(newest[word]) for word in ("until", "started"))
    assert abs((ends - began).total_seconds() - 7200) < 2
    assert "monitor silence" in run("runs", "list", "demo", *there).out
    shown = run("runs", "show", "demo", newest["run"], *there).out
    assert "website deploy" in shown and "journal" not in shown
    assert run("runs", "check", "demo", *there).code == 0
    last = subprocess.run(["git", "-C", example, "log", "-1", "--format=%H %s"], capture_output=True, text=True, check=True)
    assert last.stdout.startswith(done.data["commit"]) and "demo: alerts silenced until" in last.stdout
    runs = list(bulletin._summaries(example / "offices/demo/runs"))
    told = bulletin._done(translator("fr"), [one for one in runs if one["verb"] == "monitor silence"])
    assert told and told[0].startswith(
        "Notre surveillance de votre bureau mise en silence pendant un entretien\N{NO-BREAK SPACE}: 1."
    )
    assert not alerting._deployed(example / "offices/demo/runs"), "a reason is no deployment"

    done = run("monitor", "silence", "demo", *words, "--no-commit")
    assert done.code == 0 and done.data["commit"] is None
    assert subprocess.run(["git", "-C", example, "status", "--short"], capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("silence", "demo", "--for", "soon", "--because", "x"), 2, "'soon' is no time of at most 30 days"),
        (("silence", "demo", "--for", "31d", "--because", "x"), 2, "is no time of at most 30 days"),
        (("silence", "demo", "--for", "2h", "--because", " "), 2, "a silence has a reason"),
        (("silence", "demo", "--for", "2h", "--because", "x" * 201), 2, "one line of at most 200 characters"),
        (("silence", "demo", "--for", "2h", "--because", "a\x1b[31mb"), 2, "one line of at most 200 characters"),
        (("silence", "nowhere", "--for", "2h", "--because", "x"), 2, "no office 'nowhere'"),
        (("silence", "demo", "--for", "2h", "--because", "x", "--alertmanager", "file:///etc"), 2, "is no address of a page"),
        (("test", "--alertmanager", "http://127.0.0.1:9"), 5, "does not answer"),
        (("test", "--reseller", "nobody"), 2, "there is no office to watch"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, example: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """And an Alertmanager that is not there is said as that."""
    done = run("monitor", *words, "--inventory", example)
    assert done.code == code, done
    assert said in done.err
