"""Off-boarding a technician, as far as files tell: access list, revoke, rotate; what a host's answer means."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from provisioner import access, runs
from provisioner.cli.access import code
from provisioner.errors import BadInput
from provisioner.inventory import ansible_vault, disk, open_inventory, sitting, technicians, vault
from provisioner.inventory.target import Target
from provisioner.lease import refuse_older_copy
from provisioner.runs import Event, fold
from tests.verbs import BAKERY, PASSPHRASE, Run, log, status

ROOT = Path(__file__).parents[1]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43  # nobody has the private half
DAY = datetime(2026, 1, 2, tzinfo=UTC)
REFUSE = ROOT / "playbooks/roles/base/files/refuse.py"


def key(folder: Path, name: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return " ".join((folder / f"{name}.pub").read_text().split()[:2])


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A key each."""
    return {name: key(tmp_path, name) for name in ("jo", "kim", "kim-before", "lou")}


@pytest.fixture
def scop(run: Run, net: Path, keys: dict[str, str], tmp_path: Path) -> Path:
    """An inventory of three technicians: jo, who works here, kim, who had another key before, and lou; one office."""
    path = net / "resellers/ma-scop.yml"
    text = path.read_text()
    assert "technicians:\n  jo:" in text
    head = text[: text.index("technicians:")]

    def write(kim: str) -> None:
        people = {"jo": ("Jo L'Hôte", keys["jo"]), "kim": ("Kim {{ 7*7 }}", kim), "lou": ("Lou", keys["lou"])}
        path.write_text(
            head
            + "technicians:  # who comes\n"
            + "".join(f"  {login}:\n    name: {json.dumps(name)}\n    keys: ['{one}']\n" for login, (name, one) in people.items())
        )
        subprocess.run(["git", "-C", str(net), "commit", "-q", "-a", "-m", "technicians"], check=True, env=GIT)

    write(keys["kim-before"])
    write(keys["kim"])
    subprocess.run(["git", "-C", str(net), "config", "provisioner.key", str(tmp_path / "jo")], check=True)
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé N'Diaye").code == 0
    return net


GIT = {"PATH": "/usr/bin:/bin", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@x.example", "GIT_COMMITTER_NAME": "t",
       "GIT_COMMITTER_EMAIL": "t@x.example", "GIT_CONFIG_GLOBAL": "/dev/null"}  # fmt: skip


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
    monkeypatch.setattr(access, "on_lan", lambda _: False)


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
    runs.keep(target.summaries, runs.summary(fold([begun, *events, Event("run_finished", detail={"status": "x"})])))


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
        assert len(runs.summaries(target.summaries)) == ran
        assert status(scop) == "?? offices/bakery/known_hosts\n"
    assert run("access", "revoke", "--pending", "--json").code == 5
    assert runs.check(target.summaries) == []


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
    mark = {"commit": None, "refused": [{"commit": "0" * 40, "technician": "jo", "at": "2026-01-02"}]}

    with pytest.raises(Exception, match="your copy is older: router was last set by jo on 2026-01-02"):
        refuse_older_copy(scop, {"router": mark})
    refuse_older_copy(scop, {"router": {"commit": None, "refused": []}})


# -------------------------------------------------------------------------------- what a host's answer means

ANSWER: dict[str, Any] = {
    "changed": True, "look_at": [], "works": None, "who": {}, "strangers": [],
    "logins": {
        "kim": {"found": [{"what": "key", "where": "/x:1", "about": "SHA256:x"}], "left": [], "look_at": [], "unknown": []},
    },
}  # fmt: skip


def understood(**change: Any) -> access.Told:
    one = ANSWER["logins"]["kim"] | change.pop("kim", {})
    call = access.Call(Work(), "router", {"do": "refuse"})  # type: ignore[arg-type]
    return access.understood(call, json.dumps(ANSWER | {"logins": {"kim": one}} | change), "")


class Work:
    """What `understood` asks of it."""

    run_id = "r1"


