"""Documents: what people hold in their hands, as self-contained HTML and as tagged PDF (PDF/UA-1) made from it.

Templates escape all that fills them; nothing outside the document is ever fetched. Every document of a lab says LAB in its
title and on each page.
"""

import base64
import hashlib
import logging
import unicodedata
import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.errors import Missing
from provisioner.language import N_, Translator, translator

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
# Texts that run from right to left, or say so: alone between FSI and PDI they turn nothing around them (UAX #9).
_TURNING = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"})
_FSI, _PDI = "\u2068", "\u2069"


def html(template: str, language: str, data: Mapping[str, Any], *, title: str, running: str, lab: bool, made: str) -> str:
    """One document as HTML that needs nothing else.

    Args:
        template: its file in `templates/`.
        language: `fr` or `en`.
        data: what the template shows; only text, numbers, lists and mappings.
        title: the document's name; a lab's gets LAB before it.
        running: what stands at the foot of each page; no client text, which may be long.
        lab: whether it is about a lab.
        made: when, in ISO form; the PDF bears this date, so that the same data make the same bytes.
    """
    say = translator(language)
    page = _environment().get_template(template)
    return page.render(
        data,
        _=_told(say),
        N_=N_,
        ngettext=say.ngettext,
        say=say,
        language=language,
        title=f"LAB – {title}" if lab else title,
        running=running,
        lab=lab,
        made=made,
        style=_style(),
    )


def pdf(source: str) -> bytes:
    """The PDF of a document made by `html`; as `printed`."""
    return printed(source)[0]


def printed(source: str) -> tuple[bytes, int]:
    """The PDF of a document made by `html`, tagged, titled, with bookmarks; and how many pages it has.

    The same source gives the same bytes on the same laptop; without HarfBuzz-subset fontTools writes the time into fonts.

    Raises:
        Missing: this laptop lacks a library; the hint is the doctor.
    """
    # They tell of fonts and of CSS for screens, on stderr, where progress is told.
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from weasyprint import DEFAULT_OPTIONS, HTML
            from weasyprint.urls import FatalURLFetchingError, URLFetcher
    except OSError as problem:
        raise Missing(f"documents cannot be printed: {problem}", hint="provisioner doctor --repair") from None

    class Nothing(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
        """Fetches nothing but the pictures that a document has in itself, and lets nobody go on without the rest."""

        def fetch(self, url: str, headers: object = None) -> Any:
            """Refuse."""
            if url.startswith("data:image/png;base64,"):
                return super().fetch(url, headers)
            raise FatalURLFetchingError(f"a document asked for {url[:80]}")

    options = {
        **DEFAULT_OPTIONS,
        "pdf_variant": "pdf/ua-1", "pdf_identifier": hashlib.sha256(source.encode()).digest()[:16], "custom_metadata": False,
    }  # fmt: skip
    document = HTML(string=source, url_fetcher=Nothing()).render(**options)
    made: bytes = document.write_pdf(**options)
    return made, len(document.pages)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_isolated,
    )


def _isolated(value: Any) -> Any:
    """A text that turns the direction of writing, kept from turning what stands around it; then escaped as all are."""
    if type(value) is str and not value.isascii() and any(unicodedata.bidirectional(sign) in _TURNING for sign in value):
        return f"{_FSI}{value}{_PDI}"
    return value


def _told(say: Translator) -> Any:
    def told(sentence: str, values: Mapping[str, Any] | None = None, **named: Any) -> str:
        given = {**(values or {}), **named}
        return say(sentence, {name: _isolated(value) for name, value in given.items()})

    return told


def _style() -> Any:
    from markupsafe import Markup

    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file, no client text


def picture(name: str) -> str:
    """A picture of ours that lies beside the templates, in base64."""
    return base64.b64encode((TEMPLATES / name).read_bytes()).decode()


def day_of(moment: str, zone: str) -> str:
    """The day of an ISO moment in the office's zone, as ISO."""
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date().isoformat()
