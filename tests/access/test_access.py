"""Off-boarding a technician, as far as files tell: access list, revoke; what a host's answer means."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import access, runs
from provisioner.access import hosts as asked
from provisioner.cli.access import code
from provisioner.errors import BadInput
from provisioner.inventory import open_inventory, technicians
from provisioner.inventory.target import Target
from provisioner.laptop import disk
from provisioner.operation.lease import Mark
from provisioner.operation.marks import refuse_older_copy
from provisioner.runs import Event, audit, fold
from tests.verbs import Run, key, log, status

ROOT = Path(__file__).parents[2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43  # nobody has the private half
DAY = datetime(2026, 1, 2, tzinfo=UTC)


def reseller(net: Path) -> Any:
    return open_inventory(net).reseller("ma-scop")


@pytest.fixture
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `ssh` that reaches nobody: tests without a lab contact no address."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'connect to host x port 22: No route to host' >&2\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(asked, "on_lan", lambda _: False)


# ----------------------------------------------------------------------------------------- who has left


def test_who_left_is_written_down_with_every_key_they_ever_had(run: Run, scop: Path, keys: dict[str, str]) -> None:
    """They stand under `former:` with the day and the keys of before too; the rest of the file is as it was; one commit."""
    said = run("access", "revoke", "kim", "--yes", "--json")

    assert said.code == 0, said
    gone = reseller(scop).former["kim"]
    assert (gone.name, gone.left[:10]) == ("Kim {{ 7*7 }}", f"{datetime.now(UTC):%Y-%m-%d}")
    assert sorted(gone.keys) == sorted([keys["kim"], keys["kim-before"]])
    assert list(reseller(scop).technicians) == ["jo", "lou"]
    assert "technicians:  # who comes" in (scop / "resellers/ma-scop.yml").read_text()
    assert log(scop)[0] == "ma-scop: kim has left"
    assert status(scop) == ""
    assert run("access", "list", "--json").data["former"]["kim"]["left"] == gone.left
    assert run("access", "revoke", "kim", "--yes", "--json").code == 0  # again: nothing new
    assert log(scop)[0] == "ma-scop: kim has left"
    assert run("inventory", "check").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("jo", "--yes"), "jo is you"),
        (("nobody", "--yes"), "ma-scop has no technician 'nobody'"),
        (("../kim", "--yes"), "ma-scop has no technician '../kim'"),
        (("kim",), "nobody is there to answer"),
        ((), "who has left?"),
        (("kim", "--pending"), "kim has not left"),
        (("kim", "--lab"), "a lab is one office's"),
        (("kim", "--office", "nowhere", "--yes"), "no office 'nowhere'"),
    ],
)
def test_revoke_refuses(words: tuple[str, ...], message: str, run: Run, scop: Path) -> None:
    """Oneself, a stranger, nobody, an office that is none: one message, code 2, nothing changed."""
    before = (scop / "resellers/ma-scop.yml").read_bytes()

    said = run("access", "revoke", *words)

    assert said.code == 2, said
    assert message in said.err
    assert "Traceback" not in said.err
    assert (scop / "resellers/ma-scop.yml").read_bytes() == before
    assert status(scop) == ""


def test_the_last_technician_with_a_key_stays(run: Run, scop: Path, keys: dict[str, str]) -> None:
    """When the others have no key, shutting out the one who has it would leave nobody who gets in."""
    path = scop / "resellers/ma-scop.yml"
    path.write_text(path.read_text().replace(f"['{keys['jo']}']", "[]").replace(f"['{keys['lou']}']", "[]"))

    said = run("access", "revoke", "kim", "--yes")

    assert said.code == 2
    assert "kim is the last technician of ma-scop with a key" in said.err
    assert not reseller(scop).former


def test_a_key_of_two_people_is_refused_to_nobody(run: Run, scop: Path, keys: dict[str, str]) -> None:
    """A key that a colleague has too: said, and nothing is changed; it would have shut the colleague out."""
    path = scop / "resellers/ma-scop.yml"
    path.write_text(path.read_text().replace(keys["lou"], keys["kim"]))

    said = run("access", "revoke", "kim", "--yes")

    assert said.code == 2
    assert "this is a key of kim, who left" in said.err
    assert not reseller(scop).former


@pytest.mark.usefixtures("_away")
def test_who_asks_must_be_on_the_list_themselves(run: Run, scop: Path, tmp_path: Path) -> None:
    """With a key that the file does not have, nothing is begun: the hosts would lock the caller out too."""
    key(tmp_path, "stranger")
    subprocess.run(["git", "-C", str(scop), "config", "provisioner.key", str(tmp_path / "stranger")], check=True)
    name = next(iter(open_inventory(scop).office("bakery").hosts))
    disk.write(Target(scop, "bakery").known_hosts, f"{name}.bakery {KEY}\n")

    said = run("access", "revoke", "kim", "--yes")

    assert said.code == 2
    assert "lock you out" in said.err
    assert not reseller(scop).former


def test_a_key_of_somebody_who_left_comes_back_with_nobody(scop: Path, keys: dict[str, str]) -> None:
    """Written under a colleague, a key of theirs is an error of the file at its line; so is a login in both sections."""
    path = scop / "resellers/ma-scop.yml"
    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)
    path.write_text(path.read_text().replace(keys["lou"], keys["kim-before"]) + "  lou: {name: Lou, left: 2026-01-03}\n")

    with pytest.raises(BadInput) as refused:
        reseller(scop)

    assert "this is a key of kim, who left" in str(refused.value)
    assert "'lou' is a technician here too" in str(refused.value)


def test_the_login_of_who_left_is_no_persons(run: Run, scop: Path) -> None:
    """Their account is closed on every machine: somebody who works at the client's cannot bear its name."""
    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)

    said = run("person", "add", "bakery", "kim", "--name", "Kim")

    assert said.code == 2
    assert "is the login of a technician who left ma-scop" in said.err