def test_an_answer_is_a_success_only_when_it_is_proven() -> None:
    """Something left, somebody at work, a refusal, no answer: none of them is `refused`."""
    works = {"technician": "lou", "laptop": "l", "since": "s", "run": "r2"}
    call = access.Call(Work(), "router", {"do": "refuse"})  # type: ignore[arg-type]

    assert understood().state == "refused"
    assert understood(kim={"left": ["/x still holds it"]}).state == "not_proven"
    assert understood(works=works).state == "again"
    assert understood(works=works, kim={"left": ["x"]}).state == "not_proven"
    assert understood(works=works | {"run": "r1"}).state == "refused"
    assert understood(wrong="the key this was asked with is one to be refused").state == "failed"
    for nonsense in ("", "[]", "null", '{"logins": 1}'):
        assert access.understood(call, nonsense, "sudo: no").state == "failed", nonsense
    assert "sudo: no" in access.understood(call, "", "x\nsudo: no\n").problem


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


# --------------------------------------------------------------------------- the program, without a machine


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """`refuse.py` as a module."""
    module = ModuleType("refuse")
    exec(compile(REFUSE.read_text(), str(REFUSE), "exec"), module.__dict__)
    return module


def test_keys_are_known_however_they_are_written(program: ModuleType, keys: dict[str, str], tmp_path: Path) -> None:
    """Behind options, as an authority, with another comment: one key; a commented line is none."""
    one = keys["kim"]
    wanted = program.of([one])

    for line in (
        one, f"{one} somebody else", f'command="echo hi",no-pty {one} x', f"cert-authority {one}", f"  {one}\r", f"\t{one}",
        f'from="10.0.0.0/8" {one}',
    ):  # fmt: skip
        assert {k for _, k in program.keys_in(line.encode())} == wanted, line
    assert program.keys_in(f"# {one}".encode()) == []
    assert program.keys_in(b"ssh-ed25519 !!!! \xff\xfe") == []
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "kim.pub")], capture_output=True, text=True, check=True)
    assert program.fingerprint(next(iter(wanted))) == said.stdout.split()[1]


def test_only_lines_with_their_key_go(program: ModuleType, keys: dict[str, str], tmp_path: Path) -> None:
    """The rest of a file of keys stays byte for byte, with owner and mode; a link is followed, and stays a link."""
    real = tmp_path / "real"
    others = f"# {keys['kim']}\n\n{keys['lou']} lou\r\nnot a key \xff".encode("latin-1")
    real.write_bytes(f"{keys['kim']} kim\n".encode() + others)
    real.chmod(0o640)
    link = tmp_path / "authorized_keys"
    link.symlink_to(real)

    program.without(str(link), program.of([keys["kim"]]))

    assert real.read_bytes() == others
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_jobs_of_the_system_that_run_as_them(program: ModuleType) -> None:
    """The sixth word of a line of /etc/crontab, the second after @reboot; never a comment, a setting or another's job."""
    runs_as = program.Leaver.runs_as

    class Kim:
        login = "kim"

    for line in ("* * * * * kim /x", "@daily kim /x", "*/5\t0 * * 1-5\tkim /x"):
        assert runs_as(Kim, line), line
    for line in ("# * * * * * kim /x", "* * * * * root kim", "PATH=/kim", "", "* * * * * kimono /x", "@daily root /home/kim/x"):
        assert not runs_as(Kim, line), line


def test_the_program_runs_on_the_oldest_python_we_serve() -> None:
    """Debian 12 has Python 3.11: what a host runs as root compiles there, and needs the standard library alone."""
    imported = {line.split()[1] for line in REFUSE.read_text().splitlines() if line.startswith("import ")}

    compile(REFUSE.read_text(), str(REFUSE), "exec")
    assert imported <= set(sys.stdlib_module_names)


# ---------------------------------------------------------------------------------------------- secrets


