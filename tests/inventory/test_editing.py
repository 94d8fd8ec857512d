"""A dossier changed by a verb: what the verb did not say stays byte for byte."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import BadInput, Busy
from provisioner.inventory import open_inventory
from provisioner.inventory.editing import Draft
from provisioner.inventory.strict_yaml import Place, parse
from tests import network

# What stands in the dossier's `people:` -> the same with luc added. Everything around it stays.
FORMS = {
    "one line each": (
        "people:\n  zoe: {name: Zoé}  # la gérante\n",
        "people:\n  zoe: {name: Zoé}  # la gérante\n  luc: {name: Luc}\n",
    ),
    "one line a word": (
        "people:\n    zoe:\n        name: Zoé\n        # depuis toujours\n",
        "people:\n    zoe:\n        name: Zoé\n    luc:\n      name: Luc\n        # depuis toujours\n",
    ),
    "all on one line": ("people: {zoe: {name: 'Zoé'}} # tous\n", "people: {zoe: {name: Zoé}, luc: {name: Luc}} # tous\n"),
    "over lines": ("people: {\n  zoe: {name: Zoé},\n  }\n", "people: {zoe: {name: Zoé}, luc: {name: Luc}}\n"),
    "nobody": ("people: {}   # personne\n", "people:   # personne\n  luc: {name: Luc}\n"),
    "a block of text": (
        "people:\n  zoe:\n    name: |-\n      Zoé\n      # pas un commentaire\n",
        "people:\n  zoe:\n    name: |-\n      Zoé\n      # pas un commentaire\n  luc:\n    name: Luc\n",
    ),
    "a text over lines": (
        "people:\n  zoe:\n    name: Zoé\n      la gérante\n",
        "people:\n  zoe:\n    name: Zoé\n      la gérante\n  luc:\n    name: Luc\n",
    ),
    "no such section": ("", "# People by login.\npeople:\n  luc: {name: Luc}\n"),
}
AROUND = "# ce qui suit reste\nwebsite: {domain: shop.example, title: 'Boutique'}   # là\n# fin\n"


def shop(root: Path, people: str, ending: str = "\n") -> Path:
    """A network with one office of two machines, its people as given; the dossier's path."""
    network.empty(root)
    text = network.dossier(0, 2).partition("people:")[0] + people + AROUND
    path = root / "offices" / "shop" / "dossier.yml"
    path.parent.mkdir()
    path.write_bytes(text.replace("\n", ending).encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "dos"])
@pytest.mark.parametrize("form", FORMS)
def test_whatever_form_a_dossier_has_it_keeps(form: str, ending: str, tmp_path: Path) -> None:
    """Somebody is added in the manner of the others; comments, quotes and line ends around them stay."""
    before, after = FORMS[form]
    path = shop(tmp_path / "net", before, ending)
    text = path.read_bytes().decode()
    was, wanted = ((part + AROUND).replace("\n", ending) for part in (before, after))
    draft = Draft(open_inventory(tmp_path / "net"), "shop")

    draft.put(("people",), "luc", {"name": "Luc"})
    office = draft.save()

    assert path.read_bytes().decode() == text.replace(was, wanted)
    assert office.people["luc"].name == "Luc"
    if before and form != "a text over lines":
        again = Draft(open_inventory(tmp_path / "net"), "shop")
        again.drop(("people",), "luc")
        assert again.save().people.keys() == parse(text.encode()).value["people"].keys()


def test_a_comment_stays_with_the_section_it_stands_above(tmp_path: Path) -> None:
    """The last of a section goes, the comment above the next section stays; so does the one above the first."""
    path = shop(tmp_path / "net", "people:\n  # à la caisse\n  zoe: {name: Zoé}\n  luc: {name: Luc}\n\n")
    draft = Draft(open_inventory(tmp_path / "net"), "shop")

    draft.drop(("people",), "luc")
    draft.save()

    assert path.read_text().endswith("people:\n  # à la caisse\n  zoe: {name: Zoé}\n\n" + AROUND)


