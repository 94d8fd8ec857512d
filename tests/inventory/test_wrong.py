"""Wrong dossiers: each file of wrong/ gets exactly the message beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import BadInput, Missing
from provisioner.inventory import open_inventory, rendering
from provisioner.inventory.strict_yaml import parse
from tests import network

WRONG = Path(__file__).parent / "wrong"
# A throw-away key nobody has the private half of.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
CASES = sorted(path.stem for path in WRONG.glob("*.yml"))
WRONG_PACKS = WRONG.with_name("wrong-packs")
PACKS = sorted(path.stem for path in WRONG_PACKS.glob("*.yml"))

# The worst that fits into a file, made here instead of stored: name -> text.
HEAVY = {
    "flow": "a: [" + "a," * 480_000 + "]",
    "hosts": "hosts:\n" + "".join(f"  h{n}: {{}}\n" for n in range(60_000)),
    "people": "people:\n" + "".join(f"  h{n}: {{groups: [a, b]}}\n" for n in range(30_000)),
    "same key": "a: 1\n" * 190_000,
    "anchors": "- &a 1\n" * 140_000,
    "broken lines": "a: b: c\n" * 120_000,
    "late break": "".join(f"k{n}: 1\n" for n in range(19_000)) + "x: y: z\n" * 9,
    "tabs": "\ta: b\n" * 160_000,
    "nested": "{a: " * 240_000,
    "long text": "a: " + "x" * 990_000,
    "long name": "k" * 990_000 + ": 1",
    "empty lines": "\n" * 990_000,
    "bomb": "a: &a [x, x]\n" + "".join(f"a{n}: &a{n} [*a, *a, *a, *a, *a, *a, *a, *a]\n" for n in range(99)),
}


@pytest.mark.case("F12")
@pytest.mark.parametrize("case", CASES)
def test_wrong_dossier_gets_its_message(case: str, tmp_path: Path) -> None:
    """A wrong dossier is refused with file, line and what to try, and stays as it is."""
    root = network.empty(tmp_path / "net")
    content = (WRONG / f"{case}.yml").read_bytes()
    dossier = root / "offices" / "shop" / "dossier.yml"
    dossier.parent.mkdir()
    dossier.write_bytes(content)

    with pytest.raises(BadInput) as refused:
        open_inventory(root).office("shop")

    assert str(refused.value) + "\n" == (WRONG / f"{case}.txt").read_text(encoding="utf-8")
    assert dossier.read_bytes() == content
    found = [str(problem) for problem in open_inventory(root).check() if not problem.warning]
    assert sorted(found) == sorted(str(refused.value).split("\n"))


@pytest.mark.parametrize("case", PACKS)
def test_wrong_pack_gets_its_message(case: str, tmp_path: Path) -> None:
    """A wrong or damaged pack is refused with file, line and what to try, also by the offices that stand on it."""
    root = network.with_office(tmp_path / "net")
    (root / "packs" / "shop.yml").write_bytes((WRONG_PACKS / f"{case}.yml").read_bytes())
    dossier = root / "offices" / "demo" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("pack: standard-2026.1", "pack: shop"))
    message = (WRONG_PACKS / f"{case}.txt").read_text(encoding="utf-8")

    with pytest.raises(BadInput) as refused:
        open_inventory(root).pack("shop")
    assert str(refused.value) + "\n" == message
    with pytest.raises(BadInput) as refused:
        open_inventory(root).office("demo")
    assert message.rstrip("\n") in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["../demo", "..", ".", "", "/etc", "demo/", "a[1:3]", "-oProxyCommand=x", "demo\n", "démo", "a" * 300, "de\0mo", "DEMO"],
)
def test_no_name_leaves_the_offices_folder(name: str, tmp_path: Path) -> None:
    """A name that is no office's is missing, whatever path or option it spells."""
    inventory = open_inventory(network.with_office(tmp_path / "net"))

    for read in (inventory.office, inventory.reseller, inventory.pack):
        with pytest.raises(Missing):
            read(name)


def test_near_name_is_suggested(tmp_path: Path) -> None:
    """A typing error in an office's name gets the name that was meant."""
    with pytest.raises(Missing) as missing:
        open_inventory(network.with_office(tmp_path / "net")).office("dmo")

    assert missing.value.hint == "demo"


