"""Networks made for tests and benches: the example's members and packs with as many offices as wanted."""

import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "inventory"
RESELLERS = ("breizh-libre", "garrigue-numerique", "scop-lumiere")


def empty(root: Path, *, history: bool = False) -> Path:
    """A network without offices at `root`; with `history`, a git repository with one commit."""
    for folder in ("resellers", "packs"):
        shutil.copytree(EXAMPLE / folder, root / folder)
    (root / "offices").mkdir()
    if history:
        for words in (
            ("init", "-q", "-b", "main"),
            ("config", "user.name", "Test"),
            ("config", "user.email", "test@provisioner.example"),
            ("add", "."),
            ("commit", "-q", "-m", "the example's members and packs"),
        ):
            subprocess.run(["git", "-C", str(root), *words], check=True)
    return root


def with_office(root: Path, name: str = "demo") -> Path:
    """A network with one office of the example."""
    empty(root)
    shutil.copytree(EXAMPLE / "offices" / name, root / "offices" / name)
    return root


def generate(root: Path, offices: int, hosts: int = 5) -> Path:
    """A network of `offices` valid offices `office-00000` … with `hosts` hosts each (a router, a server, desktops)."""
    empty(root)
    for n in range(offices):
        folder = root / "offices" / f"office-{n:05d}"
        folder.mkdir()
        (folder / "dossier.yml").write_text(dossier(n, hosts), encoding="utf-8")
    return root


def dossier(n: int, hosts: int = 5) -> str:
    """The dossier of generated office `n`."""
    kinds = ["router", "server", *["desktop"] * (hosts - 2)][:hosts]
    machines = "".join(
        f"  host-{at}:\n    kind: {kind}\n    address: 192.168.1.{at + 1}\n"
        f'    mac: "02:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}:{at:02x}"\n'
        + (f"    person: person-{at}\n" if kind == "desktop" else "")
        for at, kind in enumerate(kinds)
    )
    people = "".join(f"  person-{at}: {{name: Personne n° {at}, groups: [team]}}\n" for at in range(2, max(hosts, 3)))
    return f"""\
# yaml-language-server: $schema=../../schema/dossier.json
organisation:
  name: "L'Atelier n° {n}"
  legal_form: SARL
  siren: "{siren(n)}"
  address: {{street: "{n} rue de l'Église", postcode: "69001", city: Lyon, country: FR}}
  contacts:
    - {{name: Zoé N'Diaye, role: gérante, phone: "04 00 00 04 01", email: zoe@atelier.example}}
reseller: {RESELLERS[n % 3]}
pack: standard-2026.1
address: {{street: "{n} rue de l'Église", postcode: "69001", city: Lyon, country: FR}}
lan:
  network: 192.168.1.0/24
  dhcp_first: 192.168.1.100
  dhcp_last: 192.168.1.199
ula: fd00:{n >> 16:x}:{n & 0xFFFF:x}::/48
hosts:
{machines}groups:
  team: Toute l'équipe
people:
{people}website: {{domain: atelier-{n}.example, title: "L'Atelier n° {n}"}}
"""


def siren(n: int) -> str:
    """The `n`th invented SIREN, its check digit right (Luhn)."""
    from provisioner.inventory.fields import luhn

    stem = f"00{n:06d}"
    return next(stem + digit for digit in "0123456789" if luhn(stem + digit))
