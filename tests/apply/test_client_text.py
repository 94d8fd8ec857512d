"""An office whose every text and every secret is hostile: client text is never obeyed, secrets stay in the vault."""

import base64
import json
import os
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
from provisioner.inventory.target import runtime_home
from provisioner.secrets import ansible_vault
from tests.inventory.payloads import PAYLOADS, payload
from tests.inventory.test_text import HOSTILE
from tests.lab.light import bring_up, kill, light, soon, state
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab


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
    said: list[CommandResult] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    def apply(self) -> CommandResult:
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
            "postcode",
            "email",
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
            "colour",
            "activity",
        )
        return {
            k: v
            if (k in fixed and not isinstance(v, dict))
            or k in ("lan", "guests", "interfaces", "reseller", "pack", "hosts_", "mail", "backup", "hours", "maintenance")
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
    dossier["website"]["motto"] = "steers \u202ethe terminal"  # whoever's turn the texts are: this one is on every card
    for number, name in enumerate(PAYLOADS):  # each of them reaches the server: as the name of an account
        dossier["people"][f"p{number:02}"] = {"name": payload(name, f"/tmp/pwned-{token}"), "groups": ["boutique"]}
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
        bring_up(stage, blank=True)  # its vault is its own
        stage.evidence["plan"] = stage.run("plan", "demo", "--lab", "--diff")
        found.said += [*stage.evidence.values()]
        stage.evidence["apply"] = found.apply()
        yield found
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.case("T2")
def test_client_text_reaches_the_machines_byte_for_byte(shop: Shop) -> None:
    """Templates, commands, quotes, line ends, marks: a machine's card holds the dossier's very text."""
    assert shop.stage.evidence["apply"].code == 0, shop.stage.evidence["apply"]
    dossier = yaml.safe_load(shop.stage.dossier.read_text())
    for host in ("router", "server"):
        raw = base64.b64decode(shop.stage.on(host, "base64 -w0 /etc/office.json"))
        card = json.loads(raw)
        assert card["organisation"] == dossier["organisation"]["name"]
        assert card["address"] == dossier["address"]
        texts = {word: said for word, said in dossier["website"].items() if isinstance(said, str)}
        assert {word: card["website"][word] for word in texts} == texts
        assert card["serial"] == dossier["hosts"][host]["serial"]


_NAMES = """
import json
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
settings = LoadParm()
settings.load_default()
directory = SamDB("/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=settings)
found = directory.search(expression="(&(objectClass=user)(sAMAccountName=p*))", attrs=["sAMAccountName", "displayName"])
print(json.dumps({str(one["sAMAccountName"]): str(one.get("displayName", "")) for one in found}))
"""


@pytest.mark.case("T2")
def test_every_payload_is_somebodys_name(shop: Shop) -> None:
    """42 texts that spell code in as many ways are 42 names of people in the server's directory, byte for byte."""
    called = json.loads(shop.stage.on("server", f"sudo python3 -c {shlex.quote(_NAMES)}"))
    assert called == {f"p{number:02}": payload(name, f"/tmp/pwned-{shop.token}") for number, name in enumerate(PAYLOADS)}


@pytest.mark.case("T2")
def test_client_text_is_never_obeyed(shop: Shop) -> None:
    """No template, no command of the dossier or the vault ran: not on the laptop, not on a machine."""
    assert "pwned" in shop.stage.dossier.read_text()
    assert not list(Path("/tmp").glob(f"pwned-{shop.token}*"))
    for host in ("router", "server"):
        root = lab.base.lab_home() / shop.stage.target.id / "hosts" / host / "root"
        assert not list((root / "tmp").glob("pwned*"))
        assert "pwned" not in shop.stage.on(host, "sudo ls -a /tmp /root /")


@pytest.mark.case("T2")
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


@pytest.mark.case("T2")
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


@pytest.mark.case("T3")
@pytest.mark.deep
def test_the_search_for_secrets_finds_them(shop: Shop) -> None:
    """These tests can fail: a secret written anywhere, in any form, is found."""
    secret = shop.passwords["zoe"]
    forgotten = shop.stage.home / "forgotten"
    for form in (secret.encode(), base64.b64encode(secret.encode()), secret.encode().hex().encode(), json.dumps(secret).encode()):
        forgotten.write_bytes(form)
        assert hits(shop) == [f"zoe in {forgotten}"]
    forgotten.unlink()


@pytest.mark.case("T3")
def test_no_secret_leaves_the_vault_in_a_good_run(shop: Shop) -> None:
    """Plan and apply leave no secret in files, in memory, in git, on the screen, in any process's arguments or environment."""
    assert any(b"apt-get" in blob for blob in shop.seen)  # the machines' processes were seen too
    assert any(b"ansible-playbook" in blob for blob in shop.seen)
    assert hits(shop) == []


@pytest.mark.deep
@pytest.mark.case("T3")
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
