"""The hub's receiver: an office speaks for itself alone, of a time that can be; what it refuses is counted, the others go on."""

import base64
import hashlib
import http.client
import http.server
import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.hosts.programs import monitor_facts
from tests.monitor import remote_write as made
from tests.monitor.conftest import ROOT
from tests.monitor.test_rules import EXPORTED

FOLDER = ROOT / "playbooks/roles/monitoring_hub/files"
PASSWORD = "p:ä-long-one"  # a colon is a password's own (RFC 7617)
NOW_MS = int(time.time() * 1000)
CAFE = [("__name__", "up"), ("host", "server"), ("job", "node"), ("office", "cafe")]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


remote_write = load("remote_write")
receiver = load("receiver")


@dataclass
class Store:
    """Who stands for Prometheus: what came, and how it answers."""

    blocks: list[bytes] = field(default_factory=list)
    status: int = 204


@dataclass
class Hub:
    """A receiver that runs, and its store."""

    port: int
    store: Store

    def send(self, block: bytes, office: str = "cafe", password: str = PASSWORD, encoding: str = "snappy") -> int:
        """A block as an agent posts it; the status."""
        word = base64.b64encode(f"{office}:{password}".encode()).decode()
        there = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        there.request("POST", "/api/v1/write", block, {"Authorization": f"Basic {word}", "Content-Encoding": encoding})
        return there.getresponse().status

    def counted(self) -> dict[tuple[str, str], float]:
        """Its requests by office and result, of those that there were."""
        there = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        there.request("GET", "/metrics")
        families = text_string_to_metric_families(there.getresponse().read().decode())
        return {
            (one.labels["office"], one.labels["result"]): one.value
            for family in families
            for one in family.samples
            if one.name == "provisioner_receiver_requests_total" and one.value
        }


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A receiver of two offices."""
    store = Store()

    class Prometheus(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            store.blocks.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(store.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    behind = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    config: dict[str, Any] = {
        "listen": 0, "to": f"http://127.0.0.1:{behind.server_port}/api/v1/write", "outage_s": 7 * 86400,
        "offices": {"cafe": digest, "bakery": hashlib.sha256(b"other").hexdigest()},
    }  # fmt: skip
    server = receiver.serve(config)
    for one in (behind, server):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    try:
        yield Hub(server.server_port, store)
    finally:
        for one in (server, behind):
            one.shutdown()
            one.server_close()


def block(labels: list[tuple[str, str]] = CAFE, when: int = NOW_MS) -> bytes:
    return made.literal(made.request(made.series(labels, {when: 1.0})))


def test_what_an_office_sends_reaches_prometheus_byte_for_byte(hub: Hub) -> None:
    """One request, one request: what one office sends is never mixed with another's."""
    assert hub.send(block()) == 204
    assert hub.store.blocks == [block()]
    assert hub.counted() == {("cafe", "taken"): 1}


@pytest.mark.parametrize(
    ("sent", "result", "status"),
    [
        (block([*CAFE[:3], ("office", "bakery")]), "forged", 400),
        (block(CAFE[:3]), "forged", 400),
        (block([*CAFE, ("office", "bakery")]), "forged", 400),
        (block([*CAFE[:2], ("job", "alertmanager"), CAFE[3]]), "forged", 400),
        (made.literal(made.request(made.series(CAFE, {NOW_MS: 1}), made.series(CAFE[:3], {NOW_MS: 1}))), "forged", 400),
        (block(when=0), "clock", 400),
        (block(when=-5), "clock", 400),
        (block(when=4_102_444_800_000), "clock", 400),
        (b"\xff" * 40, "unreadable", 400),
        (block()[:-3], "unreadable", 400),
        (b"\x0a\x01\x05", "unreadable", 400),  # a copy of what is not there
        (made.literal(b"\x0a\xff\xff\xff\xff\x0f"), "unreadable", 400),
        (b"\x80\x80\x80\x80\x04" + b"\x00", "too_large", 413),  # says 1 GB
    ],
    ids=[
        "another's",
        "none",
        "two",
        "the hub's job",
        "one of two",
        "1970",
        "before",
        "2100",
        "noise",
        "cut",
        "a copy of nothing",
        "endless",
        "1 GB",
    ],
)
def test_what_is_not_its_own_is_refused_and_counted(hub: Hub, sent: bytes, result: str, status: int) -> None:
    """Another's label, none, two, the hub's own job, 1970, 2100, garbage: nothing of it reaches Prometheus, the next does."""
    assert hub.send(sent) == status
    assert hub.store.blocks == []
    assert hub.counted() == {("cafe", result): 1}
    assert hub.send(block()) == 204