def test_rotate_makes_new_what_apply_takes_over(run: Run, scop: Path) -> None:
    """Machines, directory, authority, repositories: new, under a new key; people's and mail's stay and are listed by hand."""
    target = Target(scop, "bakery")
    before, key_before = vault.read(target), (scop / "offices/bakery/vault.key").read_text()

    listed = run("access", "rotate", "bakery", "--list", "--json")
    assert vault.read(target) == before

    said = run("access", "rotate", "bakery", "--yes", "--json")

    assert said.code == 0, said
    assert listed.data["rotates"] == said.data["rotated"]
    assert listed.data["by_hand"] == said.data["by_hand"]
    after = vault.read(target)
    for section in vault.ROTATED:
        old, new = getattr(before, section), getattr(after, section)
        assert list(old) == list(new)
        assert not [name for name in old if old[name] == new[name]], section
    assert (after.people, after.mail) == (before.people, before.mail)
    assert after.backup["password"] != before.backup["password"] == after.backup["former_1"]
    assert after.backup["ssh_key"] == before.backup["ssh_key"]
    assert (scop / "offices/bakery/vault.key").read_text() != key_before
    assert log(scop)[0] == "bakery: secrets rotated"
    assert status(scop) == ""
    by_hand = {one["secret"]: one["how"] for one in said.data["by_hand"]}
    assert {"people.zoe", "backup.ssh_key", "the inventory's passphrase"} <= set(by_hand)
    assert "mail.password" not in by_hand  # this office has no provider
    assert not set(by_hand) & set(said.data["rotated"])
    assert said.data["next"] == "provisioner apply bakery"
    texts = [text for entries in (after.people, after.console, after.machines, after.backup) for text in entries.values()]
    assert not [text for text in texts if text in said.out + said.err]


def test_the_backups_key_is_made_new_when_asked_for(run: Run, scop: Path) -> None:
    """A new pair, its public half printed to be taken to the second place."""
    before = vault.read(Target(scop, "bakery")).backup

    said = run("access", "rotate", "bakery", "--backup-key", "--yes", "--json")

    after = vault.read(Target(scop, "bakery")).backup
    assert said.code == 0, said
    assert before["ssh_key"] != after["ssh_key"]
    (how,) = [one["how"] for one in said.data["by_hand"] if one["secret"] == "backup.ssh_key"]
    assert after["ssh_key_public"] in how
    assert after["ssh_key"] not in said.out


def test_every_secret_of_the_vault_is_rotated_or_listed(run: Run, scop: Path) -> None:
    """None is forgotten: whatever the vault holds stands on one of the two lists."""
    found = vault.read(Target(scop, "bakery")).model_dump(mode="json")
    held = {f"{section}.{name}" for section, entries in found.items() if section != "renewed" for name in entries}

    said = run("access", "rotate", "bakery", "--yes", "--json")

    assert held - {"backup.ssh_key_public"} <= {*said.data["rotated"], *(one["secret"] for one in said.data["by_hand"])}


def test_no_password_of_the_repositories_is_forgotten(run: Run, scop: Path) -> None:
    """Rotated twice before any machine heard of it: a repository that has the first one can still be brought to the last."""
    target = Target(scop, "bakery")
    had = [vault.read(target).backup["password"]]
    for _ in range(2):
        assert run("access", "rotate", "bakery", "--yes").code == 0
        had.append(vault.read(target).backup["password"])

    backup = vault.read(target).backup

    assert [backup["former_1"], backup["former_2"], backup["password"]] == had


