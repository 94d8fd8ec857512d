"""An office that was verified, made for tests of records: the example's dossier and summaries as `verify` keeps them."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.documents.ledger import sha256
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from provisioner.runs import audit
from provisioner.verify.table import RESTARTED, TITLES
from tests import network

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TESTED = NOW - timedelta(hours=1)
BY = ("c.lefevre", "Céline Lefèvre", "c.lefevre@lumiere.example")
LONG = "Établissements Ramirez-Château-Thébaud et associés, anciennement Comptoir général de la boulangerie artisanale " * 2
# What a client may be called: each of these once stood somewhere as code.
NASTY = (
    "L'Hôte {{ 7*7 }} {sentence} {0.__class__}",
    "<b>gras</b> & <script>alert(1)</script>",
    "\u202eeugir ומש",
    LONG[:200],
    "x" * 200,
)


def office(root: Path, *, lab: bool = False, history: bool = False) -> Target:
    """The example office in a network of its own; with `history`, a git repository with one commit."""
    network.with_office(root)
    if history:
        git(root, "init", "-q", "-b", "main")
        git(root, "config", "user.name", "Test")
        git(root, "config", "user.email", "test@provisioner.example")
        save(root, "an office")
    return Target(root, "demo", lab)


def git(root: Path, *words: str) -> str:
    """One git command; what it said."""
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout


def save(root: Path, message: str) -> None:
    """Commit everything."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "--no-gpg-sign", "-m", message)


def iso(moment: datetime) -> str:
    """As files have it."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def findings() -> list[Finding]:
    """Everything a whole verification tries, and all is well."""
    said = "Une ligne du journal\net une autre: \u202eRTL {{ 7*7 }} <b>"
    return [
        Finding(check, Level.OK, "{host} answers.", {"host": "server"}, "server", said, 1.2, TESTED.timestamp())
        for check in TITLES
        if check != RESTARTED
    ]


def system(kind: str) -> dict[str, Any]:
    """What a machine says of itself."""
    packages = {"samba-ad-dc": "2:4.22.6+dfsg-0+deb13u1", "restic": "0.18.0-1+b5"} if kind == "server" else {}
    return {
        "id": "debian", "version": "13", "pretty": "Debian GNU/Linux 13 (trixie)", "kernel": "6.12.57+deb13-amd64",
        "serial": "SN-1", "model": "A machine", "packages": {"openssh-server": "1:10.0p1-7", **packages},
    }  # fmt: skip


def summary(target: Target, **changed: Any) -> dict[str, Any]:
    """The summary of a verification as `verify` keeps it; `changed` replaces entries."""
    hosts = ("router", "server", "desktop")
    return {
        "run": "20261123T082500Z-ab12", "office": target.office, "verb": "verify", "technician": "c.lefevre", "lab": target.lab,
        "started": iso(TESTED - timedelta(minutes=1)), "finished": iso(TESTED), "status": "passed", "reboot": False,
        "from": "desktop", "hosts_wanted": list(hosts), "findings": [one.as_object() for one in findings()],
        "systems": {host: system(host) for host in hosts}, "applied": dict.fromkeys(hosts, "20261123T080000Z-0001"),
        "dossier_sha256": sha256(target.folder / "dossier.yml"), "pack": "standard-2026.1", "roles_sha256": "0" * 64,
        **changed,
    }  # fmt: skip


def verified(target: Target, **changed: Any) -> Path:
    """Keep such a summary in the office's audit."""
    return audit.keep(target.summaries, summary(target, **changed))


def applied(target: Target, *, status: str = "changed", verb: str = "apply", run: str = "20261123T085000Z-cd34") -> Path:
    """Keep the summary of a run that came later."""
    started = iso(TESTED + timedelta(minutes=5))
    data = {"run": run, "office": target.office, "verb": verb, "lab": target.lab, "started": started, "status": status}
    return audit.keep(target.summaries, {**data, "hosts": {"server": {"ok": 9, "changed": int(status == "changed")}}})


def renamed(target: Target, **texts: str) -> None:
    """Put other texts into the dossier: `organisation`, `person` (zoe's), `contact`, `model`, `location`."""
    import yaml

    path = target.folder / "dossier.yml"
    data = yaml.safe_load(path.read_text())
    places = {
        "organisation": (data["organisation"], "name"), "contact": (data["organisation"]["contacts"][0], "name"),
        "person": (data["people"]["zoe"], "name"), "model": (data["hosts"]["server"], "model"),
        "location": (data["printers"]["bureau"], "location"), "group": (data["groups"], "boutique"),
    }  # fmt: skip
    for name, text in texts.items():
        where, key = places[name]
        where[key] = text
    for host in data["hosts"].values():  # YAML's dates, as a person writes them
        host.update({key: str(value) for key, value in host.items() if key in ("purchased", "warranty_end")})
    path.write_text(json.dumps(data, ensure_ascii=False, default=str))
