"""The theme: what can be read, by day and by night, and what the server's Content-Security-Policy lets through."""

import re
from pathlib import Path

import pytest

from provisioner.website import builder
from provisioner.website.builder import checks
from provisioner.website.builder.colours import COLOURS, icon, style
from tests.website.conftest import Shop

THEME = Path(builder.__file__).parent / "theme"
CSS = (THEME / "style.css").read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def variables(night: bool) -> dict[str, str]:
    """The colours that the style sets by day, or by night."""
    found = re.findall(r":root\{([^}]*)\}", style(CSS, "blue"))[int(night)]
    return dict(re.findall(r"--([a-z]+):(#[0-9a-f]{3,6})", found))


@pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("name", COLOURS)
def test_all_text_has_contrast(name: str, night: bool) -> None:
    """At least 4.5 to 1 for text (WCAG 2.2, 1.4.3), 3 to 1 for a field's border and the mark of focus (1.4.11)."""
    accent, strong, tint = COLOURS[name][3:] if night else COLOURS[name][:3]
    fixed = variables(night)
    pairs = [(fixed["on"], accent), ("#ffffff", strong)]
    pairs += [
        (text, ground) for ground in (fixed["ground"], fixed["box"], tint) for text in (fixed["ink"], fixed["soft"], accent)
    ]

    assert [(pair, round(contrast(*pair), 2)) for pair in pairs if contrast(*pair) < 4.5] == []
    assert contrast(fixed["soft"], fixed["ground"]) > 3 and contrast("#ffffff", strong) > 3


def test_the_style_asks_for_nothing_elsewhere() -> None:
    """No font, no picture, no import: nothing but the page's own."""
    assert not re.search(r"url\(|@import|https?:", CSS)


@pytest.mark.parametrize("file", sorted(THEME.glob("*.html")), ids=lambda path: path.stem)
def test_the_theme_has_no_code_in_it(file: Path) -> None:
    """`default-src 'self'` forbids inline style and script; JSON-LD is data."""
    text = file.read_text(encoding="utf-8")

    assert not re.search(r"""\sstyle=|\son[a-z]+=|<style|<script(?! type="application/ld\+json")""", text)


def test_a_wrong_page_is_found(shop: Shop) -> None:
    """Each check finds what it is for: a release is broken by hand, and each fault is named."""
    folder = shop.build().folder
    wrong = """<html><head><title></title></head><body onload="x()"><p><div id="a"></div></p><h1>A</h1><h3 id="a">B</h3>
    <img src="/nichts.png"><a href="/nirgends/"></a><a href="/#nichts">x</a><script src="https://x.example/y.js"></script>
    <input id="f"><h1>C</h1></body>"""
    (folder / "index.html").write_text(wrong, encoding="utf-8")

    found = {one.code for one in checks.judge(folder) if one.file == "index.html"}

    assert found == {
        "html_doctype", "html_title", "html_code", "html_nesting", "html_twice", "a_headings", "a_heading", "a_alt", "w_size",
        "a_lang", "a_name", "a_label", "a_skip", "a_main", "dead_link", "dead_part", "elsewhere",
    }  # fmt: skip


def test_a_heavy_home_page_is_found(shop: Shop) -> None:
    """More than 60 kB, or more than three files before it shows."""
    folder = shop.build().folder
    home = folder / "index.html"
    (folder / "big.jpg").write_bytes(bytes(70_000))
    more = '<img src="/big.jpg" alt="x" width="1" height="1"><img src="/favicon.svg" alt="x" width="1" height="1"></main>'
    home.write_text(home.read_text(encoding="utf-8").replace("</main>", more), encoding="utf-8")

    assert [one.code for one in checks.judge(folder)] == ["w_bytes", "w_requests"]


def test_the_sites_sign_is_its_first_letter() -> None:
    """Whatever the title begins with, escaped."""
    assert ">É<" in icon("« Épicerie »", "blue") and ">•<" in icon("<&>", "red")


def test_the_form_has_labels_and_a_trap(shop: Shop) -> None:
    """Where there is a form, its page is as good as the others."""
    shop.facts["form"] = "/contact-form"
    shop.write("contact.md", "---\ntitre: Contact\ntype: contact\n---\n")

    made = shop.build()

    assert '<form class="box" method="post">' in (made.folder / "contact/index.html").read_text(encoding="utf-8")
    assert [one.sentence("en") for one in checks.judge(made.folder)] == []
