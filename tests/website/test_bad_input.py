"""What a client may put into the folder by mistake: one sentence each, naming file and line, and nothing is written."""

import os
import struct
import zlib
from collections.abc import Callable

import pytest

from tests.website.conftest import Shop

Refusals = Callable[[], list[str]]
HEAD = "---\ntitre: Une page\n---\n"
TEXTS = {
    "html": ("Bonjour\n<script>alert(1)</script>\n", "p.md:5: du HTML n'est pas permis ici (<script>)"),
    "html inside": ("Un *mot* <b>gras</b>\n", "p.md:4: du HTML n'est pas permis ici (<b>)"),
    "a comment": ("Un <!-- secret --> mot\n", "p.md:4: du HTML n'est pas permis ici (<!-- secret -->)"),
    "template": ("\nUn {{ 7*7 }}\n", "p.md:5: des accolades doubles"),
    "template tag": ("{% for x in y %}\n", "p.md:4: des accolades doubles"),
    "javascript": ("[ici](javascript:alert(1))\n", "p.md:4: un lien ne peut pas mener à « javascript:alert(1) »"),
    "javascript hidden": ("[ici](JaVa&#10;Script:alert(1))\n", "p.md:4: un lien ne peut pas mener à"),
    "data": ("[ici](data:text/html,x)\n", "p.md:4: un lien ne peut pas mener à « data:text/html,x »"),
    "another host": ("[ici](//evil.example/x)\n", "p.md:4: un lien ne peut pas mener à « //evil.example/x »"),
    "autolink": ("<vbscript:x>\n", "p.md:4: un lien ne peut pas mener à « vbscript:x »"),
    "a picture elsewhere": ("![x](https://evil.example/x.jpg)\n", "p.md:4: cette image est sur un autre site"),
    "out of the folder": ("a\nb ![x](../../secret.jpg)\n", "p.md:5: « ../../secret.jpg » mène hors du dossier du site"),
    "encoded": ("[x](%2e%2e/%2e%2e/etc/passwd)\n", "p.md:4: « ../../etc/passwd » mène hors du dossier"),
    "no picture": ("![x](perdue.jpg)\n", "p.md:4: l'image « perdue.jpg » n'est pas dans le dossier"),
    "no page": ("[x](perdue.md)\n", "p.md:4: le lien « perdue.md » ne mène à aucun fichier"),
    "no address": ("[x](/perdue/)\n", "p.md:4: le lien « /perdue/ » ne mène à aucune page"),
    "no heading": ("[x](index.md#rien)\n", "p.md:4: le lien « index.md#rien » mène à un titre que la page n'a pas"),
    "no own heading": ("[x](#rien)\n", "p.md:4: le lien « #rien » mène à un titre que la page n'a pas"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_cannot_be_taken_is_said_with_its_line(shop: Shop, refused: Refusals, case: str) -> None:
    """Nothing a page holds becomes code or leads out of the site; the sentence says where it stands."""
    text, said = TEXTS[case]
    shop.write("p.md", HEAD + text)

    assert [line[: len(said)] for line in refused()] == [said]


HEADS = {
    "an unknown word": ("titre: a\ncouleur: rouge\n", "p.md:3: « couleur » n'est pas un mot d'en-tête"),
    "twice": ("titre: a\ntitle: b\n", "p.md:3: « title » est écrit deux fois"),
    "a wrong date": ("titre: a\ndate: 21/03/2026\n", "p.md:3: « 21/03/2026 » n'est pas une date"),
    "a wrong place": ("titre: a\nmenu: haut\n", "p.md:3: « haut » n'est pas une place dans le menu"),
    "a wrong kind": ("titre: a\ntype: blog\n", "p.md:3: « blog » n'est pas un type de page"),
    "a wrong address": ("titre: a\nadresse: ../etc\n", "p.md:3: « ../etc » ne peut pas être une adresse"),
    "an address of ours": ("titre: a\nadresse: assets/x\n", "p.md:3: l'adresse /assets/x/ est déjà prise"),
    "no title": ("description: a\n", "p.md:1: cette page n'a pas de titre"),
    "an invisible character": ("titre: a\u202eb\n", "p.md:2: cette ligne contient un caractère invisible"),
    "no such picture": ("titre: a\nimage: x.jpg\n", "p.md:3: l'image « x.jpg » n'est pas dans le dossier"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_cannot_be_taken_is_said_with_its_line(shop: Shop, refused: Refusals, case: str) -> None:
    """The lines at a page's top are words we know, each once, with values that mean something."""
    text, said = HEADS[case]
    shop.write("p.md", f"---\n{text}---\n")

    assert [line[: len(said)] for line in refused() if "p.md" in line][-1] == said


def test_what_looks_like_code_is_shown_where_it_is_marked_as_such(shop: Shop) -> None:
    """Between backticks and in indented lines HTML and braces are text; so is a lone sign."""
    shop.write("p.md", HEAD + "`<script>{{ x }}` et 3 < 4, a<3, {x}\n\n    <b>{{ y }}</b>\n")

    html = shop.read("p/index.html")

    assert "<code>&lt;script&gt;{{ x }}</code> et 3 &lt; 4, a&lt;3, {x}" in html
    assert "&lt;b&gt;{{ y }}&lt;/b&gt;" in html


def png(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG of one colour that claims any size and costs nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG whose comment is 100 MB of nothing, packed."""
    data = b"comment\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return png(10, 10, chunk)


PICTURES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "40 MB": ("photo.jpg", lambda: b"\xff\xd8" + bytes(40_000_000), "photo.jpg: 40.0 Mo, c'est trop lourd : 20.0 Mo au plus"),
    "HEIC": ("photo.heic", lambda: b"x", "photo.heic: les navigateurs ne lisent pas ce format de photo (HEIC)"),
    "HEIC called JPEG": (
        "photo.jpg",
        lambda: b"\0\0\0\x18ftypheic" + bytes(99),
        "photo.jpg: les navigateurs ne lisent pas ce format",
    ),
    "no picture at all": ("photo.jpg", lambda: b"bonjour", "photo.jpg: cette image est abîmée"),
    "SVG": ("logo.svg", lambda: b"<svg/>", "logo.svg: les navigateurs ne lisent pas ce format de photo (SVG)"),
    "a bomb of points": ("photo.png", lambda: png(60_000, 60_000), "photo.png: cette image a plus de 60 millions de points"),
    "a bomb of text": ("photo.png", text_bomb, "photo.png: cette image est abîmée"),
    "empty": ("photo.png", lambda: b"", "photo.png: cette image est abîmée"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_picture_that_cannot_be_taken_is_named(shop: Shop, refused: Refusals, case: str) -> None:
    """Too large, broken, of a camera's own format, or made to fill the memory: one sentence, at once."""
    name, content, said = PICTURES[case]
    shop.write(name, content())
    shop.write("p.md", f"{HEAD}![une photo]({name})\n")

    assert [line[: len(said)] for line in refused()] == [said]


def test_a_picture_that_breaks_off_is_named(shop: Shop, refused: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head is whole, so only decoding it tells; also beside a library that takes torn pictures for whole, as WeasyPrint."""
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    path = shop.picture("photo.jpg")
    path.write_bytes(path.read_bytes()[:2000])
    shop.write("p.md", f"{HEAD}![une photo](photo.jpg)\n")

    assert refused() == ["photo.jpg: cette image est abîmée et ne s'ouvre pas ; copiez-la de nouveau dans le dossier"]


def test_a_link_out_of_the_folder_is_not_followed(shop: Shop, refused: Refusals) -> None:
    """A symbolic link, to a file or a folder, is refused by its name alone."""
    (shop.pages / "secret.md").symlink_to("/etc/passwd")
    (shop.pages / "tout").symlink_to("/")

    assert [line.partition(":")[0] for line in refused()] == ["secret.md", "tout"]


def test_what_is_no_file_is_refused(shop: Shop, refused: Refusals) -> None:
    """A pipe would stop who reads it."""
    os.mkfifo(shop.pages / "tube.md")

    assert refused() == ["tube.md: n'est pas un fichier ordinaire ; retirez-le du dossier"]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_page_in_another_coding_is_named(shop: Shop, refused: Refusals, coding: str) -> None:
    """What Windows' Notepad once saved."""
    shop.write("p.md", "---\ntitre: Été\n---\n".encode(coding))

    assert [line.partition(": ")[2][:27] for line in refused()] == ["n'est pas du texte UTF-8 ; "]


def test_two_pages_with_one_address_name_each_other(shop: Shop, refused: Refusals) -> None:
    """Whatever their files are called."""
    shop.write("Nos tarifs.md", HEAD)
    shop.write("nos-tarifs.md", HEAD)

    assert refused() == ["nos-tarifs.md: a la même adresse que Nos tarifs.md (/nos-tarifs/) ; renommez l'une des deux pages"]


def test_names_with_blanks_and_accents_are_taken(shop: Shop) -> None:
    """Also as a Mac writes them (NFD), and in Markdown as a person writes them."""
    shop.picture("Photo de l'été.JPG", format="JPEG")
    shop.write("Où nous trouver.md", f"{HEAD}![la plage](Photo de l'e\u0301te\u0301.JPG) et [l'accueil](index.md)\n")

    html = shop.read("ou-nous-trouver/index.html")

    assert "/assets/photo-de-l-ete-" in html and '<a href="/">l\'accueil</a>' in html


def test_without_a_home_page_nothing_is_built(shop: Shop, refused: Refusals) -> None:
    """The sentence says which file to add."""
    (shop.pages / "index.md").rename(shop.pages / "autre.md")

    assert refused() == ["index.md: il n'y a pas de page d'accueil ; ajoutez index.md"]


def test_everything_wrong_is_said_at_once(shop: Shop, refused: Refusals) -> None:
    """One round of mending, not five."""
    shop.write("a.md", HEAD + "<b>\n\n[x](javascript:y)\n")
    shop.write("b.md", b"\xff\xfea")
    shop.write("c.heic", b"")

    assert [line.split(" ")[0] for line in refused()] == ["a.md:4:", "a.md:6:", "b.md:", "c.heic:"]
