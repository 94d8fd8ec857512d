"""Builds a website: facts of a dossier and a folder of pages in, a release's folder out. Needs nothing of provisioner.

Runs on a technician's laptop and, the same files with Debian's own packages (python3-markdown-it, python3-jinja2, python3-pil,
python3-yaml), on an office's server: `python3 -m … FACTS.json PAGES OUT`. A release is named by the hash of its content; equal
input gives equal bytes. Nothing is read of the clock, and nothing is written where the input cannot be taken.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .memory import Memory
from .problems import Problem, Refused
from .release import Release

__all__ = ["Problem", "Refused", "Release", "build"]


def build(facts: Mapping[str, Any], pages: Path, out: Path, cache: Path) -> Release:
    """Build the site of `pages` into `out/<release>/`; with nothing changed, find that it is there.

    Args:
        facts: what `provisioner.website.facts` makes of a dossier: plain data, as JSON has it.
        pages: the folder of Markdown files and pictures.
        out: where releases lie, one folder each, `<release>.json` beside it; `cache` spares the next build work.

    Raises:
        Refused: every problem at once; `out` is as it was.
    """
    memory = Memory(cache, facts, pages)
    if (known := memory.unchanged()) and (out / known).is_dir():
        return Release.of(out, known)
    from .work import make

    return make(facts, out, memory)
