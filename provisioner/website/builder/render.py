"""From a page to its HTML: the theme filled with data; all of it is escaped but what this package itself made."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import colours, hours, law
from .pictures import Picture
from .problems import texts
from .site import Site
from .source import Page

THEME = Path(__file__).parent / "theme"
BODY_SIZES = "(min-width: 48rem) 42rem, 92vw"
LEAD_SIZES = "(min-width: 72rem) 33rem, (min-width: 52rem) 46vw, 100vw"


class Renderer:
    """Renders the pages of one site."""

    def __init__(self, site: Site, style: str) -> None:
        self.site, self.style = site, style
        self.env = Environment(
            loader=FileSystemLoader(THEME), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        facts = site.facts
        self.root = f"https://{facts['domain']}"
        self.tel = tel(facts["phone"], facts["organisation"]["address"]["country"])
        at = facts["address"]
        self.map = "https://www.openstreetmap.org/search?query=" + quote(f"{at['street']}, {at['postcode']} {at['city']}")
        self._shared: dict[str, dict[str, Any]] = {}

    def shared(self, language: str) -> dict[str, Any]:
        """What all pages of a language are filled with."""
        if language not in self._shared:
            site, words = self.site, texts(language)
            legal = [{"url": page.url, "shown": page.title} for kind in law.PAGES if (page := site.of_kind(kind, language))]
            rules = law.of(site.facts["organisation"]["address"]["country"])
            if rules and law.bound(rules, site.facts):
                status = words["words"][(site.facts.get("accessibility") or {}).get("status", "none")]
                legal[-1]["shown"] = words["words"]["compliance"].replace("{status}", status)
            self._shared[language] = {
                "facts": site.facts, "texts": words, "words": words["words"], "language": language, "root": self.root,
                "style": self.style, "start": site.start(language), "feed": f"{site.start(language)}feed.xml", "legal": legal,
                "menu": [{"url": page.url, "title": page.title} for page in site.menu(language)],
                "tel": self.tel, "phone": site.facts["phone"].replace(" ", "\u00a0"), "map": self.map,
                "rows": hours.rows(site.facts["hours"], words) if site.facts["hours"] else [],
                "contact": site.of_kind("contact", language), "news_page": site.of_kind("news", language),
                "sign": colours.sign(site.facts["title"]),
                "colon": "\u00a0:" if language == "fr" else ":",
            }  # fmt: skip
        return self._shared[language]

    def page(self, page: Page, body: str, pictures: Mapping[str, Picture]) -> str:
        """One page whole; `body` is its text as HTML."""
        words = texts(page.language)
        home = page.kind == "home"
        lead = pictures.get(page.picture)
        opening, rest = _opening(body) if home else ("", body)
        names = {"news": self._news(page.language)} if page.kind in ("home", "news") else {"news": []}
        lawful = law.text(page.kind, self.site.facts, page.language, self.env, words) if page.kind in law.PAGES else ""
        return self.env.get_template("home.html" if home else "page.html").render(
            self.shared(page.language), **names, page=page, home=home, lead=lead, description=self.description(page),
            lead_html=Markup(picture_html(lead, page.picture_text, LEAD_SIZES, first=True)) if lead else "",  # noqa: S704 - ours
            opening=Markup(opening), body=Markup(rest), law=Markup(lawful),  # noqa: S704 - from Markdown without HTML, and from law
            day=law.day(page.date, words), schema=self.schema(page, lead), translations=self._translations(page),
        )  # fmt: skip

    def lost(self) -> str:
        """The page for an address that there is not."""
        language = self.site.language
        page = Page("", language, "404", b"", title=texts(language)["words"]["lost"])
        return self.env.get_template("lost.html").render(
            self.shared(language), page=page, home=False, lead=None, description="", schema="", translations=[]
        )

    def description(self, page: Page) -> str:
        """What a search engine shows below the title."""
        facts = self.site.facts
        place = f"{facts['title']}, {facts['address']['street']}, {facts['address']['postcode']} {facts['address']['city']}"
        return page.description or (f"{facts['motto']} {place}" if page.kind == "home" else f"{page.title} – {place}")

    def _translations(self, page: Page) -> list[dict[str, str]]:
        same = self.site.translations(page)
        return [{"language": one.language, "url": one.url, "name": texts(one.language)["name"]} for one in same]

    def _news(self, language: str) -> list[dict[str, Any]]:
        words = texts(language)
        return [
            {"url": one.url, "title": one.title, "description": one.description, "date": one.date,
             "day": law.day(one.date, words)}
            for one in self.site.news(language)
        ]  # fmt: skip

    def schema(self, page: Page, lead: Picture | None) -> Markup:
        """The business as schema.org has it, on the pages that are about it; nothing elsewhere."""
        facts, at = self.site.facts, self.site.facts["address"]
        if page.kind not in ("home", "contact", "hours"):
            return Markup("")
        told: dict[str, Any] = {
            "@context": "https://schema.org", "@type": facts["activity"], "@id": f"{self.root}/#business",
            "name": facts["title"], "url": f"{self.root}/", "slogan": facts["motto"], "telephone": self.tel,
            "email": facts["email"],
            "address": {
                "@type": "PostalAddress", "streetAddress": at["street"], "postalCode": at["postcode"],
                "addressLocality": at["city"], "addressCountry": at["country"],
            },
            "image": f"{self.root}/{lead.fallback}" if lead else "",
            "openingHoursSpecification": hours.schema(facts["hours"]),
        }  # fmt: skip
        text = json.dumps({key: value for key, value in told.items() if value}, ensure_ascii=False, separators=(",", ":"))
        safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        return Markup(safe)  # noqa: S704 - JSON with nothing in it that could end the element


def _opening(body: str) -> tuple[str, str]:
    """A home page's text in two: what stands beside its picture, and what comes after the first heading or picture."""
    ends = [at for mark in ("<h2", "<figure", '<div class="', "<ul", "<blockquote") if (at := body.find(mark)) >= 0]
    return (body[: min(ends)], body[min(ends) :].strip()) if ends else (body, "")


def picture_html(picture: Picture, text: str, sizes: str, *, first: bool = False) -> str:
    """A picture in all its widths; what is not seen at first is loaded when it comes into view."""
    widths = ", ".join(f"/{picture.file(width)} {width}w" for width in picture.widths)
    when = 'fetchpriority="high"' if first else 'loading="lazy" decoding="async"'
    return (
        f'<picture><source type="image/webp" srcset="{widths}" sizes="{sizes}">'
        f'<img src="/{picture.fallback}" alt="{escape(text)}" width="{picture.largest}"'
        f' height="{picture.height_at(picture.largest)}" {when}></picture>'
    )


def tel(phone: str, country: str) -> str:
    """A phone number as a telephone dials it: `04 00 00 04 01` is `+33400000401` in France."""
    digits = "".join(sign for sign in phone if sign.isdigit() or sign == "+")
    return f"+33{digits[1:]}" if country == "FR" and digits.startswith("0") and len(digits) == 10 else digits
