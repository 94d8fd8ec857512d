"""What is built: equal bytes from equal input, only what changed made again, nothing of a client's evaluated."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from provisioner.website import builder
from provisioner.website.builder import checks, release
from provisioner.website.builder.problems import languages, texts
from tests.website.conftest import Shop

HEAD = "---\ntitre: Une page\n---\n"


def full(shop: Shop) -> Shop:
    """A site with something of everything, in two languages."""
    shop.picture("boutique.jpg")
    shop.write(
        "index.md",
        "---\ntitre: Accueil\nimage: boutique.jpg\ntexte de l'image: la boutique\n---\nBonjour.\n\n## Suite\n\nVoilà.\n",
    )
    shop.write("index.en.md", "---\ntitle: Home\n---\nHello.\n")
    shop.write("horaires.md", "---\ntitre: Horaires\ntype: hours\nmenu: 2\n---\n")
    shop.write("horaires.en.md", "---\ntitle: Hours\nkind: hours\nmenu: 2\naddress: opening-hours\n---\n")
    shop.write(
        "services.md",
        "---\ntitre: Services\ntype: services\nmenu: 1\n---\nTous.\n\n## Un\n\n![la boutique](boutique.jpg)\n\n## Deux\n",
    )
    shop.write("nouvelles.md", "---\ntitre: Nouvelles\ntype: news\nmenu: 3\n---\n")
    shop.write("nouvelles/a.md", "---\ntitre: Première\ndate: 2026-03-01\n---\nUn [plan](../plan.pdf).\n")
    shop.write(
        "nouvelles/b.md", "---\ntitre: Seconde\ndate: 2026-03-02\ndescription: Deux\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    shop.write("plan.pdf", b"%PDF-1.4\n")
    shop.write("contact.md", "---\ntitre: Contact\ntype: contact\n---\n")
    return shop


def test_equal_input_gives_equal_bytes(shop: Shop, tmp_path: Path) -> None:
    """Wherever and whenever it is built: the release has the same name, and the name is its content's."""
    first = full(shop).build()
    second = builder.build(shop.facts, shop.pages, tmp_path / "elsewhere", tmp_path / "new-cache")

    assert (first.name, first.files) == (second.name, second.files)
    on_disk = {
        path.relative_to(first.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in first.folder.rglob("*")
        if path.is_file()
    }
    assert on_disk == first.files and release.name_of(on_disk) == first.name


def test_a_release_holds_nothing_wrong(shop: Shop) -> None:
    """Its own checks find nothing, in two languages, though the dossier's texts are meant to break out."""
    made = full(shop).build()

    assert [one.sentence("en") for one in checks.judge(made.folder)] == []
    size, requests = checks.weight(made.folder)
    assert (size < checks.FIRST_BYTES, requests) == (True, 3)


def test_a_clients_text_is_data(shop: Shop) -> None:
    """Tags are shown, braces are not filled in, a script's end in the dossier ends nothing."""
    home = full(shop).read("index.html")

    assert "L&#39;Épicerie &lt;b&gt;d&#39;à côté&lt;/b&gt; {{ 7*7 }}" in home and "49" not in home
    assert home.count("<script") == 1 == home.count("</script>")
    told = json.loads(home.partition('application/ld+json">')[2].partition("</script>")[0])
    assert told["name"] == shop.facts["title"] and told["telephone"] == "+33400000401"
    assert (
        told["openingHoursSpecification"][1]
        == {
            "@type": "OpeningHoursSpecification",
            "dayOfWeek": ["https://schema.org/Tuesday", "https://schema.org/Wednesday"],
            "opens": "14:00",
            "closes": "19:00",
        }
        or told["openingHoursSpecification"][0]["opens"] == "08:30"
    )


def test_nothing_changed_makes_nothing_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a page is parsed, not a picture opened; a saved file is seen even when its time and size are the same."""
    made = full(shop).build()
    for path in shop.pages.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    shop.build()  # times are old now
    kept = Path.read_bytes

    def refuse(path: Path) -> bytes:
        assert shop.pages not in path.parents, f"{path} was read"
        return kept(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    again = shop.build()

    assert (again.name, again.built) == (made.name, False)


def test_a_save_within_the_same_tick_is_seen(shop: Shop) -> None:
    """Same size, same time: a file as young as the notes is read again, as git does."""
    path = full(shop).pages / "contact.md"
    when = path.stat().st_mtime_ns + 600 * 10**9  # younger than the notes, however long a build takes
    os.utime(path, ns=(when, when))
    first = shop.build()
    path.write_text(path.read_text(encoding="utf-8").replace("Contact", "Kontact"), encoding="utf-8")
    os.utime(path, ns=(when, when))

    assert shop.build().name != first.name


def test_one_changed_page_changes_that_page_alone(shop: Shop) -> None:
    """So a deploy sends that page; a piece of news changes its lists too."""
    before = full(shop).build().files
    shop.write("services.md", "---\ntitre: Services\ntype: services\nmenu: 1\n---\nAutre texte.\n")
    after = shop.build().files

    changed = {path.removesuffix(".gz") for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path for path in changed if not path.startswith("assets/")} == {"services/index.html"}

    shop.write("nouvelles/c.md", "---\ntitre: Troisième\ndate: 2026-03-03\n---\n")
    last = shop.build().files
    changed = {path.removesuffix(".gz") for path in after.keys() | last.keys() if after.get(path) != last.get(path)}
    assert changed == {"index.html", "nouvelles/index.html", "nouvelles/c/index.html", "feed.xml", "sitemap.xml"}


def test_a_built_page_is_as_a_first_build_makes_it(shop: Shop, tmp_path: Path) -> None:
    """What was kept of the last build is never another than what would be made now."""
    full(shop).build()
    shop.write("services.md", "---\ntitre: Nos services\ntype: services\nmenu: 4\n---\n## Trois\n")
    (shop.pages / "nouvelles/b.md").unlink()
    shop.facts["hours_note"] = "Fermé le 1er mai."
    shop.picture("boutique.jpg", (900, 900))

    assert shop.build().name == builder.build(shop.facts, shop.pages, tmp_path / "o", tmp_path / "c").name


def test_pictures_are_upright_small_and_tell_nothing(shop: Shop) -> None:
    """A telephone's photo on its side, with the place it was taken at."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    shop.picture("photo.jpg", (2000, 1000), exif=exif)
    shop.write("p.md", f'{HEAD}![la plage](photo.jpg "En été")\n')

    made = shop.build()
    html = (made.folder / "p/index.html").read_text(encoding="utf-8")

    assert 'width="800" height="1600" loading="lazy"' in html and "<figcaption>En été</figcaption>" in html
    shown = [path for path in made.files if path.startswith("assets/photo-")]
    assert sorted(path.rpartition("-")[2] for path in shown) == ["1000.webp", "480.webp", "800.jpg", "800.webp"]
    for path in shown:
        with Image.open(io.BytesIO((made.folder / path).read_bytes())) as image:
            assert image.height == 2 * image.width and not image.getexif()


def test_a_picture_with_holes_keeps_them(shop: Shop) -> None:
    """A logo on no ground is one in the fallback too."""
    Image.new("RGBA", (300, 200), (10, 20, 30, 0)).save(shop.pages / "logo.png")
    shop.write("p.md", f"{HEAD}![le logo](logo.png)\n")

    made = shop.build()

    name = next(path for path in made.files if path.endswith(".png"))
    with Image.open(made.folder / name) as image:
        assert image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)


