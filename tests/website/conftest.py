"""A site to build: the facts of a shop, a folder of pages, pictures made on the spot."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from provisioner.website.builder import Release, build

FACTS: dict[str, Any] = {
    "file": "offices/shop/dossier.yml",
    "lines": {"organisation": 2, "organisation.name": 3, "website": 40},
    "office": "shop",
    "language": "fr",
    "domain": "boutique.example",
    "title": "L'Épicerie <b>d'à côté</b> {{ 7*7 }}",
    "motto": "C'est frais & près",
    "colour": "green",
    "activity": "GroceryStore",
    "phone": "04 00 00 04 01",
    "email": "zoe@epicerie.example",
    "director": "Zoé N'Diaye",
    "dpo": "",
    "mediator": "Médiation de Lyon",
    "hours": {
        "tuesday": ["08:30-12:30", "14:00-19:00"],
        "wednesday": ["08:30-12:30", "14:00-19:00"],
        "saturday": ["09:00-24:00"],
    },
    "hours_note": "",
    "accessibility": None,
    "organisation": {
        "name": "L'Épicerie </script><script>alert(1)</script>",
        "legal_form": "SARL",
        "siren": "000613984",
        "rna": "",
        "registration": "",
        "trade_register": "000 613 984 RCS Lyon",
        "capital": "8 000 €",
        "vat": "FR51000613984",
        "address": {"street": "27, rue Haute", "postcode": "69001", "city": "Lyon", "country": "FR"},
    },
    "address": {"street": "27, rue Haute", "postcode": "69001", "city": "Lyon", "country": "FR"},
    "host": {
        "name": "Scop Lumière",
        "address": {"street": "12, rue Basse", "postcode": "69001", "city": "Lyon", "country": "FR"},
        "phone": "04 00 00 01 10",
    },
    "fields": {},
    "maintainer": "Scop Lumière",
    "logs_days": 365,
    "form": "",
}


class Shop:
    """A folder of pages with what is built from it."""

    def __init__(self, root: Path) -> None:
        self.pages, self.out, self.cache = root / "pages", root / "out", root / "cache"
        self.facts: dict[str, Any] = deepcopy(FACTS)
        self.pages.mkdir()
        self.write("index.md", "---\ntitre: Accueil\n---\nBienvenue.\n")

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the folder."""
        path = self.pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def picture(self, name: str, size: tuple[int, int] = (1600, 1000), **how: Any) -> Path:
        """A picture with something in it, saved as its name says."""
        from PIL import Image

        path = self.pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.linear_gradient("L").resize(size).convert("RGB")
        image.paste((180, 60, 40), (0, 0, size[0] // 4, size[1] // 2))
        image.save(path, **how)
        return path

    def build(self) -> Release:
        """The release of the folder as it is now."""
        return build(self.facts, self.pages, self.out, self.cache)

    def read(self, path: str) -> str:
        """A file of it."""
        return (self.build().folder / path).read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def refused(shop: Shop) -> Callable[[], list[str]]:
    """What is said of a site that cannot be built, in French; nothing is written then."""
    from provisioner.website.builder import Refused

    def said() -> list[str]:
        before = sorted(shop.out.iterdir()) if shop.out.exists() else []
        with pytest.raises(Refused) as caught:
            shop.build()
        assert (sorted(shop.out.iterdir()) if shop.out.exists() else []) == before
        return caught.value.sentences("fr")

    return said
