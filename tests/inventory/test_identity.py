"""Who an organisation is, by its country's numbers; and addresses of people and machines as papers and labels print them."""

import re
from pathlib import Path

import pytest

from provisioner.errors import BadInput
from provisioner.inventory import fields, identity, open_inventory
from tests import network


@pytest.mark.parametrize(
    ("country", "form", "numbers", "told", "wrong"),
    [
        ("FR", "SARL", 'siren: "000 613\u00a0984"', ["SIREN 000 613 984"], ""),
        ("FR", "SARL", "", [], "organisation.siren: is missing: the law asks 'SARL' for a SIREN; try adding 'siren: …'"),
        ("RE", "SARL", "", [], "organisation.siren: is missing"),
        ("FR", "commune", 'registration: "12"', [], "organisation.siren: is missing"),
        ("FR", "Association loi 1901", "rna: w751234567", ["RNA W751234567"], ""),
        ("FR", "Association loi 1901", "", [], ""),
        ("FR", "asso", "rna: W2A1234567", ["RNA W2A1234567"], ""),
        ("FR", "SARL", 'siren: "000613985"', [], "'000613985' is no SIREN: its last digit does not fit the others"),
        ("BE", "SRL", 'registration: "0428759497"', ["Enterprise number 0428.759.497"], ""),
        ("BE", "SRL", "registration: BE 0428.759.498", [], "'BE 0428.759.498' is not an enterprise number"),
        ("BE", "SRL", "", [], "organisation.registration: is missing: the law asks 'SRL' for its number"),
        ("BE", "Association sans but lucratif", "", [], "organisation.registration: is missing"),
        ("BE", "association de fait", "", [], ""),
        ("CH", "Sàrl", "registration: che100155212", ["UID CHE-100.155.212"], ""),
        ("CH", "Sàrl", "", [], ""),
        ("CH", "Sàrl", 'registration: "CHE-100.155.213"', [], "'CHE-100.155.213' is not a UID"),
        ("LU", "Sàrl", "registration: B12345", ["Registration number B12345"], ""),
    ],
)
def test_the_number_that_the_country_gives(
    country: str, form: str, numbers: str, told: list[str], wrong: str, tmp_path: Path
) -> None:
    """Each country's number is checked by its own digits, written in its own groups, and asked for only where the law does."""
    root = network.empty(tmp_path / "net")
    (root / "offices/cafe").mkdir()
    postcode = "69001" if country in ("FR", "RE") else "1000"
    text = network.dossier(0).replace("SARL", form).replace(f'siren: "{network.siren(0)}"', numbers or "contacts: []")
    text = text.replace('"69001", city: Lyon, country: FR', f'"{postcode}", city: Lyon, country: {country}')
    if not numbers:
        text = text.replace(
            '  contacts:\n    - {name: Zoé N\'Diaye, role: gérante, phone: "04 00 00 04 01", email: zoe@atelier.example}\n', ""
        )
    (root / "offices/cafe/dossier.yml").write_text(text)

    if wrong:
        with pytest.raises(BadInput) as refused:
            open_inventory(root).office("cafe")
        (line,) = str(refused.value).splitlines()
        assert wrong in line
    else:
        assert identity.told(open_inventory(root).office("cafe").organisation) == told


@pytest.mark.parametrize(
    "written",
    [
        "02:00:5e:10:00:0a",
        "02:00:5E:10:00:0A",
        "02-00-5E-10-00-0A",
        "02005E10000A",
        "02 00 5E 10 00 0A",
        "0200.5e10.000a",
        "0200-5E10-000A",
    ],
)
def test_a_mac_is_taken_as_the_label_prints_it(written: str, tmp_path: Path) -> None:
    """Capitals, dashes, dots, blanks or nothing between the pairs: in our own form from then on, for the schema too."""
    import json

    root = network.empty(tmp_path / "net")
    (root / "offices/cafe").mkdir()
    (root / "offices/cafe/dossier.yml").write_text(network.dossier(0).replace('"02:00:00:00:00:04"', f'"{written}"'))

    assert open_inventory(root).office("cafe").hosts["host-4"].mac == "02:00:5e:10:00:0a"
    schema = json.loads((network.EXAMPLE / "schema/dossier.json").read_text())
    assert re.search(schema["$defs"]["Host"]["properties"]["mac"]["pattern"], written)


@pytest.mark.parametrize("text", ["0200.5e10.00", "02:00:5e:10:00", "02:00:5e:10:00:0g", "02::5e:10:00:0a", "02005E10000A0", ""])
def test_what_is_no_mac_is_refused(text: str) -> None:
    """A pair too few or too many is no MAC, whatever stands between them."""
    with pytest.raises(BadInput, match="is not a MAC address"):
        fields.validate(fields.Mac, text)


@pytest.mark.parametrize("text", ["lea@cafe.example", "Léa.D'Août+pro@Café-des-Halles.example", "l@mail.cafe.example", ""])
def test_addresses_that_people_have(text: str) -> None:
    """Capitals, accents, apostrophes and a plus are in people's addresses; none at all is no address that is wrong."""
    fields.validate(fields.SomebodysEmail, text)


@pytest.mark.parametrize(
    "text", ["lea@@x", "lea", "lea@x", "lea@cafe.example.", "l a@x.example", "lea@x..example", "lea@x.example,"]
)
def test_addresses_that_reach_nobody(text: str) -> None:
    """`lea@@x` is said where it stands, in an answer and in a dossier."""
    with pytest.raises(BadInput, match="is not a mail address"):
        fields.validate(fields.SomebodysEmail, text)


@pytest.mark.parametrize(
    "kind", ["ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp384"]
)
def test_a_key_that_sshd_takes_is_taken(kind: str) -> None:
    """Keys on a token and of 521 bits are keys."""
    import base64

    blob = base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + bytes(40)).decode()

    fields.validate(fields.PublicKey, f"{kind} {blob} jo@laptop")


def test_nobody_to_call_is_said(tmp_path: Path) -> None:
    """A reseller of whom nobody has a phone is a warning: records and sheets would name nobody."""
    root = network.empty(tmp_path / "net")
    member = root / "resellers/breizh-libre.yml"
    member.write_text(re.sub(r'phone: "[^"]*"', 'phone: ""', member.read_text()))

    (said,) = open_inventory(root).check()

    assert said.warning
    assert str(said).startswith("resellers/breizh-libre.yml:")
    assert "nobody can be called" in said.what