def test_headings_leave_no_step_out(shop: Shop) -> None:
    """A page has one main heading, its title, whatever is written below it."""
    shop.write("p.md", f"{HEAD}# Un\n\n#### Deux\n\n## Un\n")

    html = shop.read("p/index.html")

    assert [part[:2] for part in html.split("<h")[1:] if part[0].isdigit()] == ["1>", "2 ", "3 ", "2 "]
    assert 'id="un"' in html and 'id="un-2"' in html


def test_links_lead_to_pages_by_their_files(shop: Shop) -> None:
    """As they stand in the folder, with a heading of the page too."""
    full(shop).write(
        "p.md", f"{HEAD}[a](services.md#deux) [b](nouvelles/a.md) [c](/horaires/) [d](mailto:x@y.example) [e](#z)\n\n## Z\n"
    )

    html = shop.read("p/index.html")

    for href in ("/services/#deux", "/nouvelles/a/", "/horaires/", "mailto:x@y.example", "#z"):
        assert f'<a href="{href}">' in html


def test_a_page_leads_to_its_translation(shop: Shop) -> None:
    """In its head for machines, in its menu for people, each with its language."""
    french, english = full(shop).read("horaires/index.html"), shop.read("en/opening-hours/index.html")

    assert '<html lang="en">' in english and "8:30 – 12:30" in english
    assert '<a href="/en/opening-hours/" lang="en" hreflang="en">English</a>' in french
    assert '<link rel="alternate" hreflang="fr" href="https://boutique.example/horaires/">' in english
    assert "8 h 30 – 12 h 30" in french and "9 h – 24 h" in french


def test_the_news_are_listed_newest_first(shop: Shop) -> None:
    """On their page, and in the feed, whose date is its newest entry's."""
    page, feed = full(shop).read("nouvelles/index.html"), shop.read("feed.xml")

    assert 0 < page.index("Seconde") < page.index("Première")
    assert "<updated>2026-03-02T00:00:00Z</updated>\n<author>" in feed and "1er mars 2026" in page


def test_a_killed_build_leaves_nothing_that_could_be_served(shop: Shop) -> None:
    """What it left is swept by the next one."""
    left = shop.out / ".0123456789abcdef.4194399.beef"
    left.mkdir(parents=True)

    assert shop.build().folder.is_dir() and not left.exists()


def test_the_last_five_releases_are_kept(shop: Shop) -> None:
    """On the machine that builds."""
    names = []
    for number in range(7):
        shop.write("p.md", f"{HEAD}{number}\n")
        names.append(shop.build().name)

    assert [path.name for path in release.listed(shop.out)] == names[:1:-1]


def test_the_builder_needs_nothing_of_ours(shop: Shop, tmp_path: Path) -> None:
    """Its folder alone, under any name, builds the same release: that is how an office's server runs it."""
    (tmp_path / "site_builder").symlink_to(Path(builder.__file__).parent)
    (tmp_path / "facts.json").write_text(json.dumps(shop.facts), encoding="utf-8")
    for other in ("provisioner", "pydantic", "click", "rich", "babel"):  # on the path before ours, and none that can be imported
        (tmp_path / f"{other}.py").write_text("raise ImportError", encoding="utf-8")
    words = [tmp_path / "facts.json", shop.pages, tmp_path / "out", tmp_path / "cache"]

    done = subprocess.run(
        [sys.executable, "-m", "site_builder", *map(str, words)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["release"] == shop.build().name


def test_every_language_says_everything() -> None:
    """A further language is one file: it has the words of the others."""

    def shape(value: object) -> object:
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)

    told = {language: {key: value for key, value in texts(language).items() if key != "keys"} for language in languages()}
    assert {"fr", "en"} <= set(told)
    for words in told.values():
        assert shape(words) == shape(told["en"])
        places = [set(re.findall(r"\{\w+\}", text)) for text in words["problems"].values()]
        assert places == [set(re.findall(r"\{\w+\}", text)) for text in told["en"]["problems"].values()]
