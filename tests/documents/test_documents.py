"""Documents: readable by all, complete in themselves, marked when they are a lab's, and never a way in for client text."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import pytest
from weasyprint import HTML

from provisioner import documents, record
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.language import LANGUAGES
from provisioner.record import sheet
from provisioner.secrets import vault
from tests.record import handover

LANGS = sorted(LANGUAGES)


class Page(HTMLParser):
    """Every element with its attributes, and what each held open when it came."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, in one line."""
        return re.sub(r"[ \n]+", " ", "".join(self.words))


def sealed(target: Target, language: str = "fr") -> str:
    """A sealed sheet as HTML, with a password of the test's."""
    return person_page(target, language, secret="Kana-rien-2cha-rade")


def person_page(target: Target, language: str = "fr", secret: str = "") -> str:
    """Zoé's sheet as HTML."""
    inventory = open_inventory(target.inventory)
    office = inventory.office("demo")
    pack, reseller = inventory.pack(office.pack), inventory.reseller(office.reseller)
    return sheet.page(office, pack, reseller, "zoe", language, lab=target.lab, made=handover.iso(handover.NOW), secret=secret)


def every(target: Target, language: str = "fr") -> dict[str, str]:
    """Every kind of document of an office, as HTML."""
    made = record.new(target, by=handover.BY, language=language, now=handover.NOW, commit=False)
    return {"record": made.html.read_text(), "sheet": person_page(target, language), "sealed": sealed(target, language)}


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For promises about the HTML alone: no PDF is laid out."""
    monkeypatch.setattr(documents, "pdf", str.encode)


@pytest.fixture
def lab(tmp_path: Path) -> Target:
    """A verified lab."""
    target = handover.office(tmp_path / "net", lab=True)
    handover.verified(target)
    return target


@pytest.fixture
def real(tmp_path: Path) -> Target:
    """A verified office."""
    target = handover.office(tmp_path / "real")
    handover.verified(target)
    return target


def elements(node: Any, found: list[str]) -> list[str]:
    """The names of a PDF's structure elements, in the order of reading."""
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for child in node:
            elements(child, found)
    elif isinstance(node, dict):
        if "/S" in node:
            found.append(str(node["/S"]))
        if "/K" in node:
            elements(node["/K"], found)
    return found


@pytest.mark.parametrize("language", LANGS)
def test_a_screen_reader_reads_every_document(lab: Target, language: str) -> None:
    """PDF/UA-1: tagged, with language and title, headings in order, tables with headers, bookmarks where there are pages."""
    for name, source in every(lab, language).items():
        made = documents.pdf(source)
        (lab.state / "x.pdf").write_bytes(made)
        reader = pypdf.PdfReader(lab.state / "x.pdf")
        root: Any = reader.trailer["/Root"]
        tags = elements(root["/StructTreeRoot"]["/K"], [])
        levels = [int(tag[2:]) for tag in tags if re.fullmatch(r"/H[1-6]", tag)]

        assert bool(root["/MarkInfo"]["/Marked"])
        assert root["/Lang"] == language
        assert bool(root["/ViewerPreferences"]["/DisplayDocTitle"])
        assert b'pdfuaid:part="1"' in root["/Metadata"].get_data()
        assert reader.metadata and reader.metadata.title and reader.metadata.title.startswith("LAB – ")
        assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
        assert len(reader.outline) > 3 or name != "record"
        if name == "record":
            assert {"/Table", "/TR", "/TH", "/TD", "/L", "/LI"} <= set(tags)
        for one in (e for e in Page(source).elements if e[0] == "th"):
            assert one[1].get("scope") in ("col", "row")


@pytest.mark.parametrize("language", LANGS)
def test_a_labs_document_says_so_on_each_page(lab: Target, real: Target, language: str) -> None:
    """LAB stands on every page, in the title and in the HTML; a real office's document never says it."""
    for target in (lab, real):
        for name, source in every(target, language).items():
            (lab.state / "x.pdf").write_bytes(documents.pdf(source))
            pages = [page.extract_text() for page in pypdf.PdfReader(lab.state / "x.pdf").pages]

            band = {"fr": "LAB · répétition", "en": "LAB · rehearsal"}[language]
            assert [(band in text) for text in pages] == [target.lab] * len(pages), name
            assert ("<title>LAB – " in source) == ('class="lab"' in source) == target.lab, name


@pytest.mark.parametrize("language", LANGS)
@pytest.mark.usefixtures("_quick")
def test_a_document_needs_nothing_else(lab: Target, language: str) -> None:
    """No document fetches anything: no script, no link to a style, no image but those in it, and a browser is told so."""
    for name, source in every(lab, language).items():
        page = Page(source)

        assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "base", "form"} == set(), name
        assert not [
            a
            for _, a in page.elements
            if {"src", "href", "style", "onload", "onclick"} & set(a)
            and "style" not in a
            and not (a.get("src") or "").startswith("data:image/png;base64,")
        ], name
        assert "url(" not in source and "@import" not in source
        assert "default-src 'none'" in source


def test_what_asks_for_something_outside_is_not_printed() -> None:
    """Were a template to name an image one day, no file and no host would be asked for it."""
    for address in ("file:///etc/hostname", "http://192.0.2.1/x.png", "data:text/html;base64,AA"):
        with pytest.raises(BaseException, match="a document asked for"):
            documents.pdf(f'<html lang="fr"><title>x</title><img alt="x" src="{address}">')


