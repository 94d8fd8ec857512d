"""From Markdown to HTML without anything of the writer's becoming code: no HTML, no template, only addresses of known kinds."""

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .problems import Problem, problem
from .source import ATTACHED, FOREIGN, PICTURES, Page, slug

# What a browser may be sent to: the Web, a mail program, a telephone.
SCHEMES = ("https", "http", "mailto", "tel")
_TAG = re.compile(r"<(?:[A-Za-z/?]|!-)[^<>]{0,60}>?")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
# `![Our shop](our shop.jpg)`: people's files have blanks in their names, Markdown's addresses none unless in < >.
_BLANKS = re.compile(r"(\]\()(?![<\s])([^()<>\"\n]*?[^()<>\"\n\s] [^()<>\"\n]*?\.[A-Za-z]{2,4})(?=\)| \")")


@dataclass
class Text:
    """A page's text, parsed: its tokens, the pictures and files it names, its links (file, target, line)."""

    tokens: list[Token]
    pictures: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _every(_: str) -> bool:
    return True


def _image(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:  # noqa: ARG001 - markdown-it's
    return str(env["picture"](tokens[number].meta["name"], tokens[number].content))


def _link_open(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
    token = tokens[number]
    if "page" in token.meta:
        part = token.meta["part"]
        token.attrSet("href", env["address"](token.meta["page"]) + (f"#{part}" if part else ""))
    elif "file" in token.meta:
        token.attrSet("href", env["address"](token.meta["file"]))
    return str(renderer.renderToken(tokens, number, options, env))


def _machine() -> MarkdownIt:
    machine = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    machine.validateLink = _every  # type: ignore[method-assign,assignment] # judged by us, with a sentence, not dropped in silence
    machine.add_render_rule("image", _image)
    machine.add_render_rule("link_open", _link_open)
    # a wide table is moved by keyboard too
    machine.add_render_rule("table_open", lambda *_: '<div class="wide" tabindex="0"><table>\n')
    machine.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return machine


_MACHINE = _machine()


def parse(page: Page, names: frozenset[str]) -> Text:
    """Parse one page; `names` are the files of the folder, by which pictures and links are found."""
    tokens = _MACHINE.parse(_BLANKS.sub(r"\1<\2>", page.body))
    text = Text(tokens)
    level, used = 1, set[str]()
    for number, token in enumerate(tokens):
        line = page.start + (token.map[0] if token.map else 0)
        if token.type == "heading_open":  # one <h1> a page, its title; below it no step is left out
            level = max(2, min(int(token.tag[1]), level + 1))
            token.tag = tokens[number + 2].tag = f"h{level}"
            base = slug(tokens[number + 1].content) or "section"
            name = next(one for one in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if one not in used)
            used.add(name)
            token.attrSet("id", name)
        elif token.type == "inline":
            _inline(page, token, line, names, text)
    return text


def _inline(page: Page, token: Token, line: int, names: frozenset[str], text: Text) -> None:
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type == "text":
            if found := _TAG.search(child.content):
                text.problems.append(problem(page.file, line, "html", text=found[0]))
            elif _TEMPLATE.search(child.content):
                text.problems.append(problem(page.file, line, "template"))
        elif child.type == "image":
            _picture(page, child, line, names, text)
        elif child.type == "link_open":
            _link(page, child, line, names, text)
    _set_apart(token)


def _picture(page: Page, token: Token, line: int, names: frozenset[str], text: Text) -> None:
    address = unquote(str(token.attrGet("src") or ""))
    if urlsplit(address).scheme or address.startswith("//"):
        text.problems.append(problem(page.file, line, "picture_elsewhere", address=address))
        return
    name = beside(page.file, address)
    if name is None:
        text.problems.append(problem(page.file, line, "outside", address=address))
    elif name in names and name.lower().endswith(FOREIGN):
        return  # said of the file itself
    elif name not in names or not name.lower().endswith(PICTURES):
        text.problems.append(problem(page.file, line, "no_picture", address=address))
    else:
        if not token.content.strip():
            text.problems.append(problem(page.file, line, "no_picture_text", address=address, warning=True))
        token.meta = {"name": name}
        text.pictures.append(name)


def _link(page: Page, token: Token, line: int, names: frozenset[str], text: Text) -> None:
    href = str(token.attrGet("href") or "")
    plain = unquote(href)
    scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.\s-]*):", plain)  # as browsers read it, blanks within included
    if scheme or plain.startswith(("//", "\\")):
        if not scheme or scheme[1].lower() not in SCHEMES:
            text.problems.append(problem(page.file, line, "scheme", address=plain))
        return
    path, _, part = plain.partition("#")
    if not path or path.startswith("/"):
        text.links.append((plain, line))
        return
    name = beside(page.file, path)
    if name is None:
        text.problems.append(problem(page.file, line, "outside", address=plain))
    elif name in names and name.lower().endswith((*ATTACHED, *PICTURES)):
        token.meta = {"file": name}
        text.attached.append(name)
    elif name in names and name.lower().endswith(".md"):
        token.meta = {"page": name, "part": part}
    else:
        text.problems.append(problem(page.file, line, "no_link", address=plain))


def beside(file: str, address: str) -> str | None:
    """The name of the file an address means, seen from `file`; None where it leads out of the folder."""
    import unicodedata

    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), unicodedata.normalize("NFC", address)))
    return None if name.startswith(("../", "/")) or name == ".." else name


def _set_apart(token: Token) -> None:
    """Note a paragraph of pictures alone: one is a figure, several are a gallery."""
    children = token.children or []
    pictures = [child for child in children if child.type == "image"]
    if pictures and all(child.type in ("image", "softbreak") or not child.content.strip() for child in children):
        token.meta = {"apart": len(pictures)}


def render(text: Text, picture: Callable[[str, str], str], address: Callable[[str], str], *, cards: bool = False) -> str:
    """The HTML of a parsed text.

    Args:
        text: what `parse` made.
        picture: a picture's HTML from its name and the text that describes it.
        address: the address of a page or an attached file from its name.
        cards: whether each part below a second-level heading is set apart.
    """
    env = {"picture": picture, "address": address}
    tokens = _with_figures(text.tokens, picture)
    return str(_MACHINE.renderer.render(_with_cards(tokens) if cards else tokens, _MACHINE.options, env))


def _with_figures(tokens: list[Token], picture: Callable[[str, str], str]) -> list[Token]:
    """The tokens with each paragraph of pictures alone as figures."""
    made = []
    for number, token in enumerate(tokens):
        beyond = {"paragraph_open": 1, "paragraph_close": -1}.get(token.type)
        if beyond and tokens[number + beyond].meta.get("apart"):
            continue
        made.append(_html(_figures(token, picture)) if token.meta.get("apart") else token)
    return made


def _with_cards(tokens: list[Token]) -> list[Token]:
    """The tokens with each part below a second-level heading in a section."""
    made: list[Token] = []
    begun = False
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            made.append(_html(("</section>\n" if begun else '<div class="cards">\n') + '<section class="card">\n'))
            begun = True
        made.append(token)
    return [*made, _html("</section>\n</div>\n")] if begun else made


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


def _figures(token: Token, picture: Callable[[str, str], str]) -> str:
    made = []
    for child in token.children or []:
        if child.type == "image":
            title = str(child.attrGet("title") or "")
            caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
            made.append(f"<figure>{picture(child.meta['name'], child.content)}{caption}</figure>\n")
    return "".join(made) if len(made) == 1 else f'<div class="gallery">\n{"".join(made)}</div>\n'
