"""Alertmanager asked over its own interface (API v2): a silence for a maintenance window, an alert that tries the whole way."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from provisioner.errors import BadInput, Unreachable, Unreadable

TEST = "ProvisionerTest"
LONGEST = timedelta(days=30)
ANSWER_S = 15.0
LIMIT_BYTES = 8 << 20
PATIENCE_S = 90.0  # three times the route's group_wait
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_COUNTED = re.compile(
    r'^alertmanager_notification_requests(_failed)?_total\{integration="(\w+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Way:
    """How a made-up alert fared: its `receivers`, and by kind (`email`, `webhook`) how many were due, taken and refused."""

    receivers: tuple[str, ...]
    due: Mapping[str, int]
    taken: Mapping[str, int]
    refused: Mapping[str, int]

    @property
    def arrived(self) -> bool:
        """Whether every relay and webhook took what was due; nothing due is no success."""
        return (
            bool(self.due)
            and not any(self.refused.values())
            and all(self.taken.get(kind, 0) >= n for kind, n in self.due.items())
        )


def duration(text: str) -> timedelta:
    """`30m`, `2h`, `3d`.

    Raises:
        BadInput: it is none, or longer than 30 days.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    if not found or (asked := timedelta(**{_UNITS[found[2]]: int(found[1])})) > LONGEST:
        raise BadInput(f"{text[:40]!r} is no time of at most 30 days", hint="as 30m, 2h or 3d")
    return asked


def silence(url: str, office: str, lasting: timedelta, because: str, by: str) -> str:
    """Let an office's alerts reach nobody for a while; the silence's id, once Alertmanager says that it holds.

    Raises:
        Unreachable, Unreadable: Alertmanager does not answer, or not as it should.
    """
    now = datetime.now(UTC)
    matcher = {"name": "office", "value": office, "isRegex": False, "isEqual": True}
    asked = {
        "matchers": [matcher], "startsAt": now.isoformat(), "endsAt": (now + lasting).isoformat(), "createdBy": by,
        "comment": because,
    }  # fmt: skip
    made = str(_asked(url, "/api/v2/silences", asked)["silenceID"])
    if _asked(url, f"/api/v2/silence/{urllib.parse.quote(made)}")["status"]["state"] != "active":
        raise Unreadable(
            f"Alertmanager took the silence {made} and does not keep it", hint=f"amtool silence query --alertmanager.url {url}"
        )
    return made


def try_way(url: str, offices: Sequence[str], say: Callable[[str], None], patience_s: float = PATIENCE_S) -> Way:
    """Send a made-up alert of each office, critical and not, and one of the hub; wait until mail and webhook took them.

    Raises:
        Unreachable, Unreadable: Alertmanager does not answer, or not as it should.
    """
    before, now = _counted(url), datetime.now(UTC)
    labels = [
        {"severity": "warning"},
        *({"office": one, "severity": level} for one in offices for level in ("critical", "warning")),
    ]
    alerts = [
        {
            "labels": {"alertname": TEST, **one},
            "annotations": {"summary": "A test of the way that alerts take", "description": "Nothing is wrong."},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=10)).isoformat(),
        }
        for one in labels
    ]  # fmt: skip
    _asked(url, "/api/v2/alerts", alerts)
    say(f"{len(alerts)} made-up alerts are under way")
    try:
        routed = _asked(url, f"/api/v2/alerts?filter={urllib.parse.quote(f'alertname={TEST}')}")
        receivers = tuple(sorted({receiver["name"] for one in routed for receiver in one["receivers"]}))
        due = _due(_asked(url, "/api/v2/status")["config"]["original"], receivers)
        until = time.monotonic() + patience_s
        while True:
            counted = _counted(url)
            refused = {kind: int(counted[True, kind] - before[True, kind]) for kind in due}
            taken = {kind: int(counted[False, kind] - before[False, kind]) - refused[kind] for kind in due}
            way = Way(receivers, due, taken, refused)
            if way.arrived or any(refused.values()) or time.monotonic() > until:
                return way
            time.sleep(1)
    except (KeyError, TypeError, yaml.YAMLError) as problem:
        raise Unreadable(f"Alertmanager at {url} answers in another way than API v2: {problem!r}") from None
    finally:
        ended = datetime.now(UTC).isoformat()
        _asked(url, "/api/v2/alerts", [one | {"endsAt": ended} for one in alerts])


def _due(config: str, receivers: Sequence[str]) -> dict[str, int]:
    """How many notifications a receiver sends, by kind: one for each of its places."""
    due: Counter[str] = Counter()
    for one in yaml.safe_load(config)["receivers"]:
        if one["name"] in receivers:
            for name, places in one.items():
                if name.endswith("_configs") and places:
                    due[name.removesuffix("_configs")] += len(places)
    return dict(due)


def _counted(url: str) -> Counter[tuple[bool, str]]:
    """Alertmanager's own counters of tries that ended: (failed, kind) -> how many since it started."""
    found: Counter[tuple[bool, str]] = Counter()
    for failed, kind, number in _COUNTED.findall(_text(url, "/metrics")):
        found[bool(failed), kind] += int(float(number))
    return found


def _asked(url: str, path: str, data: object = None) -> Any:
    said = _text(url, path, data)
    try:
        return json.loads(said) if said.strip() else None
    except ValueError:
        raise Unreadable(f"{url}{path} answers with what is no JSON", hint=f"curl {url}/api/v2/status") from None


def _text(url: str, path: str, data: object = None) -> str:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url.rstrip("/") + path, body, {"Content-Type": "application/json"})  # noqa: S310 - judged by the verb
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - the same
            said: bytes = answer.read(LIMIT_BYTES)
    except urllib.error.HTTPError as problem:
        told = " ".join(problem.read(300).decode(errors="replace").split())
        raise Unreadable(f"Alertmanager at {url} refuses: {told or problem.reason}", hint=f"curl {url}/api/v2/status") from None
    except (OSError, ValueError) as problem:
        what = f"Alertmanager at {url} does not answer: {getattr(problem, 'reason', problem)}"
        raise Unreachable(what, hint="systemctl status prometheus-alertmanager") from None
    return said.decode(errors="replace")