# ---------------------------------------------------------------------------------------------- pending


def summary(net: Path, host: str, verb: str, *events: Event) -> None:
    target = Target(net, "bakery")
    begun = Event("run_started", detail={"run": runs.new_id(), "office": "bakery", "verb": verb, "refuses": {"kim": [host]}})
    audit.keep(target.summaries, audit.summary(fold([begun, *events, Event("run_finished", detail={"status": "x"})])))


def test_what_is_still_to_do_is_what_no_run_proves(run: Run, scop: Path) -> None:
    """An adopted host is on the list until a run says it was done there; one that failed since is on it again."""
    technicians.leave(open_inventory(scop), "ma-scop", "kim", datetime.now(UTC))
    target, hosts = Target(scop, "bakery"), sorted(open_inventory(scop).office("bakery").hosts)
    disk.write(target.known_hosts, "".join(f"{name}.bakery {KEY}\n" for name in hosts))

    def left() -> dict[str, list[str]]:
        return access.pending(target, reseller(scop))

    assert left() == {"kim": hosts}
    summary(scop, hosts[0], "access revoke", Event("host_ok", hosts[0]))
    assert left() == {"kim": hosts[1:]}
    summary(scop, hosts[1], "access revoke", Event("host_unreachable", hosts[1], detail={"problem": "off"}))
    assert left() == {"kim": hosts[1:]}
    summary(scop, hosts[1], "apply", Event("host_changed", hosts[1], "x"))
    assert left() == {"kim": hosts[2:]} if hosts[2:] else left() == {}
    summary(scop, hosts[0], "access revoke", Event("host_ok", hosts[0]), Event("host_failed", hosts[0], "x"))
    assert hosts[0] in left()["kim"]
    assert run("access", "list", "--json").data["pending"]["bakery"] == left()


def test_what_was_done_before_they_came_back_counts_for_nothing(scop: Path) -> None:
    """Who left, came back and left again is to be shut out again."""
    technicians.leave(open_inventory(scop), "ma-scop", "kim", datetime(2999, 1, 1, tzinfo=UTC))
    target, host = Target(scop, "bakery"), next(iter(open_inventory(scop).office("bakery").hosts))
    disk.write(target.known_hosts, f"{host}.bakery {KEY}\n")
    summary(scop, host, "access revoke", Event("host_ok", host))

    assert access.pending(target, reseller(scop)) == {"kim": [host]}


