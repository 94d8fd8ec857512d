"""What monitors want to know of a machine of ours, for node-exporter's textfile collector; as root, standard library only.

Runs by a timer, with nobody to ask: backups, certificates, drift, the way in. Written beside and renamed, so that a half is never
read. What cannot be seen has no line, and `provisioner_facts_missing` says so. Set by the office's pack.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from provisioner.hosts.programs.condition import backups, certificates, drift

OUT = "/var/lib/prometheus/node-exporter/provisioner_facts.prom"
SOCKET = "/run/office-remote/socket"
CERTIFICATES = [
    "/etc/nginx/tls/*.crt", "/etc/samba/tls/office.crt", "/etc/postfix/tls.pem", "/etc/letsencrypt/live/*/cert.pem",
    "/etc/office-metrics/hub.pem",
]  # fmt: skip
HELP = {
    "provisioner_backup_success_timestamp_seconds": "When a place last got a backup; 0: never.",
    "provisioner_certificate_end_timestamp_seconds": "When a certificate on this machine ends.",
    "provisioner_drift_files": "Files that are not as the last apply wrote them.",
    "provisioner_router_drift_files": "Files of the router that are not as the last push left them.",
    "provisioner_remote_open": "Whether the office has its way in open.",
    "provisioner_remote_heard_timestamp_seconds": "When the hub was last heard in the way in; 0: never.",
    "provisioner_facts_missing": "What could not be seen.",
    "provisioner_facts_timestamp_seconds": "When all this was looked at.",
}
Sample = tuple[str, str, float]


def labels(**given: str) -> str:
    """Labels in Prometheus' text format; what is no text it takes is escaped or replaced."""
    said = {name: text.encode("utf-8", "replace").decode() for name, text in given.items()}
    return ",".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in said.items())


def of_backups() -> Iterator[Sample]:
    """Of each place."""
    for place, known in (backups() or {}).items():
        when = known.get("last_success")
        moment = datetime.fromisoformat(when).timestamp() if when else 0
        yield "provisioner_backup_success_timestamp_seconds", labels(place=place), moment


def of_certificates() -> Iterator[Sample]:
    """Of each file."""
    for path, end in certificates(CERTIFICATES).items():
        yield "provisioner_certificate_end_timestamp_seconds", labels(path=path), end


def of_drift() -> Iterator[Sample]:
    """How many files, where something is noted to compare with."""
    found = drift()
    if found["files"] is not None:
        yield "provisioner_drift_files", "", len(found["files"])
    if found["pushed"] is not None:
        yield "provisioner_router_drift_files", "", len(found["pushed"])


def of_remote() -> Iterator[Sample]:
    """Where the office's tunnel ends: whether it is open, and when the hub was heard."""
    if not os.path.exists(SOCKET):
        return
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(SOCKET)
        line.sendall(b'{"do": "status", "who": "monitor"}\n')
        with line.makefile() as answer:
            said = json.loads(answer.readline(1 << 20))
    yield "provisioner_remote_open", "", float(not said.get("closed"))
    heard = [float(peer.get("heard") or 0) for peer in said.get("peers", [])]
    if heard:
        yield "provisioner_remote_heard_timestamp_seconds", "", max(heard)


def text(found: list[Sample]) -> str:
    """Each metric's lines together."""
    lines = []
    for name, told in HELP.items():
        values = [f"{name}{{{said}}} {value:.0f}\n" for one, said, value in found if one == name]
        if values:
            lines += [f"# HELP {name} {told}\n# TYPE {name} gauge\n", *values]
    return "".join(lines)


def main() -> None:
    """Look, and write it; what fails costs the others nothing."""
    found: list[Sample] = []
    sections: dict[str, Callable[[], Iterator[Sample]]] = {
        "backup": of_backups, "certificates": of_certificates, "drift": of_drift, "remote": of_remote,
    }  # fmt: skip
    for name, look in sections.items():
        try:
            seen = list(look())
        except Exception:
            found.append(("provisioner_facts_missing", labels(what=name), 1))
        else:
            found += [*seen, ("provisioner_facts_missing", labels(what=name), 0)]
    found.append(("provisioner_facts_timestamp_seconds", "", time.time()))
    with open(OUT + ".new", "w", encoding="utf-8") as file:
        file.write(text(found))
    os.chmod(OUT + ".new", 0o644)
    os.rename(OUT + ".new", OUT)


if __name__ == "__main__":
    main()
