"""Whom we trust, and with what: impostors get nothing, secrets stay in the vault, client text is never obeyed."""

import base64
import json
import os
import re
import secrets
import shlex
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
import yaml

from provisioner import lab
from provisioner.inventory import ansible_vault
from provisioner.inventory.target import runtime_home
from tests.inventory.test_text import HOSTILE
from tests.lab.light import bring_up, impostor, kill, light, soon, state
from tests.stage import Said, Stage, make

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, with a pack that asks little."""
    stage = light(tmp_path_factory.mktemp("plain"), {})
    try:
        yield bring_up(stage)
    finally:
        stage.run("lab", "down", "demo")


def pins(stage: Stage) -> Path:
    """The pinned keys."""
    return state(stage) / "known_hosts"


def forget(stage: Stage, host: str) -> None:
    """Make one machine one that was never adopted."""
    kept = [line for line in pins(stage).read_text().splitlines(keepends=True) if not line.startswith(f"{host}.")]
    pins(stage).write_text("".join(kept))


def refused(said: Said) -> bool:
    """Whether a verb ended as it must before a wrong key, and named the host."""
    message = said.data["error"] if said.out.startswith("{") else said.err
    return said.code == 7 and "host key" in message and re.search(r"(router|server) \(192\.168\.1\.", message) is not None


# ------------------------------------------------------------------------------------------ impostors


@pytest.mark.case("F8")
def test_an_impostor_at_adoption_gets_nothing(plain: Stage) -> None:
    """With the fingerprint from the machine's screen, another machine at its address is refused before any password goes."""
    real = plain.evidence["adopt"].data["hosts"]["router"]["fingerprint"]
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        with impostor(plain, "192.168.1.1") as stranger:
            said = plain.json("adopt", "demo", "router", "--lab", "--at", "192.168.1.1", "--fingerprint", real)
            assert refused(said), said
            assert "nothing was sent" in said.data["error"]
            assert stranger.heard
            assert stranger.secrets == []
        assert "router" not in pins(plain).read_text()
    finally:
        pins(plain).write_text(kept)


def test_the_impostor_of_these_tests_would_take_a_password(plain: Stage) -> None:
    """These tests can fail: who accepts any key gives this impostor the password, and it is written down."""
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        with impostor(plain, "192.168.1.1") as stranger:
            plain.json("adopt", "demo", "router", "--lab", "--at", "192.168.1.1", "--yes", timeout_s=300)
            found = lab.find(plain.target)
            assert found
            assert found.login[1] in [entry.get("password") for entry in stranger.secrets]
    finally:
        pins(plain).write_text(kept)


@pytest.mark.case("F8")
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_an_impostor_after_adoption_gets_nothing_from_any_verb(plain: Stage, kind: str) -> None:
    """Another key, or a key of another type only: every verb stops with 7 and says "host key"; no login is even begun."""
    before = pins(plain).read_text()
    with impostor(plain, "192.168.1.1", kind) as stranger:
        for words in (
            ("adopt", "demo", "router", "--at", "192.168.1.1", "--yes"),
            ("plan", "demo"),
            ("apply", "demo", "--yes"),
            ("ssh", "demo", "router"),
        ):
            command = ("--", "hostname") if words[0] == "ssh" else ()
            heard = len(stranger.heard)
            assert refused(plain.json(*words, "--lab", *command)), words
            assert len(stranger.heard) > heard, words
        assert refused(plain.run("ssh", "demo", "router", "--lab", "--", "hostname"))
        assert stranger.secrets == []
    assert pins(plain).read_text() == before


@pytest.mark.case("F8")
def test_a_reinstalled_machine_is_taken_in_with_replace_key(plain: Stage) -> None:
    """New host keys on the real machine: refused until --replace-key says that it was reinstalled; then all is well."""
    plain.on("server", "sudo sh -c 'rm /etc/ssh/ssh_host_*; ssh-keygen -qA; systemctl restart ssh'")
    for words in (("adopt", "demo", "server", "--lab", "--yes"), ("ssh", "demo", "server", "--lab", "--", "hostname")):
        said = plain.json(*words)
        assert refused(said), said
        assert "--replace-key" in said.data["hint"]

    said = plain.json("adopt", "demo", "server", "--lab", "--yes", "--replace-key")
    assert said.code == 0, said
    assert plain.on("server", "id -un").strip() == "c.lefevre"
    assert sum(line.startswith("server.") for line in pins(plain).read_text().splitlines()) == 1