def test_errors_of_all_files_at_once(tmp_path: Path) -> None:
    """`check` names the wrong entries of members, packs and offices in one go."""
    root = network.with_office(tmp_path / "net")
    member, pack = root / "resellers" / "scop-lumiere.yml", root / "packs" / "standard-2026.1.yml"
    member.write_text(member.read_text().replace("skills:", "skils:").replace("ssh-ed25519 ", 'command=\\"id\\" ssh-ed25519 ', 1))
    pack.write_text(pack.read_text().replace("port: 445", "port: 0445").replace("hours: 3", "hours: 300", 1))
    (root / "offices" / "bare").mkdir()

    said = [str(problem) for problem in open_inventory(root).check()]

    assert [line.split(":")[0] for line in said] == [
        "offices/bare",
        "packs/standard-2026.1.yml",
        "packs/standard-2026.1.yml",
        "resellers/scop-lumiere.yml",
        "resellers/scop-lumiere.yml",
    ]
    assert "port: '0445' where a whole number is wanted" in said[1]
    assert "is not a public key" in said[4] or "is not a public key" in said[3]
    with pytest.raises(BadInput, match=r"resellers/scop-lumiere\.yml:\d+: skils"):
        open_inventory(root).office("demo")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-ed25519",
        f'command="id" {KEY}',
        f"{KEY}\n{KEY}",
        f"{KEY} comment\n{KEY}",
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        KEY.replace("ssh-ed25519", "ssh-dss"),
        KEY[:-3],
        KEY + " \u202eme",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_technicians_key_is_one_bare_public_key(key: str, tmp_path: Path) -> None:
    """What is no bare public key on one line never reaches an authorized_keys."""
    root = network.empty(tmp_path / "net")
    member = root / "resellers" / "scop-lumiere.yml"
    value = parse(member.read_bytes()).value
    value["technicians"]["n.petit"]["keys"] = [KEY, KEY + " n.petit@laptop", key]
    member.write_text(rendering.render(value, {}, []))

    with pytest.raises(BadInput, match=r"\A.*technicians\.n\.petit\.keys\[2\]: .* is not a public key.*\Z"):
        open_inventory(root).reseller("scop-lumiere")


def test_two_offices_share_a_lan_but_no_prefix(tmp_path: Path) -> None:
    """Every office may be 192.168.1.0/24; the ULA prefix is one office's own."""
    root = network.generate(tmp_path / "net", 3)
    copied = root / "offices" / "office-00002" / "dossier.yml"
    copied.write_text(copied.read_text().replace("ula: fd00:0:2::/48", "ula: fd00:0:1::/48"))

    assert [str(problem) for problem in open_inventory(root).check()] == [
        "offices/office-00002/dossier.yml:16: ula: fd00:0:1::/48 is also the prefix of office-00001; try a new random one"
    ]


@pytest.mark.case("F12")
def test_worst_files_cost_two_seconds_and_300_mb_at_most(tmp_path: Path) -> None:
    """Bombs, 100 MB and a megabyte of nonsense are refused within 2 s and 300 MB each."""
    root = network.empty(tmp_path / "net")
    for n, text in enumerate(HEAVY.values()):
        (root / "offices" / f"heavy-{n:02d}").mkdir()
        (root / "offices" / f"heavy-{n:02d}" / "dossier.yml").write_text(text)
    huge = root / "offices" / "huge"
    huge.mkdir()
    (huge / "dossier.yml").touch()
    os.truncate(huge / "dossier.yml", 100_000_000)
    pipe = root / "offices" / "pipe"
    pipe.mkdir()
    os.mkfifo(pipe / "dossier.yml")
    script = """
import json, resource, sys, time
from pathlib import Path
from provisioner.errors import BadInput
from provisioner.inventory import open_inventory
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
inventory, spent = open_inventory(Path(sys.argv[1])), {}
for name in inventory.office_names():
    begun = time.process_time()
    try:
        inventory.office(name)
    except BadInput as error:
        spent[name] = [time.process_time() - begun, str(error)[:200]]
# not ru_maxrss: that one remembers the process we were forked from
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([spent, peak / 1024]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, timeout=60, check=True)

    spent, peak_mb = json.loads(done.stdout)

    assert len(spent) == len(HEAVY) + 2, "every one is refused, the pipe without waiting for its other end"
    assert max(seconds for seconds, _ in spent.values()) < 2, spent
    assert peak_mb < 300
    assert "100000000 bytes" in spent["huge"][1]