@pytest.mark.parametrize(
    ("office", "password", "told"), [("cafe", "wrong", "cafe"), ("bakery", PASSWORD, "bakery"), ("x\n", "", "")]
)
def test_who_has_not_the_offices_password_is_not_believed(hub: Hub, office: str, password: str, told: str) -> None:
    """Another office's password is none; a name that nobody has makes no label."""
    assert hub.send(block(), office, password) == 401
    assert hub.store.blocks == []
    assert hub.counted() == {(told, "password"): 1}


def test_an_agent_that_asks_for_another_protocol_is_told_and_not_blamed(hub: Hub) -> None:
    """vmagent's first request is empty, and asks for its maker's own (zstd); after 415 it speaks Prometheus'."""
    assert (hub.send(b""), hub.send(block(), encoding="zstd")) == (415, 415)
    assert (hub.store.blocks, hub.counted()) == ([], {})


@pytest.mark.parametrize(("status", "told", "result"), [(500, 503, "store"), (400, 400, "refused")])
def test_what_prometheus_does_not_take_now_is_sent_again_and_what_it_never_takes_is_not(
    hub: Hub, status: int, told: int, result: str
) -> None:
    """An agent keeps a block after 5xx and drops it after 400."""
    hub.store.status = status
    assert hub.send(block()) == told
    assert hub.counted() == {("cafe", result): 1}


def test_copies_and_long_pieces_of_snappy_are_read() -> None:
    """All four kinds of elements; a copy that runs into itself repeats (format_description.txt, 2.2)."""
    assert (
        remote_write.unpacked(b"\x0a\x04ab\x11\x02\x00\x00"[:0] + b"\x0a" + b"\x04ab" + b"\x11\x02") == b"ab" * 5
    )  # length 8, back 2
    assert remote_write.unpacked(b"\x06" + b"\x08abc" + b"\x0a\x03\x00") == b"abcabc"
    assert remote_write.unpacked(b"\x06" + b"\x08abc" + b"\x0b\x03\x00\x00\x00") == b"abcabc"
    long = bytes(range(256)) * 2
    assert remote_write.unpacked(made.varint(512) + b"\xf4" + (511).to_bytes(2, "little") + long) == long


def test_what_is_recorded_of_our_own_programs_is_what_they_tell() -> None:
    """tests/monitor/exported/own.txt, by which rules are judged."""
    lines = (EXPORTED / "own.txt").read_text().splitlines()
    told = {*monitor_facts.HELP, *(name for name, _ in receiver.HELP)}
    assert {line for line in lines if not line.startswith("#")} == told


def test_a_field_that_go_would_take_for_another_is_no_way_round(hub: Hub) -> None:
    """Prometheus cuts a field's number to 32 bits: beside an honest series, one of another office under such a number is refused.

    So is whatever has a time that nobody judged: a histogram, an exemplar, a number of more than 64 bits.
    """
    honest = made.request(made.series(CAFE, {NOW_MS: 1.0}))
    forged = made.series([*CAFE[:3], ("office", "bakery")], {NOW_MS: 1.0})
    unjudged = made.request(made.series(CAFE, {NOW_MS: 1.0}) + made.field(4, b"\x78\x01"))

    assert hub.send(made.literal(honest + made.field(1 + (1 << 32), forged))) == 400
    assert hub.send(made.literal(honest + made.field(2, forged))) == 400
    assert hub.send(made.literal(honest + unjudged)) == 400
    assert hub.send(made.literal(honest + b"\xff" * 9 + b"\x7f")) == 400
    assert hub.store.blocks == []
    assert hub.send(made.literal(honest)) == 204