@pytest.mark.usefixtures("_away")
def test_unreachable_hosts_are_listed_and_remembered(run: Run, scop: Path) -> None:
    """Hosts that are pinned and away: exit 5, each on the list of what is to be done, in the audit, in git."""
    target, hosts = Target(scop, "bakery"), sorted(open_inventory(scop).office("bakery").hosts)
    disk.write(target.known_hosts, "".join(f"{name}.bakery {KEY}\n" for name in hosts))
    for ran in (1, 2):
        said = run("access", "revoke", "kim", "--office", "bakery", "--yes", "--json")
        assert said.code == 5, said
        assert said.data["pending"] == {"bakery": hosts}
        assert {one["state"] for one in said.data["offices"]["bakery"]["hosts"].values()} == {"unreachable"}
        assert access.pending(target, reseller(scop)) == {"kim": hosts}
        assert len(audit.summaries(target.summaries)) == ran
        assert status(scop) == "?? offices/bakery/known_hosts\n"
    assert run("access", "revoke", "--pending", "--json").code == 5
    assert audit.check(target.summaries) == []


def test_a_file_that_cannot_be_written_keeps_nobody_in(scop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that a host had and that cannot be written down are said, and are no reason to stop half-way."""
    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)
    disk.write(Target(scop, "bakery").known_hosts, f"{next(iter(open_inventory(scop).office('bakery').hosts))}.bakery {KEY}\n")
    jobs, _ = access.jobs(scop, ["bakery"], ["kim"], lab=False, late=False)

    def refused(*_: object) -> None:
        raise BadInput("somebody wrote it meanwhile")

    monkeypatch.setattr(technicians, "learn", refused)
    access._learn(jobs, "kim", [KEY])

    assert "not written down: somebody wrote it meanwhile" in jobs[0].office.problem
    assert code([job.office for job in jobs]) == 4


def test_an_older_copy_does_not_let_them_in_again(scop: Path) -> None:
    """A host remembers from which commit somebody was shut out; a copy without it is refused, as with any newer change."""
    mark = Mark(refused=(Mark(commit="0" * 40, technician="jo", at="2026-01-02"),))

    with pytest.raises(Exception, match="your copy is older: router was last set by jo on 2026-01-02"):
        refuse_older_copy(Target(scop, "bakery"), {"router": mark})
    refuse_older_copy(Target(scop, "bakery"), {"router": Mark()})


# -------------------------------------------------------------------------------- what a host's answer means

ANSWER: dict[str, Any] = {
    "changed": True, "look_at": [], "works": None, "who": {}, "strangers": [],
    "logins": {
        "kim": {"found": [{"what": "key", "where": "/x:1", "about": "SHA256:x"}], "left": [], "look_at": [], "unknown": []},
    },
}  # fmt: skip


def understood(**change: Any) -> asked.HostAnswer:
    one = ANSWER["logins"]["kim"] | change.pop("kim", {})
    call = asked.Call(Selection(), "router", {"do": "refuse", "logins": {"kim": []}})  # type: ignore[arg-type]
    return asked.understood(call, json.dumps(ANSWER | {"logins": {"kim": one}} | change), "")


class Selection:
    """What `understood` asks of it."""

    run_id = "r1"


def test_an_answer_is_a_success_only_when_it_is_proven() -> None:
    """Something left, somebody at work, a refusal, no answer: none of them is `refused`."""
    works = {"technician": "lou", "laptop": "l", "since": "s", "run": "r2"}
    call = asked.Call(Selection(), "router", {"do": "refuse", "logins": {"kim": []}})  # type: ignore[arg-type]

    assert understood().state == "refused"
    assert understood(kim={"left": ["/x still holds it"]}).state == "not_proven"
    assert understood(works=works).state == "again"
    assert understood(works=works, kim={"left": ["x"]}).state == "not_proven"
    assert understood(works=works | {"run": "r1"}).state == "refused"
    assert understood(wrong="the key this was asked with is one to be refused").state == "failed"
    for nonsense in ("", "[]", "null", '{"logins": 1}', '{"logins": {}}', "[" * 100_000, '{"logins": {"kim": {"found": 1}}}'):
        assert asked.understood(call, nonsense, "sudo: no").state == "failed", nonsense
    assert "sudo: no" in asked.understood(call, "", "x\nsudo: no\n").problem


@pytest.mark.parametrize(
    ("state", "status"),
    [("refused", "changed"), ("again", "failed"), ("not_proven", "failed"), ("unreachable", "unreachable")],
)
def test_what_became_of_a_host_is_what_the_audit_says(state: str, status: str) -> None:
    """Each thing of theirs is a change by name; only `refused` is done."""
    told = replace(understood(), state=state, address="" if state == "unreachable" else "192.0.2.1", problem="why")
    told = told if state != "unreachable" else replace(told, found=())

    run = fold(access.events(told))

    assert runs.verdict(run.hosts) == status
    job = {"login": "kim", "what": "cron", "where": "/y", "about": "* * * * * curl -u kim:secret"}
    events = list(access.events(replace(told, found=(job,), look_at=("/z runs something of kim's: a secret",))))
    assert "secret" not in str(events)  # what a job's line holds is shown, and never kept
    if told.found:
        assert [change.task for change in run.hosts["router"].changes] == ["kim: key /x:1 (SHA256:x)"]


@pytest.mark.parametrize("words", [("rotate",), ("rotate", "bakery", "--passphrase"), ("list", "--look"), ("rotate", "nowhere")])
def test_bad_words_change_nothing(words: tuple[str, ...], run: Run, scop: Path) -> None:
    """One message, code 2."""
    said = run("access", *words, *(() if words[0] == "list" else ("--yes",)))

    assert said.code == 2, said
    assert "Traceback" not in said.err
    assert status(scop) == ""


def test_role_base_is_told_who_left(scop: Path, keys: dict[str, str]) -> None:
    """The next apply knows whom to refuse and whom never, and by what: through our inventory plugin, as all else."""
    from provisioner.hosts import programs
    from provisioner.plays import handover

    for _, variables in handover.hosts(scop / "offices/bakery/dossier.yml").values():
        assert "refusal_program" not in variables["office"], "nobody left: nothing is to be run"
    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)
    for _, variables in handover.hosts(scop / "offices/bakery/dossier.yml").values():
        asked = variables["office"]["refusal"]
        assert sorted(asked["logins"]["kim"]) == sorted([keys["kim"], keys["kim-before"]])
        assert asked["stay"] == {"jo": [keys["jo"]], "lou": [keys["lou"]]}
        assert variables["office"]["refusal_program"] == programs.source("refuse")
    defaults = yaml.safe_load((ROOT / "playbooks/roles/base/defaults/main.yml").read_text())
    assert defaults["base_refusal"] == "{{ office.refusal }}"
    assert defaults["base_refusal_program"] == "{{ office.refusal_program | default('') }}"


def test_a_host_gets_the_program_as_it_is(scop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Role base's task gives Python what `access revoke` gives it: no brace in the program means anything to Ansible."""
    from provisioner.hosts import programs
    from provisioner.plays import handover

    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)
    dossier, base, given = scop / "offices/bakery/dossier.yml", ROOT / "playbooks/roles/base", tmp_path / "given"
    (name, (_, variables)), *_ = handover.hosts(dossier).items()
    text = f"{{{{ lookup('ansible.builtin.template', '{base}/templates/refuse.j2') }}}}"
    task = {"ansible.builtin.copy": {"content": text, "dest": str(given), "mode": "0600"}}
    play = {"hosts": name, "connection": "local", "vars_files": [f"{base}/defaults/main.yml"], "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "playbooks/ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "ansible"))
    monkeypatch.setenv("ANSIBLE_REMOTE_TMP", str(tmp_path / "ansible/remote"))

    words = [sys.executable, "-m", "ansible", "playbook", "-i", str(dossier), str(tmp_path / "play.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done
    program, asked = map(json.loads, given.read_text().splitlines())
    assert program == programs.source("refuse")
    assert asked == variables["office"]["refusal"] | {"do": "refuse"}