@pytest.mark.parametrize("moment", ["next key written", "vault written"])
def test_a_rotation_killed_half_way_leaves_an_open_vault(
    moment: str, scop: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """At each step between the files the secrets can be read, and the same command does the rest."""
    target = Target(scop, "bakery")
    before = vault.read(target)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    rename = Path.rename

    def cut(self: Path, to: Path) -> Path:
        if self.name == "vault.key.next":
            raise Killed
        return rename(self, to)

    with monkeypatch.context() as patch:
        if moment == "next key written":
            patch.setattr(vault, "_write", killed)
        else:
            patch.setattr(Path, "rename", cut)
        with pytest.raises(Killed):
            vault.rotate(target, open_inventory(scop).office("bakery"))
    assert (scop / "offices/bakery/vault.key.next").exists()

    now = vault.read(target)
    assert (now == before) is (moment == "next key written")
    assert run("access", "rotate", "bakery", "--yes").code == 0
    assert vault.read(target) not in (before, now)
    assert not (scop / "offices/bakery/vault.key.next").exists()
    assert status(scop) == ""


def test_another_passphrase_opens_everything_and_the_old_one_nothing(run: Run, scop: Path) -> None:
    """One command for all offices; a weak one, the same one, a locked inventory: refused, nothing changed."""
    new = "une autre phrase, plus longue"
    for wrong in ("court", PASSPHRASE):
        assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=wrong + "\n").code == 2
    secrets = vault.read(Target(scop, "bakery"))
    assert status(scop) == ""

    said = run("access", "rotate", "--passphrase", "--passphrase-stdin", "--json", stdin=new + "\n")

    assert said.code == 0, said
    assert vault.read(Target(scop, "bakery")) == secrets
    run("lock")
    assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=new + "\n").code == 2
    assert run("unlock", "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 2
    assert run("unlock", "--passphrase-stdin", stdin=new + "\n").code == 0
    assert vault.read(Target(scop, "bakery")) == secrets
    assert status(scop) == ""
    assert new not in "".join(p.read_text(errors="replace") for p in scop.rglob("*") if p.is_file())


def test_a_new_passphrase_killed_half_way(run: Run, scop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some offices have it, some not: the same command with the same new one does the rest."""
    assert run("office", "new", "shop", *BAKERY).code == 0
    new, write = "une autre phrase, plus longue", disk.write
    written: list[Path] = []

    def killed(path: Path, *rest: Any, **more: Any) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            vault.change_passphrase(scop, new)
    assert sitting.recall(scop) == PASSPHRASE

    assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=new + "\n").code == 0
    for office in ("bakery", "shop"):
        assert vault.read(Target(scop, office)).console
        ansible_vault.decrypt((scop / f"offices/{office}/vault.key").read_text(), new)


@pytest.mark.parametrize("words", [("rotate",), ("rotate", "bakery", "--passphrase"), ("list", "--look"), ("rotate", "nowhere")])
def test_bad_words_change_nothing(words: tuple[str, ...], run: Run, scop: Path) -> None:
    """One message, code 2."""
    said = run("access", *words, *(() if words[0] == "list" else ("--yes",)))

    assert said.code == 2, said
    assert "Traceback" not in said.err
    assert status(scop) == ""


def test_locked_secrets_stop_a_rotation_and_no_revocation(run: Run, scop: Path) -> None:
    """Shutting somebody out needs no secret; rotating needs the vault."""
    run("lock")

    assert run("access", "rotate", "bakery", "--yes").code == 2
    assert run("access", "revoke", "kim", "--yes").code == 0
    assert "kim" in reseller(scop).former


def test_role_base_is_told_who_left(scop: Path, keys: dict[str, str]) -> None:
    """The next apply knows whom to refuse and whom never: through our inventory plugin, as all else."""
    from provisioner.inventory import ansible

    technicians.leave(open_inventory(scop), "ma-scop", "kim", DAY)
    for _, variables in ansible.hosts(scop / "offices/bakery/dossier.yml").values():
        asked = variables["office"]["refusal"]
        assert sorted(asked["logins"]["kim"]) == sorted([keys["kim"], keys["kim-before"]])
        assert asked["stay"] == {"jo": [keys["jo"]], "lou": [keys["lou"]]}
    assert yaml.safe_load((ROOT / "playbooks/roles/base/defaults/main.yml").read_text())["base_refusal"] == "{{ office.refusal }}"
