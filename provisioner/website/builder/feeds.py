"""What machines read of a site: the sitemap, the feed of its news, what robots may visit."""

from xml.sax.saxutils import escape, quoteattr

from .problems import texts
from .site import Site

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def sitemap(site: Site) -> str:
    """All pages with their translations (sitemaps.org 0.9)."""
    root = f"https://{site.facts['domain']}"
    entries = []
    for page in sorted(site.pages, key=lambda one: one.url):
        others = "".join(
            f'<xhtml:link rel="alternate" hreflang={quoteattr(one.language)} href={quoteattr(root + one.url)}/>'
            for one in site.translations(page)
        )
        day = f"<lastmod>{page.date}</lastmod>" if page.date else ""
        entries.append(f"<url><loc>{escape(root + page.url)}</loc>{day}{others}</url>\n")
    names = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    return f"{HEAD}<urlset {names}>\n{''.join(entries)}</urlset>\n"


def feed(site: Site, language: str) -> str:
    """The news of one language (RFC 4287); its date is its newest entry's, so that equal news are equal bytes."""
    facts, root = site.facts, f"https://{site.facts['domain']}"
    news = site.news(language)[:50]
    start = root + site.start(language)
    newest = f"{news[0].date if news else '2026-01-01'}T00:00:00Z"
    entries = "".join(
        f"<entry><title>{escape(page.title)}</title><link href={quoteattr(root + page.url)}/><id>{escape(root + page.url)}</id>"
        f"<updated>{page.date}T00:00:00Z</updated><summary>{escape(page.description or page.title)}</summary></entry>\n"
        for page in news
    )
    title = f"{facts['title']} – {texts(language)['words']['news']}"
    return (
        f'{HEAD}<feed xmlns="http://www.w3.org/2005/Atom" xml:lang={quoteattr(language)}>\n<title>{escape(title)}</title>\n'
        f'<link href={quoteattr(start)}/><link rel="self" href={quoteattr(start + "feed.xml")}/>\n<id>{escape(start)}</id>\n'
        f"<updated>{newest}</updated>\n<author><name>{escape(facts['organisation']['name'])}</name></author>\n{entries}</feed>\n"
    )


def robots(site: Site) -> str:
    """Everybody may read everything (RFC 9309)."""
    return f"User-agent: *\nDisallow:\nSitemap: https://{site.facts['domain']}/sitemap.xml\n"