def test_the_wrong_machine_is_refused_before_anything_changes_on_it(plain: Stage) -> None:
    """`--at` the address of a machine with another MAC: refused with both MACs; nothing is pinned, no file changes there."""
    hosts = yaml.safe_load(plain.dossier.read_text())["hosts"]
    known = json.loads((state(plain) / "addresses.json").read_text())
    plain.on("server", "sudo touch /run/marker; sleep 1.1")
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        said = plain.json("adopt", "demo", "router", "--lab", "--at", known["server"], "--yes")
        assert "router." not in pins(plain).read_text()
    finally:
        pins(plain).write_text(kept)

    assert said.code == 2, said
    assert "is not router" in said.data["error"]
    assert hosts["server"]["mac"] in said.data["error"]
    assert hosts["router"]["mac"] in said.data["error"]
    assert plain.on("server", "sudo find /etc /home /root /usr/local -newer /run/marker ! -type d") == ""


# -------------------------------------------------------------------------------------------- offices apart


def test_two_labs_with_the_same_addresses_never_touch(plain: Stage, tmp_path: Path) -> None:
    """The same office twice, at the same addresses: each verb reaches its own; no socket is shared, none is left."""
    other = light(tmp_path, {})
    try:
        bring_up(other)
        assert other.target.control != plain.target.control
        machine = {stage.target.id: stage.on("router", "cat /etc/machine-id") for stage in (plain, other, plain, other)}
        for stage in (plain, other):
            assert (lab.base.lab_home() / stage.target.id / "hosts/router/root/etc/machine-id").read_text() == machine[
                stage.target.id
            ]

        running = other.start("--json", "apply", "demo", "--lab", "--yes")
        shared: list[set[str]] = []
        while running.poll() is None:
            shared.append({path.name for path in plain.target.control.iterdir()})
            soon(lambda: running.poll() is not None, 0.1)
        assert running.returncode == 0, running.communicate()
        assert not any(shared)
        assert "applied.json" in other.on("router", "sudo ls /var/lib/provisioner")
        assert "applied.json" not in plain.on("router", "sudo ls -a /var/lib/provisioner 2>/dev/null; true")
        assert [path for stage in (plain, other) for path in stage.target.control.iterdir()] == []
    finally:
        other.run("lab", "down", "demo")