def test_a_wrong_result_is_never_written(tmp_path: Path) -> None:
    """Every problem of what a verb would write is named at once, and the dossier stays as it is."""
    path = shop(tmp_path / "net", "people:\n  zoe: {name: Zoé}\n")
    found = path.read_bytes()
    draft = Draft(open_inventory(tmp_path / "net"), "shop")

    draft.put(("people",), "team", {"name": "", "groups": ["nobody"]})
    draft.put(("people",), "a" * 33, {"name": "Trop long"})
    with pytest.raises(BadInput) as refused:
        draft.save()

    said = str(refused.value)
    assert "people.team.name: is empty" in said
    assert "'nobody' is not a group" in said
    assert "people.team: is the name of a group too" in said
    assert "is not a login of at most 20 characters" in said
    assert "dossier.yml" not in said, "no line of a file that was not written"
    assert path.read_bytes() == found


def test_a_dossier_with_problems_is_mended_by_hand_first(tmp_path: Path) -> None:
    """A verb does not touch a dossier that is wrong as it stands."""
    path = shop(tmp_path / "net", "people:\n  root: {name: R}\n")
    found = path.read_bytes()

    with pytest.raises(BadInput, match=r"people\.root"):
        Draft(open_inventory(tmp_path / "net"), "shop")
    assert path.read_bytes() == found


def test_a_dossier_that_somebody_saved_meanwhile_is_theirs(tmp_path: Path) -> None:
    """An editor that saved between our reading and our writing does not lose its work."""
    path = shop(tmp_path / "net", "people:\n  zoe: {name: Zoé}\n")
    draft = Draft(open_inventory(tmp_path / "net"), "shop")
    draft.put(("people",), "luc", {"name": "Luc"})
    path.write_text(path.read_text() + "# leur travail\n")

    with pytest.raises(Busy):
        draft.save()
    assert path.read_text().endswith("# leur travail\n")


@pytest.mark.parametrize("office", ["demo", "association-les-hirondelles", "mairie-saint-aubin"])
def test_everybody_may_leave_and_come_back(office: str, tmp_path: Path) -> None:
    """One after the other all people of an office leave and come back; all lines that are not theirs are as before."""
    from provisioner.inventory.target import Target
    from provisioner.office import people

    root = network.with_office(tmp_path / "net", office)
    inventory, target = open_inventory(root), Target(root, office)
    before = inventory.office(office)
    path = root / "offices" / office / "dossier.yml"
    lines = [line for line in path.read_text().split("\n") if line.lstrip().startswith("#")]
    for login in before.people:
        stays = next((other for other in inventory.office(office).people if other != login), "")
        if not stays:
            break
        people.remove(inventory, target, login, stays, date(2026, 11, 2))
    assert len(inventory.office(office).people) == 1
    assert len({who.successor for who in inventory.office(office).former.values()}) == 1, "who leaves hands on what they had"
    for login, who in before.people.items():
        if login not in inventory.office(office).people:
            people.add(inventory, target, login, who.model_dump(mode="json"))

    after = inventory.office(office)
    assert dict(after.people) == dict(before.people)
    assert after.former.keys() == before.former.keys()
    assert [line for line in path.read_text().split("\n") if line in lines] == lines
    cleared = {name: host.model_copy(update={"person": ""}) for name, host in before.hosts.items()}
    assert {name: host for name, host in after.hosts.items() if not host.person} | cleared == cleared


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@given(name=TEXTS.filter(str.strip), phone=TEXTS)
def test_any_name_is_written_as_it_was_said(name: str, phone: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Quotes, braces, marks that turn the line around: a name is data, and reads back as it was given."""
    root = tmp_path_factory.mktemp("net")
    shop(root / "net", "people:\n  zoe: {name: Zoé}\n")
    draft = Draft(open_inventory(root / "net"), "shop")
    place: Place = ("people",)

    draft.put(place, "luc", {"name": name, "phone": phone})

    luc = draft.save().people["luc"]
    assert (luc.name, luc.phone) == (name, phone)
