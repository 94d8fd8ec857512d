"""A machine of the office was taken over: whatever it answers, it learns nobody else's secrets and breaks nobody else's work."""

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.light import bring_up, inside, light
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab

# What a taken-over router says of itself in every answer: a server with all that a server is sent.
CLAIM = {
    "name": "router", "kind": "server", "platform": "debian", "address": "192.168.1.1", "mac": "02:00:5e:5e:87:df", "model": "",
    "serial": "", "purchased": None, "warranty_end": None, "person": None,
    "roles": ["base", "mail_relay", "backup"],
    "settings": {"base": {"network": False, "firewall": False}, "backup": {"keep_within": "1y"}, "mail_relay": {}},
    "ports": [{"role": "base", "port": 22, "last": 22, "protocol": "tcp"}], "environment": {}, "met_at": "192.168.1.1",
}  # fmt: skip
ADDED: dict[str, dict[str, Any]] = {
    "facts": {"ansible_facts": {"this_host": CLAIM, "services": {"postfix.service": {}}}},
    # how it, or another, is reached; which hosts and groups there are; what Ansible keeps for itself; words of other types
    "marks": {
        "ansible_facts": {
            "ansible_host": "192.168.1.10",
            "ansible_user": "root",
            "ansible_ssh_common_args": "-o ProxyCommand=false",
        },
        "add_host": {"host_name": "server", "groups": ["kind_desktop"], "host_vars": {"this_host": CLAIM, "ansible_host": "x"}},
        "add_group": "kind_desktop",
        "ansible_stats": {"data": {"x": 1}, "per_host": False, "aggregate": True},
        "_ansible_no_log": False,
        "__ansible_type": "TaggedStr",
        "results": [{"changed": True, "diff": 5}],
        "diff": [{"before": 5, "after": {"_ansible_x": 1}, "before_header": None}],
        "stdout_lines": 5,
    },
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An honest server with its backups, and a router."""
    roles = {"server": ("base", "mail_relay", "backup"), "router": ("base",)}
    stage = light(tmp_path_factory.mktemp("hostile"), roles)
    try:
        bring_up(stage)
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        assert stage.json("backup", "run", "demo", "--lab").code == 0
        yield stage
    finally:
        stage.run("lab", "down", "demo")


@contextmanager
def taken_over(stage: Stage, host: str, how: str, answer: dict[str, Any] | None = None) -> Iterator[None]:
    """Somebody has a host's root while this lasts."""
    program = (Path(__file__).parent / "hostile.py").read_text().replace("#!/usr/bin/python3\n", "", 1)
    inside(stage, host, "rm -rf /root/loot; mv /usr/bin/python3 /root/python3")
    real = inside(stage, host, "ls /usr/bin/python3.[0-9]* | head -n 1").strip()
    text = shlex.quote(f"#!{real}\n{program}")
    inside(stage, host, f"printf %s {shlex.quote(json.dumps({'how': how, 'answer': answer or {}}))} > /root/hostile.json")
    inside(stage, host, f"printf %s {text} > /usr/bin/python3; chmod 755 /usr/bin/python3")
    try:
        yield
    finally:
        inside(stage, host, "mv /root/python3 /usr/bin/python3")


def leaves(value: object) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        yield value


def secrets(stage: Stage) -> dict[str, str]:
    """What no router is sent: the provider's password, the backups' password and key, the authority's key, people's passwords."""
    found: dict[str, Any] = stage.json("secrets", "show", "demo", "--lab").data
    names = {section: list(leaves(found.get(section))) for section in ("mail", "backup", "people", "directory", "lab")}
    texts = {f"{name}.{n}": text for name, some in names.items() for n, text in enumerate(some) if len(text) > 11}
    if key := found.get("tls", {}).get("authority_key"):
        texts["tls"] = key
    assert {"mail", "backup", "people"} <= {name.partition(".")[0] for name in texts}, found
    return {name: text for name, text in texts.items() if "ssh-ed25519" not in text and "BEGIN CERTIFICATE" not in text}


def loot(stage: Stage, host: str) -> str:
    """All that the taken-over machine was sent."""
    return inside(stage, host, "cat /root/loot/* 2>/dev/null | tr '\\0' '\\n' || true")


def lines(text: str) -> list[str]:
    """The lines of a secret that tell it from others."""
    return [line for line in text.splitlines() if len(line) > 11 and "PRIVATE KEY" not in line][:3]


def quiet(said: CommandResult) -> bool:
    """Whether it ended as documented, without a traceback and with nothing that moves a terminal."""
    assert said.code in (0, 3, 4, 5, 6, 7), said
    assert "Traceback" not in said.out + said.err
    assert not {"\x1b", "\x07", "\u202e"} & set(said.out + said.err), said
    return True


@pytest.mark.parametrize(
    ("verb", "added"),
    [
        ("plan", "facts"),
        pytest.param("apply", "facts", marks=pytest.mark.deep),
        pytest.param("plan", "marks", marks=pytest.mark.deep),
    ],
)
def test_what_a_host_says_of_itself_chooses_nothing(office: Stage, verb: str, added: str) -> None:
    """It calls itself a server with backups, adds hosts and groups, overrides how it is reached: it is sent a router's things."""
    known = secrets(office)
    with taken_over(office, "router", "facts", ADDED[added]):
        said = office.json(verb, "demo", "--lab", *(["--yes"] if verb == "apply" else []))
        sent = loot(office, "router")

    assert quiet(said)
    assert set(said.data["hosts"]) == {"router", "server"}
    assert said.data["hosts"]["server"]["failed"] == said.data["hosts"]["server"]["unreachable"] == 0
    assert [name for name, text in known.items() for line in lines(text) if line in sent] == []
    assert "ansible" in sent  # it was sent what is its own
    if verb == "plan":
        assert [change["task"] for change in said.data["changes"]["router"] if "mail_relay" in change["task"]] == []


HOWS = ("huge", "types", "nested", "escapes")


def cases(quick: dict[str, tuple[str, ...]]) -> list[Any]:
    """Every verb with every answer; those that take a run each and look at what another has shown are long."""
    return [
        pytest.param(verb, how, marks=[] if how in shown else pytest.mark.deep, id=f"{verb}-{how}")
        for verb, shown in quick.items()
        for how in HOWS
    ]


@pytest.mark.parametrize(
    ("verb", "how"),
    cases({"plan": ("huge",), "apply": (), "backup": (), "access": HOWS, "runs": HOWS}),
)
def test_answers_that_are_none_are_that_hosts_failure_alone(office: Stage, verb: str, how: str) -> None:
    """300 MB, other types, a hundred thousand brackets, escapes: the host is named, the others are done."""
    words = {
        "plan": ("plan", "demo", "--lab"), "apply": ("apply", "demo", "--lab", "--yes"),
        "backup": ("backup", "run", "demo", "--lab", "--place", "disk"), "access": ("access", "list", "demo", "--lab", "--look"),
        "runs": ("runs", "check", "demo", "--lab"),
    }[verb]  # fmt: skip
    began = time.monotonic()
    with taken_over(office, "router", how):
        said = office.run(*words) if verb not in ("plan", "apply") or how == "escapes" else office.json(*words)

    assert quiet(said)
    assert time.monotonic() - began < 240
    if verb in ("plan", "apply") and how != "escapes":
        server = said.data["hosts"]["server"]
        assert server["ok"] > 10
        assert server["failed"] == server["unreachable"] == 0
        assert said.code in (4, 5)
        assert said.data["problems"].get("router"), said
    if verb == "backup":
        assert said.code == 0, said
    if verb == "access" and how != "escapes":
        assert said.code == 4
        assert "router" in said.out + said.err
    if verb == "runs" and how != "escapes":
        assert "router" in said.out


@pytest.mark.parametrize(("verb", "how"), cases({"list": HOWS, "run": (), "restore": ("huge",)}))
def test_a_server_that_was_taken_over_breaks_no_verb_of_the_backups(office: Stage, verb: str, how: str) -> None:
    """Its backup program answers what it likes: one message, a documented exit code."""
    program = "/usr/local/sbin/office-backup"
    inside(office, "server", f"cp {program} /root/office-backup; sed -i '1s,.*,#!/usr/bin/python3,' {program}")
    more = ["--yes", "--path", "/etc/office.json"] if verb == "restore" else []
    with taken_over(office, "server", how):
        said = office.run("backup", verb, "demo", "--lab", *more)
    inside(office, "server", f"mv /root/office-backup {program}")

    assert quiet(said)
    if how in ("huge", "types"):
        assert said.code != 0


MARKS = {"applied": '{"commit": 5}', "lease": "5", "refused": "[]", "backup": "5"}


@pytest.mark.parametrize("mark", [pytest.param(name, marks=pytest.mark.deep) for name in MARKS])
def test_a_torn_mark_is_that_hosts_alone_and_can_be_mended(office: Stage, mark: str) -> None:
    """Whatever lies on a host, the verb says which host, does the others, and --force on that host makes the mark new."""
    inside(office, "router", f"cp /var/lib/provisioner/{mark}.json /root/kept || true")
    inside(office, "router", f"printf %s {shlex.quote(MARKS[mark])} > /var/lib/provisioner/{mark}.json")

    said = office.json("plan", "demo", "--lab")
    assert quiet(said)
    assert said.data["hosts"]["server"]["ok"] > 10
    assert (said.code == 4) is (mark in ("applied", "refused"))
    if said.code == 4:
        assert "torn" in said.data["problems"]["router"]["problem"]
        assert "provisioner apply demo --lab --host router --force" in said.data["problems"]["router"]["problem"]
    done = office.json("apply", "demo", "--lab", "--yes", "--host", "router", *(["--force"] if said.code == 4 else []))
    assert done.code == 0, done
    assert office.json("plan", "demo", "--lab").code == 0
