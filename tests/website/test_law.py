"""The law as data: what must be known before a page is published, and what the pages then say."""

import re
from pathlib import Path

import pytest

from provisioner.website.builder import law
from provisioner.website.builder.problems import languages
from tests.website.conftest import Shop
from tests.website.test_bad_input import Refusals

MISSING = {
    "organisation.capital": "offices/shop/dossier.yml:2: organisation.capital manque ; la loi l'exige sur la page"
    " « Mentions légales » (LCEN, art. 1-1, I, 2°)",
    "organisation.siren": "offices/shop/dossier.yml:2: organisation.siren manque ; la loi l'exige",
    "organisation.trade_register": "offices/shop/dossier.yml:2: organisation.trade_register manque ; la loi l'exige",
    "website.phone": "offices/shop/dossier.yml:40: website.phone manque ; la loi l'exige sur la page « Mentions légales »",
    "website.director": "offices/shop/dossier.yml:40: website.director manque ; la loi l'exige sur la page « Mentions légales »",
    "website.email": "offices/shop/dossier.yml:40: website.email manque ; la loi l'exige sur la page « Vie privée » (RGPD",
    "host.phone": "offices/shop/dossier.yml:1: host.phone manque ; la loi l'exige",
}


def without(shop: Shop, field: str) -> Shop:
    """The shop whose dossier lacks one field."""
    part, _, name = field.partition(".")
    if part == "website":
        shop.facts[name] = ""
    else:
        shop.facts[part] = {**shop.facts[part], name: ""}
    return shop


@pytest.mark.parametrize("field", MISSING)
def test_no_site_without_what_the_law_asks_for(shop: Shop, refused: Refusals, field: str) -> None:
    """The sentence names the field, the law, the page and the dossier's line."""
    without(shop, field)

    assert [line[: len(MISSING[field])] for line in refused()] == [MISSING[field]]


def test_what_another_dossier_lacks_is_said_there(shop: Shop, refused: Refusals) -> None:
    """The host's phone, where another office's server has the site, is that office's to say."""
    shop.facts |= {"fields": {"host.phone": "organisation.contacts"}, "files": {"host.phone": "offices/hub/dossier.yml"}}
    shop.facts["host"] |= {"phone": ""}

    assert refused()[0].startswith("offices/hub/dossier.yml: organisation.contacts manque ; la loi l'exige")


@pytest.mark.parametrize("form", ["Association loi 1901", "association", "collectif"])
def test_an_association_needs_no_capital(shop: Shop, form: str) -> None:
    """What only companies must say is asked of companies."""
    shop.facts["organisation"] |= {"legal_form": form, "capital": "", "siren": "", "trade_register": "", "vat": ""}
    shop.facts["mediator"] = ""

    assert shop.build().warnings == ()


def test_what_is_due_in_some_cases_is_said_and_stops_nothing(shop: Shop) -> None:
    """Whether a shop is liable for VAT, or sells to consumers, a dossier cannot know."""
    shop.facts["organisation"] |= {"vat": ""}
    shop.facts["mediator"] = ""

    assert [one.values[0][1] for one in shop.build().warnings] == ["organisation.vat", "website.mediator"]


def test_a_public_body_names_its_data_protection_officer(shop: Shop, refused: Refusals) -> None:
    """RGPD, article 37."""
    shop.facts["organisation"] |= {"legal_form": "Commune"}

    assert [line.partition(" manque")[0] for line in refused()] == ["offices/shop/dossier.yml:40: website.dpo"]


def test_the_state_of_accessibility_is_the_true_one(shop: Shop) -> None:
    """Without an audit a site that the law binds is not compliant, at every page's foot; with one it is what that found."""
    shop.facts["organisation"] |= {"legal_form": "commune"}
    shop.facts["dpo"] = "dpo@mairie.example"

    assert ">Accessibilité : non conforme</a>" in shop.read("index.html")
    assert "aucun audit n'en a encore été fait" in shop.read("accessibilite/index.html")
    assert "Défenseur des droits" in shop.read("accessibilite/index.html")

    shop.facts["accessibility"] = {
        "status": "partial", "audited": "2026-10-01", "auditor": "Cabinet <A11y>", "rate": 78, "gaps": ["les plans"],
        "plan": None,
    }  # fmt: skip
    page = shop.read("accessibilite/index.html")
    assert ">Accessibilité : partiellement conforme</a>" in shop.read("index.html")
    assert "L'audit du 1er octobre 2026, fait par Cabinet &lt;A11y&gt;, révèle que 78 % des critères" in page
    assert "aucun audit" not in page and "<li>les plans</li>" in page


