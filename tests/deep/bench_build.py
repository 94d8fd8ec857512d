"""What it takes to build a site of 200 pages with a picture each, beside Pelican and Hugo: the same ones, pictures made smaller.

Pelican and its `image-process` come from PyPI into an environment of their own, Hugo is Debian's.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.deep.bench_lab import Place
from tests.deep.bench_tools import BIN, Broken, Number, at_most_one_in, at_most_times, cost, environment, in_turn, say
from tests.stage import EXAMPLE

PAGES, SIZE = 200, (1600, 1200)
WORDS = ["pain", "fromage", "marché", "jardin", "atelier", "samedi", "ouvert", "rue", "village", "livre", "chaise", "lumière"]
PELICAN = """
from pelican.plugins import image_process
SITEURL, TIMEZONE, DEFAULT_LANG, RELATIVE_URLS = "", "Europe/Paris", "fr", True
FEED_ALL_ATOM = CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = AUTHOR_FEED_ATOM = AUTHOR_FEED_RSS = None
STATIC_PATHS, PLUGINS = ["images"], [image_process]
IMAGE_PROCESS = {"large": ["scale_in 800 600 True"]}
LOAD_CONTENT_CACHE, CACHE_CONTENT, CHECK_MODIFIED_METHOD = True, True, "mtime"
"""
HUGO = """<!doctype html><html lang="fr"><title>{{ .Title }}</title><h1>{{ .Title }}</h1>
{{ with .Resources.GetMatch "*.jpg" }}{{ $small := .Resize "800x webp q75" }}<img src="{{ $small.RelPermalink }}" alt="">{{ end }}
{{ .Content }}</html>"""
LISTED = """<!doctype html><html lang="fr"><title>{{ .Title }}</title>{{ range .Site.RegularPages }}<a href="{{ .RelPermalink }}">
{{ .Title }}</a>{{ end }}</html>"""


def build(place: Place) -> list[Number]:
    """A first build, and one where nothing changed, in turn."""
    folder = place.folder / "build"
    pictures = _pictures(folder)
    hugo, pelican = _hugo(), _pelican(folder)
    _ours(folder / "ours", pictures)
    _theirs(folder, pictures)
    env = environment(XDG_STATE_HOME=str(folder / "state"), XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder))
    of = folder / "pelican"
    calls: dict[str, list[str | Path]] = {
        "ours": [BIN / "provisioner", "--inventory", folder / "ours", "website", "build", "demo"],
        "pelican": [pelican, of / "content", "-o", of / "output", "-s", of / "settings.py", "-q"],
        "hugo": [hugo, "--quiet", "--source", folder / "hugo"],
    }

    def wall(name: str) -> Callable[[], float]:
        return lambda: cost(calls[name], env).wall_s

    first = {name: wall(name)() for name in calls}
    say("  first: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in first.items()))
    again = in_turn(7, **{name: wall(name) for name in calls})
    faster = min(("pelican", "hugo"), key=lambda name: again[name])
    what = f"build: a site of {PAGES} pages and {PAGES} pictures"
    return [
        at_most_one_in(f"{what}, nothing changed, to the same in {faster.title()} (wall time)", 5, again["ours"], again[faster]),
        at_most_times(
            f"{what}, the first time, to the same in Pelican (wall time, once each)", 1, first["ours"], first["pelican"]
        ),
    ]


def _pictures(folder: Path) -> list[Path]:
    """Photographs as a telephone's: large, none like another."""
    folder.mkdir()
    draw, found = random.Random(21), []
    for number in range(PAGES):
        small = Image.new("RGB", (16, 12))
        small.putdata([tuple(draw.randrange(256) for _ in range(3)) for _ in range(16 * 12)])
        found.append(folder / f"p{number:03}.jpg")
        small.resize(SIZE, Image.Resampling.BICUBIC).save(found[-1], quality=85)
    return found


def _text(number: int) -> str:
    draw = random.Random(number)
    return "\n\n".join(" ".join(draw.choices(WORDS, k=60)).capitalize() + "." for _ in range(4))


def _ours(root: Path, pictures: list[Path]) -> None:
    shutil.copytree(EXAMPLE, root)
    site = root / "offices/demo/website"
    for number, picture in enumerate(pictures):
        shutil.copy2(picture, site)
        head = f"---\ntitre: Page {number}\ndescription: La page {number}\n---\n"
        (site / f"p{number:03}.md").write_text(f"{head}{_text(number)}\n\n![La photo {number}]({picture.name})\n")


def _theirs(folder: Path, pictures: list[Path]) -> None:
    content, hugo = folder / "pelican/content", folder / "hugo"
    (content / "images").mkdir(parents=True)
    (folder / "pelican/settings.py").write_text(PELICAN)
    (hugo / "layouts/_default").mkdir(parents=True)
    (hugo / "layouts/_default/single.html").write_text(HUGO)
    for name in ("list", "home"):
        (hugo / f"layouts/_default/{name}.html").write_text(LISTED)
    (hugo / "config.toml").write_text('baseURL = "/"\ntitle = "Essai"\ndisableKinds = ["taxonomy", "term"]\n')
    for number, picture in enumerate(pictures):
        shutil.copy2(picture, content / "images")
        shown = f'<img class="image-process-large" src="{{static}}/images/{picture.name}" alt="">'
        head = f"Title: Page {number}\nDate: 2026-01-01\n"
        (content / f"p{number:03}.md").write_text(f"{head}\n{_text(number)}\n\n{shown}\n")
        page = hugo / f"content/p{number:03}"
        page.mkdir(parents=True)
        shutil.copy2(picture, page)
        (page / "index.md").write_text(f'---\ntitle: "Page {number}"\n---\n{_text(number)}\n')


def _hugo() -> str:
    if not (found := shutil.which("hugo")):
        raise Broken("not on this machine: hugo: apt install hugo")
    return found


def _pelican(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder / "pelican-venv"], check=True)
    pip = [str(folder / "pelican-venv/bin/pip"), "install", "-q", "pelican[markdown]", "pelican-image-process"]
    subprocess.run(pip, check=True)
    return folder / "pelican-venv/bin/pelican"
