#!/usr/bin/env python3
"""receiver.py: takes what offices send to Prometheus (remote write), and lets each office speak for itself alone.

Debian's Prometheus believes every label and every time that it is sent: one office could speak for another, and one clock of 2100
would make it refuse all others. Behind the web server, which has TLS; before Prometheus, which gets a block as it came, one a
request, so that a bad one costs no other office anything. At /metrics stands who was refused, and why. Set by the office's pack.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from remote_write import Refused, judge

MOST_BODY = 8 << 20
AHEAD_S = 600  # a clock may be a little before ours
AT_ONCE = 4  # each may take some 70 MB while it is unpacked; see MemoryMax
PATIENCE_S = 30
HELP = (
    ("provisioner_receiver_requests_total", "Blocks by office and what became of them."),
    ("provisioner_receiver_samples_total", "Samples that were taken, by office."),
    ("provisioner_receiver_bytes_total", "Bytes that were taken, by office, as they came."),
)
STATUS = {"password": 401, "forged": 400, "clock": 400, "unreadable": 400, "too_large": 413, "busy": 503, "store": 503}


class Receiver:
    """Who may send, and what became of what was sent."""

    def __init__(self, config):
        self.offices = config["offices"]
        self.to = urllib.parse.urlsplit(config["to"])
        self.outage_s = config["outage_s"]
        self.counted = {name: Counter() for name, _ in HELP}
        self.lock = threading.Lock()
        self.places = threading.BoundedSemaphore(AT_ONCE)
        for office in self.offices:  # from the beginning, so that the first refusal is an increase
            for result in ("taken", *STATUS, "refused"):
                self.counted[HELP[0][0]][office, result] = 0

    def who(self, said):
        """The office that a request's Authorization names, and whether it has the password (RFC 7617)."""
        try:
            kind, _, text = (said or "").partition(" ")
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except ValueError:
            return "", False
        known = self.offices.get(name, "") if kind.lower() == "basic" else ""
        right = hmac.compare_digest(hashlib.sha256(password.encode()).hexdigest(), known or "-" * 64)
        return (name if known else ""), bool(known) and right

    def take(self, office, body, headers):
        """Hand a block on; the status for who sent it.

        Raises:
            Refused: it is not taken.
        """
        now = time.time()
        samples = judge(body, office, (now - self.outage_s) * 1000, (now + AHEAD_S) * 1000)
        there = http.client.HTTPConnection(self.to.hostname, self.to.port, timeout=PATIENCE_S)
        try:
            there.request("POST", self.to.path, body, headers)
            answer = there.getresponse()
            text = answer.read(2000).decode(errors="replace")
        except OSError as problem:
            raise Refused("store", f"Prometheus does not answer: {problem}") from None
        finally:
            there.close()
        if answer.status >= 500:
            raise Refused("store", f"Prometheus: {answer.status} {text[:200]}")
        if answer.status >= 300:  # it will not take this block at any time: the agent drops it
            self.count(office, "refused")
            print(f"{office}: Prometheus refuses: {answer.status} {text[:200]!r}", file=sys.stderr, flush=True)
            return 400
        self.count(office, "taken", samples, len(body))
        return 204

    def count(self, office, result, samples=0, size=0):
        """One more."""
        with self.lock:
            self.counted[HELP[0][0]][office, result] += 1
            if samples:
                self.counted[HELP[1][0]][office, ""] += samples
                self.counted[HELP[2][0]][office, ""] += size

    def metrics(self):
        """All counts in Prometheus' text format."""
        with self.lock:
            kept = {name: dict(counts) for name, counts in self.counted.items()}
        lines = []
        for name, told in HELP:
            lines.append(f"# HELP {name} {told}\n# TYPE {name} counter\n")
            for (office, result), number in sorted(kept[name].items()):
                more = f',result="{result}"' if result else ""
                lines.append(f'{name}{{office="{office}"{more}}} {number}\n')
        return "".join(lines).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    receiver = None
    timeout = PATIENCE_S

    def do_GET(self):
        """Only for Prometheus here: the web server lets none of these through."""
        if self.path == "/metrics":
            self.answer(200, self.receiver.metrics())
        else:
            self.answer(404)

    def do_POST(self):
        """A block."""
        office, right = self.receiver.who(self.headers.get("Authorization"))
        try:
            if not right:
                raise Refused("password", "not the office's password")
            size = int(self.headers.get("Content-Length") or -1)
            if not 0 <= size <= MOST_BODY:
                raise Refused("too_large", f"a body of {size} bytes")
            body = self.rfile.read(size)
            if not body or self.headers.get("Content-Encoding") != "snappy":
                raise Refused("encoding", "no remote write")
            if not self.receiver.places.acquire(timeout=PATIENCE_S):
                raise Refused("busy", "too much at once")
            try:
                names = ("Content-Encoding", "Content-Type", "X-Prometheus-Remote-Write-Version")
                sent = {name: self.headers[name] for name in names if self.headers[name]}
                status = self.receiver.take(office, body, sent)
            finally:
                self.receiver.places.release()
        except Refused as why:
            if why.reason == "encoding":  # vmagent begins with an empty one: do we speak its maker's own protocol?
                self.answer(415)
                return
            self.receiver.count(office, why.reason)
            print(f"{office or 'somebody unknown'}: {why.reason}: {str(why)[:300]!r}", file=sys.stderr, flush=True)
            self.answer(STATUS[why.reason], f"{why.reason}\n".encode())
        except ValueError:
            self.answer(400)
        else:
            self.answer(status)

    def answer(self, status, body=b""):
        """Say it."""
        with contextlib.suppress(OSError):
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="monitoring"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        """What is refused is said where it is."""


def serve(config):
    """The server, listening, for whoever lets it run."""
    handler = type("OfficeHandler", (Handler,), {"receiver": Receiver(config)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", config["listen"]), handler)
    server.daemon_threads = True
    return server


def main():
    """Until it is ended."""
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    with serve(config) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
