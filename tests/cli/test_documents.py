"""The documents: every command in them parses, every file they name is there, English and French have the same parts."""

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from provisioner.cli.__main__ import VERBS, provisioner
from tests.cli.test_cli import ROOT, commands
from tests.deep.rows import FAULTS, NOTES, PROGRAMS

READMES = (ROOT / "README.md", ROOT / "README.fr.md")
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in (*READMES, *DOCS)]
LINES = 120  # of a README: what does not fit has a page in docs/

PROGRAM = re.compile(r"(?:\.venv/bin/)?provisioner (?=\S)")
PLACEHOLDER = re.compile(r"[A-Z]+")  # OFFICE, BUREAU: whatever stands for it is right
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?<![\w/.~])(?:tests|provisioner|playbooks|inventory|docs)/[\w./-]*")


def spans(text: str) -> list[str]:
    """Each inline `code`, outside of blocks."""
    return [code.replace("\\|", "|").replace("\n", " ") for code in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def code(text: str) -> str:
    """All that is set as code: blocks with their comments, and inline."""
    return "\n".join([*FENCE.findall(text), *spans(text)])


def written(text: str) -> Iterator[tuple[str, bool]]:
    """Each command, without the program's name; whether it is one to type, so that nothing may be missing."""
    for block in FENCE.findall(text):
        for line in map(str.strip, block.splitlines()):
            if found := PROGRAM.match(line):
                yield line[found.end() :], True
    for span in spans(text):
        if found := PROGRAM.match(span):
            yield span[found.end() :], False
        elif span.partition(" ")[0] in VERBS:
            yield span, False


def words_of(line: str) -> list[str]:
    """What a shell hands over: no comment, nothing of a pipe or a file after it."""
    words = shlex.split(line.replace("…", ""), comments=True)
    return list(itertools.takewhile(lambda word: word not in ("|", ">", "<", "&&", ";"), words))


def readings(line: str) -> tuple[list[list[str]], list[list[list[str]]]]:
    """A command without its `[optional]` parts, once for each `this|that`; and the same with each of those parts."""
    parts = re.split(r"\[([^]]*)\]", line)

    def each(chosen: Sequence[str]) -> list[list[str]]:
        return [list(words) for words in itertools.product(*(word.split("|") for word in words_of(" ".join(chosen))))]

    optional = [each([*parts[:at:2], parts[at], *parts[at + 1 :: 2]]) for at in range(1, len(parts), 2)]
    return each(parts[::2]), optional


def resolved(words: Sequence[str]) -> tuple[str, click.Command, dict[str, object]]:
    """The verb's full name, its command, and what the words give to it.

    Raises:
        click.UsageError: there is no such verb or option, or a word too many.
    """
    command: click.Command = provisioner
    context = click.Context(command, info_name="", **command.context_settings)
    while True:
        given, rest, _ = command.make_parser(context).parse_args(list(words))
        if not isinstance(command, click.Group):
            break
        if not rest:
            return context.command_path.strip(), command, given
        name, *words = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"No such verb: {name}")
        command, context = found, click.Context(found, info_name=name, parent=context, **found.context_settings)
    if rest:
        raise click.UsageError(f"A word too many: {rest[0]}")
    return context.command_path.strip(), command, given


def refused(words: Sequence[str], *, whole: bool) -> str:
    """Why click does not take these words; with `whole` nothing may be missing either."""
    try:
        name, command, given = resolved(words)
    except click.UsageError as error:
        return error.message
    if whole and isinstance(command, click.Group):
        return f"{name} is no whole command"
    for param in command.params:
        value = given.get(param.name or "")
        values = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        if whole and param.required and not any(values):
            return f"{name}: {param.human_readable_name} is missing"
        if isinstance(param.type, click.Choice):
            for one in values:
                if not PLACEHOLDER.fullmatch(one) and one not in param.type.choices:
                    return f"{name}: {one!r} is none of {', '.join(param.type.choices)}"
    return ""


def wrong_commands(text: str) -> list[str]:
    """Each command that would be refused, and why."""
    wrong = []
    for line, whole in written(text):
        plain, optional = readings(line)
        said = [reason for words in plain if (reason := refused(words, whole=whole))]
        for each in optional:
            reasons = [refused(words, whole=whole) for words in each]
            said += reasons[:1] if all(reasons) else []  # an option of one of `this|that` is enough
        wrong += [f"{line}: {reason}" for reason in said]
    return wrong


def wrong_targets(text: str) -> list[str]:
    """Each `make X` that the Makefile lacks, each variable that it does not read, each row that there is not."""
    makefile = (ROOT / "Makefile").read_text()
    wrong = []
    for target, given in re.findall(r"\bmake ([a-z-]+)((?: [A-Z]+=\S+)*)", code(text)):
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            wrong.append(f"make {target}")
        wrong += [f"make {target} {name}" for name in re.findall(r"([A-Z]+)=", given) if f"$({name})" not in makefile]
    rows = [row for given in re.findall(r"ROWS=([\w,]+)", text) for row in given.split(",")]
    rows += re.findall(r"\b[FT]\d+\b", text)
    return wrong + [f"row {row}" for row in sorted(set(rows) - {*FAULTS, *PROGRAMS, "table"})]