def test_who_is_not_bound_says_so(shop: Shop) -> None:
    """And nothing of compliance stands at the foot of the pages."""
    assert "ne nous impose pas de déclaration" in shop.read("accessibilite/index.html")
    assert "conforme" not in shop.read("index.html")


def test_the_legal_notice_says_who_publishes_and_who_hosts(shop: Shop) -> None:
    """Everything of article 1-1, escaped, with the text's version and date."""
    page = shop.read("mentions-legales/index.html")

    for said in ("8 000 €", "000 613 984", "000 613 984 RCS Lyon", "FR51000613984", "Zoé N&#39;Diaye",
                 "12, rue Basse, 69001 Lyon",
                 "04 00 00 01 10", "Médiation de Lyon", "&lt;script&gt;alert(1)", "version 1."):  # fmt: skip
        assert said in page
    assert "<script>" not in page


def test_the_privacy_page_tells_what_is_installed(shop: Shop) -> None:
    """The form only where there is one; how long logs are kept is what the role keeps them."""
    assert "365 jours" in shop.read("vie-privee/index.html") and "formulaire" not in shop.read("vie-privee/index.html")

    shop.facts["form"], shop.facts["logs_days"] = "/contact/envoyer", 180
    assert "180 jours" in shop.read("vie-privee/index.html") and "formulaire de contact" in shop.read("vie-privee/index.html")


def test_what_the_client_writes_there_stays_beside_the_law(shop: Shop) -> None:
    """The file gives the page its title, its address and more text; taking it away takes nothing of the law away."""
    shop.write("legal.md", "---\ntitre: Qui nous sommes\ntype: legal_notice\nadresse: qui\n---\nPhotos : Côme.\n")

    page = shop.read("qui/index.html")
    assert page.index("Photos : Côme.") < page.index("Qui publie ce site")
    (shop.pages / "legal.md").unlink()
    assert "Qui publie ce site" in shop.read("mentions-legales/index.html")


def test_a_country_without_texts_is_said(shop: Shop, refused: Refusals) -> None:
    """Which file to add; no site is built on another country's law."""
    shop.facts["organisation"] |= {"address": {**shop.facts["address"], "country": "BE"}}

    assert refused() == ["offices/shop/dossier.yml:2: il n'y a pas de textes légaux pour le pays BE : ajoutez builder/law/be.yml"]


@pytest.mark.parametrize("file", sorted(law.LAW.glob("*.yml")), ids=lambda path: path.stem)
def test_a_law_is_whole(file: Path) -> None:
    """Every page in every language it has, each rule with its source, a version and a date."""
    told = law.of(file.stem)

    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(told["date"])) and told["version"]
    assert set(told["texts"]) == set(languages()) and all(set(pages) == set(law.PAGES) for pages in told["texts"].values())
    for rule in told["requires"]:
        assert rule["page"] in law.PAGES and rule["source"] and set(rule.get("when", [])) <= set(told["forms"])


@pytest.mark.parametrize(
    ("form", "group"),
    [
        ("SARL", "company"), ("Scop SARL", "company"), ("SA", "company"), ("SAS à capital variable", "company"),
        ("Commune", "public"), ("Communauté de communes", "public"), ("Établissement public", "public"), ("Région", "public"),
        ("EI", "person"), ("Micro-entreprise", "person"), ("Particulier", "person"),
        ("Association", ""), ("Fondation", ""), ("Salle des fêtes", ""),
    ],
)  # fmt: skip
def test_a_legal_form_is_told_by_how_it_begins(form: str, group: str) -> None:
    """Capitals and accents aside; a short word only where it is the whole first word."""
    assert law.form(law.of("FR"), form) == group