@pytest.mark.parametrize("text", handover.NASTY, ids=range(len(handover.NASTY)))
@pytest.mark.usefixtures("_quick")
def test_client_text_is_shown_as_it_is(tmp_path: Path, text: str) -> None:
    """Braces, tags, marks and long words in names are read as they were written, and make no element of their own."""
    plain = handover.office(tmp_path / "plain", lab=True)
    handover.verified(plain)
    target = handover.office(tmp_path / "net", lab=True)
    handover.renamed(target, organisation=text, person=text, contact=text, model=text, location=text, group=text)
    findings = [{**one.as_object(), "values": {"host": text}, "evidence": text, "about": text} for one in handover.findings()]
    handover.verified(target, findings=findings)
    bare, dressed = every(plain), every(target)

    for name, source in dressed.items():
        page = Page(source)
        assert text in "".join(page.words).replace("\u2068", "").replace("\u2069", ""), name
        assert [tag for tag, _ in page.elements] == [tag for tag, _ in Page(bare[name]).elements], name
        if "\u202e" in text:  # its override ends where the text does
            assert [
                w for w in page.words if "\u202e" in w and not w.index("\u2068") < w.index("\u202e") < w.rindex("\u2069")
            ] == []
            assert [w for w in page.words if w.count("\u2068") != w.count("\u2069")] == []


@pytest.mark.usefixtures("_quick")
def test_long_names_stay_on_the_page(tmp_path: Path) -> None:
    """A word of 200 letters is broken: no text lies beyond the margins."""
    target = handover.office(tmp_path / "net", lab=True)
    word = "W" * 200
    handover.renamed(target, organisation=word, person=word, contact=word, model=word, location=word, group=word)
    handover.verified(target, findings=[{**one.as_object(), "evidence": word} for one in handover.findings()])
    for name, source in every(target).items():
        for page in HTML(string=source).render().pages:
            texts = [box for box in page._page_box.descendants() if hasattr(box, "text")]
            beyond = [box.text for box in texts if box.position_x + box.width > page.width]

            assert texts
            assert beyond == [], name


def test_the_same_record_gives_the_same_bytes(lab: Target) -> None:
    """HTML and PDF are made again from the JSON and its pictures, to the byte: their dates are the record's own."""
    made = record.new(lab, by=handover.BY, now=handover.NOW)
    said = {key: value for key, value in made.body.items() if not key.endswith("_sha256")}
    source = record.page(said, record.shown(lab.summaries, said))

    assert source == made.html.read_text()
    assert documents.pdf(source) == made.pdf.read_bytes()


def test_no_password_is_in_any_document_but_the_sealed_sheet(lab: Target) -> None:
    """Of all the secrets of the office none is in a record or a sheet; the sealed sheet has its person's and no other."""
    secrets = vault.read(lab)
    made = record.new(lab, by=handover.BY, now=handover.NOW)
    sheets = sheet.make(lab, [], now=handover.NOW)
    closed = sheet.make(lab, ["zoe"], sealed=True, now=handover.NOW)[0]
    leaves = [text for section in secrets.model_dump().values() for text in section.values() if isinstance(text, str)]
    shown = made.path.read_text() + made.html.read_text()
    for path in (made.pdf, *(one.pdf for one in sheets)):
        shown += "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    inside = "".join(page.extract_text() for page in pypdf.PdfReader(closed.pdf).pages)

    assert len(leaves) > 8 and [text for text in leaves if text in shown and text not in secrets.lab.get("names", "")] == []
    assert secrets.people["zoe"] in inside
    assert [text for text in leaves if text in inside and text != secrets.people["zoe"] and len(text) > 8] == []
    assert closed.pdf.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("_quick")
def test_the_record_tells_what_it_must(real: Target) -> None:
    """Parties, machines with serials, versions and ends of support, services, tests with evidence, help, signatures, seal."""
    text = Page(every(real)["record"]).text
    for wanted in (
        "Recette sans réserve", "L'Épicerie d'à côté", "SIREN 000\u00a0613\u00a0984", "Zoé N'Diaye, gérante", "L'Atelier Lumière",
        "FICTIF-S-0001", "Debian GNU/Linux 13 (trixie)", "mises à jour de sécurité jusqu’au 30 juin 2030", "3 février 2031",
        "FICTIF-P-0001", "À côté de la caisse", "Sauvegardes", "Le dossier commun", f"Réussi : {len(handover.findings())}",
        "09:30", "04\u00a000\u00a000\u00a001\u00a010", "Céline Lefèvre", "samba-ad-dc 2:4.22.6+dfsg-0+deb13u1",
        "Pour le client", "Pour le prestataire", "aucun, celui-ci est le premier", "Une seconde copie part vers un autre lieu.",
    ):  # fmt: skip
        assert re.sub(r" (?=:)", "\u00a0", wanted) in text or wanted in text, wanted


@pytest.mark.usefixtures("_quick")
def test_a_record_with_reserves_lists_them_first(real: Target) -> None:
    """Who signs reads what is left to do before anything else."""
    handover.applied(real)
    text = Page(every(real, "en")["record"]).text

    assert "Handed over with reserves" in text and "without reserves" not in text
    assert (
        0
        < text.index("The machines were changed after the tests (run 20261123T085000Z-cd34).")
        < text.index("What was installed")
    )
    assert "1 point remains to be settled" in text
