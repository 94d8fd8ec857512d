"""Documents as they lie on the table: pictures with their headings, pages that are full; and on a telephone."""

import re
from pathlib import Path
from typing import Any

import pytest
from weasyprint import HTML

from provisioner.documents import TEMPLATES
from provisioner.runs import audit
from tests.documents.test_documents import every
from tests.record import handover

HALF = 0.5


def boxes(page: Any) -> list[Any]:
    """Every box of a page's text; what stands in its margins is not of it."""
    return list(page._page_box.children[0].descendants())


@pytest.fixture(params=[0, 3, 7, 11])
def pages(tmp_path: Path, request: pytest.FixtureRequest) -> list[Any]:
    """The pages of a record with pictures, with more or fewer lines before them."""
    from PIL import Image

    picture = tmp_path / "x.png"
    Image.new("L", (1280, 800), 90).save(picture)
    target = handover.office(tmp_path / "net")
    raw = picture.read_bytes()
    import hashlib

    name = f"{hashlib.sha256(raw).hexdigest()}.png"
    audit.keep_pictures(target.summaries, {name: raw})
    found = [one.as_object() for one in handover.findings()]
    shown = ("desktop", "files", "document", "browser", "agenda", "lock", "offline")
    found = [*found[:1] * request.param, *({**one, "pictures": [name]} if one["check"] in shown else one for one in found)]
    handover.verified(target, findings=found)
    rendered: list[Any] = HTML(string=every(target)["record"]).render().pages
    return rendered


def test_a_picture_stays_with_its_heading(pages: list[Any]) -> None:
    """No picture stands alone at the head of the next page."""
    seen = 0
    for page in pages:
        headings = " ".join(
            "".join(t.text for t in box.descendants() if hasattr(t, "text")) for box in boxes(page) if box.element_tag == "dt"
        )
        for box in boxes(page):
            if box.element_tag == "img":
                about = box.element.get("alt").partition(": ")[2] or box.element.get("alt").partition("\u00a0: ")[2]
                assert re.sub(r"\s+", " ", about) in re.sub(r"\s+", " ", headings)
                seen += 1
    assert seen == 7


def test_no_page_is_half_empty(pages: list[Any]) -> None:
    """But for the last: what does not fit is broken where it may be."""
    for page in pages[:-1]:
        low = max(box.position_y + box.height for box in boxes(page) if hasattr(box, "text") and isinstance(box.height, float))
        assert low > page.height * HALF, low / page.height


def test_a_telephone_reads_it() -> None:
    """Below 640 px columns become one and no table is wider than the screen."""
    (narrow,) = re.findall(r"@media screen and \(max-width: 640px\) \{(.*)\n\}", (TEMPLATES / "style.css").read_text(), re.DOTALL)

    assert "table, tbody, tr, th, td { display: block" in narrow
    assert "flex-direction: column" in narrow