def test_stock_ansible_reads_the_dossier(tmp_path: Path) -> None:
    """`ansible -i …/dossier.yml all --list-hosts` lists the three hosts, without our tool."""
    stage = make(tmp_path)
    cfg = Path(__file__).parents[2] / "playbooks/ansible.cfg"
    done = subprocess.run(
        ["ansible", "-i", str(stage.dossier), "all", "--list-hosts"],
        capture_output=True, text=True, check=False, env={**stage.environment, "ANSIBLE_CONFIG": str(cfg)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert sorted(line.strip() for line in done.stdout.splitlines()[1:]) == ["desktop", "router", "server"]


# ------------------------------------------------------------------------------- client text, and secrets


def forms(core: str) -> set[bytes]:
    """How a secret may be written: as it is (in URL, JSON and YAML too: letters and digits), in hex, in base64 at any offset."""
    raw = core.encode()
    aligned = {base64.b64encode(b"x" * offset + raw)[4 if offset else 0 : -4].rstrip(b"=") for offset in range(3)}
    return {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        *aligned,
        *(a.translate(bytes.maketrans(b"+/", b"-_")) for a in aligned),
    }


@dataclass
class Sampler:
    """Reads every process's arguments and environment, every 50 ms; a lab's hosts run on this machine, so theirs too."""

    seen: set[bytes] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Until it is over."""
        while not self.over.wait(0.05):
            for process in os.listdir("/proc"):  # noqa: PTH208 - 20 times a second
                if process.isdigit():
                    for name in ("cmdline", "environ"):
                        try:
                            with open(f"/proc/{process}/{name}", "rb") as file:  # noqa: PTH123 - the same
                                self.seen.add(file.read())
                        except OSError:
                            continue

    def __enter__(self) -> "Sampler":
        self._thread = threading.Thread(target=self.look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join()


@dataclass
class Shop:
    """An office whose every text and secret is hostile, and what was seen while it was installed."""

    stage: Stage
    token: str
    passwords: dict[str, str]
    cores: dict[str, str]
    said: list[Said] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    def apply(self) -> Said:
        """Apply to the server, watched."""
        with Sampler() as sampler:
            said = self.stage.json("apply", "demo", "--lab", "--yes")
        self.seen |= sampler.seen
        self.said.append(said)
        return said


def hostile(value: Any, texts: Iterator[str], key: str = "") -> Any:
    """The same with every free text replaced; what follows a pattern stays."""
    if isinstance(value, dict):
        fixed = (
            "country",
            "siren",
            "domain",
            "kind",
            "address",
            "mac",
            "person",
            "groups",
            "accessibility",
            "purchased",
            "warranty_end",
            "lan",
            "ula",
        )
        return {
            k: v
            if (k in fixed and not isinstance(v, dict)) or k in ("lan", "reseller", "pack", "hosts_", "mail", "backup")
            else hostile(v, texts, k)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [hostile(v, texts, key) for v in value]
    return next(texts) if isinstance(value, str) else value


def plain_days(value: Any) -> Any:
    """Days as texts: everything in this dossier is quoted."""
    if isinstance(value, dict):
        return {k: plain_days(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain_days(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value


# Laid over Samba's own library: tells what it was given in the worst way, or waits, when asked to.
_SAMDB = """
import os, time
def _add(self, entry, *rest, _add=SamDB.add):
    if "unicodePwd" in entry and os.path.exists("/run/directory-slow"):
        open("/run/directory-waiting", "w").close()
        time.sleep(5)
    if "unicodePwd" in entry and os.path.exists("/run/directory-fail"):
        raise RuntimeError("broken: " + entry["unicodePwd"].decode("utf-16-le"))
    return _add(self, entry, *rest)
SamDB.add = _add
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Router and server of the hostile office, planned and applied once under watch."""
    stage = light(tmp_path_factory.mktemp("shop"), {"server": ["base", "directory", "file_share"], "router": ["base"]})
    token = secrets.token_hex(6)
    touch = f"touch /tmp/pwned-{token}"
    texts = cycle([f"{{{{ lookup('pipe','{touch}') }}}}", f"$({touch})", f"`{touch}`; {touch}", "%p %h {% %}", *HOSTILE])
    dossier = plain_days(hostile(yaml.safe_load(stage.dossier.read_text()), texts))
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False, default_style='"'))
    stage.git("commit", "-q", "-a", "-m", "texts")

    def core() -> str:
        return "Zq" + secrets.token_hex(8)

    cores = {name: core() for name in ("zoe", "come", "aicha", "server", "router", "administrator")}
    people = {
        "zoe": f"{{{{ lookup('pipe','{touch}') }}}}{cores['zoe']}'\"\\",
        "come": f" $({touch}) {cores['come']} `{touch}`:%p:",
        "aicha": f"{cores['aicha']}é{{% raw %}}#&<>|;\\n\\\\",
    }
    vault = {
        "people": people,
        "console": {host: cores[host] for host in ("server", "router")},
        "directory": {"administrator": f"$({touch}){cores['administrator']}'\"{{{{ 7*7 }}}}é"},
    }
    folder = state(stage)
    folder.mkdir(parents=True, mode=0o700)
    key = secrets.token_urlsafe(16)
    (folder / "vault.key").write_text(key + "\n")
    text = yaml.safe_dump(vault, allow_unicode=True, default_style='"')
    (folder / "vault.yml").write_text(ansible_vault.encrypt(text, key, "demo"))
    found = Shop(stage, token, people, cores)
    try:
        bring_up(stage)
        stage.evidence["plan"] = stage.run("plan", "demo", "--lab")
        found.said += [*stage.evidence.values()]
        stage.evidence["apply"] = found.apply()
        yield found
    finally:
        stage.run("lab", "down", "demo")


def test_client_text_reaches_the_machines_byte_for_byte(shop: Shop) -> None:
    """Templates, commands, quotes, line ends, marks: a machine's card holds the dossier's very text."""
    assert shop.stage.evidence["apply"].code == 0, shop.stage.evidence["apply"]
    dossier = yaml.safe_load(shop.stage.dossier.read_text())
    for host in ("router", "server"):
        raw = base64.b64decode(shop.stage.on(host, "base64 -w0 /etc/office.json"))
        card = json.loads(raw)
        assert card["organisation"] == dossier["organisation"]["name"]
        assert card["address"] == dossier["address"]
        assert card["website"] == dossier["website"]
        assert card["serial"] == dossier["hosts"][host]["serial"]


def test_client_text_is_never_obeyed(shop: Shop) -> None:
    """No template, no command of the dossier or the vault ran: not on the laptop, not on a machine."""
    assert "pwned" in shop.stage.dossier.read_text()
    assert not list(Path("/tmp").glob(f"pwned-{shop.token}*"))
    for host in ("router", "server"):
        root = lab.base.lab_home() / shop.stage.target.id / "hosts" / host / "root"
        assert not list((root / "tmp").glob("pwned*"))
        assert "pwned" not in shop.stage.on(host, "sudo ls -a /tmp /root /")


def test_hostile_text_cannot_steer_the_terminal(shop: Shop) -> None:
    """What `office show`, `plan` and `runs show` print holds no control, bidirectional or other invisible sign."""
    for said in (
        shop.stage.evidence["plan"],
        shop.stage.run("office", "show", "demo"),
        shop.stage.run("runs", "show", "demo", "--lab"),
        shop.stage.run("office", "list"),
    ):
        assert said.code in (0, 3), said
        assert {sign for sign in said.out + said.err if category(sign) in ("Cc", "Cf", "Zl", "Zp")} <= {"\n", "\t"}
    assert "\\u202e" in shop.stage.evidence["plan"].out
    assert "lookup('pipe'" in shop.stage.evidence["plan"].out


@pytest.mark.parametrize("login", ["zoe", "come", "aicha"])
def test_a_hostile_password_opens_the_share(shop: Shop, login: str) -> None:
    """The very password of the vault, with its braces, quotes and blanks, is the one that opens the share."""
    said = shop.stage.plugged(
        "smbclient", "-m", "SMB3", "//192.168.1.10/commun", "-U", login, "-c", "ls", stdin=shop.passwords[login] + "\n"
    )
    assert "blocks" in said.out, said


def hits(shop: Shop) -> list[str]:
    """Where a secret of the office stands outside its vault."""
    needles = {form: name for name, core in shop.cores.items() for form in forms(core)}
    found: list[str] = []

    def search(where: str, content: bytes) -> None:
        found.extend(f"{needles[needle]} in {where}" for needle in needles if needle in content)

    runtime = runtime_home()
    for folder in (shop.stage.home, shop.stage.inventory, runtime):
        for path in folder.rglob("*"):
            if path.is_file():
                search(str(path), path.read_bytes())
    objects = ["git", "-C", str(shop.stage.inventory), "cat-file", "--batch-all-objects", "--batch"]
    search("git's objects", subprocess.run(objects, capture_output=True, check=True).stdout)
    for said in shop.said:
        search("what a verb said", (said.out + said.err).encode())
    for blob in shop.seen:
        search(f"the arguments or environment of a process: {blob[:80]!r}", blob)
    patterns = base64.b64encode("\n".join(shop.cores.values()).encode()).decode()
    for host in ("router", "server"):
        line = f"echo {patterns} | base64 -d > /run/patterns; grep -rlaFf /run/patterns /etc /home /root /tmp /var/log /var/tmp"
        found += [f"{host}: {name}" for name in shop.stage.on(host, f"sudo sh -c {shlex.quote(line + '; true')}").split()]
    return found


def test_the_search_for_secrets_finds_them(shop: Shop) -> None:
    """These tests can fail: a secret written anywhere, in any form, is found."""
    secret = shop.passwords["zoe"]
    forgotten = shop.stage.home / "forgotten"
    for form in (secret.encode(), base64.b64encode(secret.encode()), secret.encode().hex().encode(), json.dumps(secret).encode()):
        forgotten.write_bytes(form)
        assert hits(shop) == [f"zoe in {forgotten}"]
    forgotten.unlink()


def test_no_secret_leaves_the_vault_in_a_good_run(shop: Shop) -> None:
    """Plan and apply leave no secret in files, in memory, in git, on the screen, in any process's arguments or environment."""
    assert any(b"apt-get" in blob for blob in shop.seen)  # the machines' processes were seen too
    assert any(b"ansible-playbook" in blob for blob in shop.seen)
    assert hits(shop) == []


def test_no_secret_leaves_the_vault_in_a_failed_or_killed_run(shop: Shop) -> None:
    """A task that fails with the password on its lips, and a run killed while it sets one, leave none behind either."""
    stage = shop.stage
    library = "/usr/lib/python3/dist-packages/samba/samdb.py"
    stage.on("server", f"sudo cp {library} /root/samdb.py; printf %s {shlex.quote(_SAMDB)} | sudo tee -a {library} >/dev/null")
    stage.on("server", "sudo sh -c 'samba-tool user delete aicha -H /var/lib/samba/private/sam.ldb; touch /run/directory-fail'")
    said = shop.apply()
    assert said.code == 4, said
    told = said.data["problems"]["server"]
    assert told["task"] == "directory: The directory has the dossier's people, groups, machines and names"
    assert "broken" in told["problem"]
    assert hits(shop) == []

    stage.on("server", "sudo rm -f /run/directory-fail; sudo touch /run/directory-slow")
    with Sampler() as sampler:
        running = stage.start("--json", "apply", "demo", "--lab", "--yes")
        waiting = "test -e /run/directory-waiting && echo yes || true"
        assert soon(lambda: "yes" in stage.on("server", waiting), 300)
        kill(running)
        soon(lambda: False, 1)
    shop.seen |= sampler.seen
    assert list(runtime_home().glob(f"play-{stage.target.id}-*"))
    assert hits(shop) == []

    stage.on("server", f"sudo rm -f /run/directory-slow; sudo mv /root/samdb.py {library}")
    again = shop.apply()
    assert again.code == 0, again
    assert hits(shop) == []
