"""A course as people hold it in their hands: one HTML and one tagged PDF for each language, made by the documents' engine."""

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

from provisioner import documents
from provisioner.inventory.courses import LANGUAGES, PICTURE, Course, folder_of, text
from provisioner.language import N_, translator
from provisioner.laptop import disk


def write(root: Path, course: Course, folder: Path, *, by: str, now: datetime) -> list[Path]:
    """Write them into `folder`, made if need be; says which.

    Raises:
        Missing: this laptop cannot make PDFs.
        OSError: they cannot be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for language in LANGUAGES:
        source = page(root, course, language, by=by, made=now.isoformat(timespec="seconds"))
        for suffix, content in ((".html", source), (".pdf", documents.pdf(source))):
            path = folder / f"{course.name}.{language}{suffix}"
            disk.write(path, content, mode=0o644)
            made.append(path)
    return made


def page(root: Path, course: Course, language: str, *, by: str, made: str) -> str:
    """The course in one language as HTML; what it plants and its hints are not in it."""
    told, folder = text(root, course.name, language), folder_of(root, course.name)
    say, title = translator(language), getattr(course.title, language)
    noun = say(N_("Course"))
    steps = [
        {"title": told.steps[name][0], "text": _markdown(told.steps[name][1], folder), "points": step.points}
        for name, step in course.steps.items()
    ]
    return documents.html(
        "course.html",
        language,
        {
            "course": title, "minutes": course.minutes, "scenario": _markdown(told.scenario, folder), "steps": steps,
            "learnt": [getattr(one, language) for one in course.learnt], "name": course.name,
            "user": course.for_whom == "user", "day": made[:10], "author": by,
        },
        title=f"{noun} – {title}",
        running=f"{noun} · {course.name}",
        lab=False,
        made=made,
    )  # fmt: skip


def _markdown(source: str, folder: Path) -> Any:
    """Markdown as HTML, whatever HTML stands in it as text; the course's own pictures are in the page, others are none."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup, escape

    def picture(_: object, tokens: Any, at: int, *__: object) -> str:
        name = tokens[at].attrs.get("src", "")
        if not PICTURE.fullmatch(f"![x]({name})") or not (folder / name).is_file():
            return str(escape(tokens[at].content))
        data = base64.b64encode((folder / name).read_bytes()).decode()
        return f'<img class="screen" alt="{escape(tokens[at].content)}" src="data:image/png;base64,{data}">'

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("image", picture)
    return Markup(made.render(source))  # noqa: S704