def wrong_paths(text: str, folder: Path) -> list[str]:
    """Each link and each path that leads nowhere."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)) if "://" not in link]
    paths = [path.rstrip(".") for path in PATH.findall(code(text))]
    wrong = [f"link {link}" for link in links if link and not (folder / link).exists()]
    made = str(NOTES.relative_to(ROOT))  # by the first `make deep`
    return wrong + [f"path {path}" for path in paths if path != made and not (ROOT / path).exists()]


def headings(text: str) -> list[int]:
    """The level of each heading, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def table(text: str) -> list[list[str]]:
    """The table of verbs: the commands of each line."""
    _, _, rest = text.partition("\n| verb")
    lines = itertools.takewhile(lambda line: line.startswith("|"), rest.splitlines()[2:])
    return [spans(re.split(r"(?<!\\)\|", line)[1]) for line in lines]


def named(line: str) -> set[tuple[str, tuple[str, ...]]]:
    """Each verb that a line of the table stands for, with the options it shows."""
    plain, _ = readings(line)
    return {(resolved(words)[0], tuple(sorted(re.findall(r"--[a-z-]+", line)))) for words in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_parses(page: Path) -> None:
    """Verbs and options are those of the tool; what stands in a block can be typed as it is."""
    assert wrong_commands(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_is_there(page: Path) -> None:
    """Of the Makefile, and of the deep suite its rows."""
    assert wrong_targets(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_path_is_there(page: Path) -> None:
    """Links are relative to the page, paths to the clone."""
    assert wrong_paths(page.read_text(), page.parent) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```\nprovisioner aply demo\n```", "aply demo: No such verb: aply"),
        ("`office list|rename`", "office list|rename: No such verb: rename"),
        ("`plan OFFICE --wat`", "plan OFFICE --wat: No such option"),
        ("`record show|check OFFICE [--all]`", "record show|check OFFICE [--all]: No such option"),
        ("```\n.venv/bin/provisioner plan  # changes nothing\n```", "plan  # changes nothing: plan: OFFICE is missing"),
        ("`lab list OFFICE`", "lab list OFFICE: A word too many: OFFICE"),
        ("`lab up OFFICE --suite sid`", "lab up OFFICE --suite sid: lab up: 'sid' is none of trixie, bookworm"),
        ("```\nmake nothing\n```", "make nothing"),
        ("`make deep LINES=F1`", "make deep LINES"),
        ("`make deep ROWS=F1,F99`", "row F99"),
        ("[a page](nowhere.md)", "link nowhere.md"),
        ("`tests/nowhere/test_x.py`", "path tests/nowhere/test_x.py"),
    ],
)
def test_what_is_wrong_is_found(text: str, said: str) -> None:
    """The tests above could not pass over it."""
    (found,) = [*wrong_commands(text), *wrong_targets(text), *wrong_paths(text, ROOT)]

    assert found.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "`provisioner ssh OFFICE HOST [-- CMD]`",
        "`backup list|run|restore BUREAU [--at QUAND]`",
        "```\nprovisioner backup place OFFICE > place.sh\n```",
        "`backup: {host, user}`",
        "[a page](README.md#verbs) of [others](https://example.org/nowhere)",
    ],
)
def test_what_is_right_is_let_through(text: str) -> None:
    """Brackets, alternatives, placeholders of both languages, pipes; what only looks like a command."""
    assert [*wrong_commands(text), *wrong_targets(text), *wrong_paths(text, ROOT)] == []


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_is_short_and_tells_every_verb_and_exit_code(page: Path) -> None:
    """Each verb with each of its commands stands in the table; the codes are those of the code."""
    text = page.read_text()
    told = {name for row in table(text) for line in row for name, _ in named(line)}

    assert len(text.splitlines()) <= LINES
    assert {name for name, _ in commands()} - told == set()
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6", "7", "130"]


def test_both_readmes_have_the_same_sections_and_verbs() -> None:
    """Whoever reads French lacks nothing."""
    english, french = (page.read_text() for page in READMES)

    assert headings(english) == headings(french)
    assert [list(map(named, row)) for row in table(english)] == [list(map(named, row)) for row in table(french)]


def test_pages_come_in_pairs_and_are_linked() -> None:
    """Each page has its other language with the same sections, and the README of its language leads to it."""
    english, french = (page.read_text() for page in READMES)
    names = {page.name.partition(".")[0] for page in DOCS}

    assert {page.name for page in DOCS} == {f"{name}{ending}" for name in names for ending in (".md", ".fr.md")}
    for name in names:
        one, other = ((ROOT / "docs" / f"{name}{ending}").read_text() for ending in (".md", ".fr.md"))
        assert headings(one) == headings(other), name
        assert f"({name}.fr.md)" in one, name
        assert f"({name}.md)" in other, name
        assert f"(docs/{name}.md)" in english, name
        assert f"(docs/{name}.fr.md)" in french, name


@pytest.mark.parametrize("page", ["development.md", "development.fr.md"])
def test_where_it_is_decided_is_there(page: str) -> None:
    """Each file of the page exists, and has the name that is said of it; the French page says the same ones."""
    told = re.findall(r"`(provisioner/[^`]+)`(?: \(`(\w+)`\))?", (ROOT / "docs" / page).read_text())
    assert len(told) > 14
    for path, name in told:
        found = ROOT / path
        assert found.exists(), path
        assert not name or re.search(rf"^\s*(def |class )?{name}\b", found.read_text(), re.M), (path, name)
    assert told == re.findall(r"`(provisioner/[^`]+)`(?: \(`(\w+)`\))?", (ROOT / "docs/development.md").read_text())
