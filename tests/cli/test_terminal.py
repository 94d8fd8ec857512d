"""What the verbs print on a terminal and into a pipe: colour only where it is wanted, nothing folded that is copied or piped."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from provisioner.cli.common import many
from provisioner.cli.voice import Voice
from tests.stage import EXAMPLE
from tests.verbs import Run


def on_terminal(*words: str, columns: int = 80, typed: str = "", program: str = "", **environment: str) -> str:
    """What reaches a terminal of this width, where `typed` is typed, of a verb, or of a `program` in its place."""
    master, slave = pty.openpty()
    os.write(master, typed.encode())
    child = subprocess.Popen(
        [sys.executable, *(["-c", program] if program else ["-m", "provisioner.cli"]), *words],
        stdin=slave, stdout=slave, stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40", **environment},
    )  # fmt: skip
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(master)
    child.wait()
    return said.decode()


def text_on_terminal(*words: str, columns: int) -> str:
    """The same without colours and weights."""
    return re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(*words, columns=columns))


@pytest.mark.parametrize("columns", [60, 80])
def test_a_long_question_is_folded_between_words(columns: int) -> None:
    """What is asked is read before it is answered: no word is cut, and there is room for the answer."""
    question = "Make the account j.petit, with its key and sudo, on server? (nothing else is changed before you see a plan)"
    program = "import sys; from provisioner.cli.common import confirm; print('agreed', confirm(sys.argv[1]))"
    said = on_terminal(question, columns=columns, typed="n\n", program=program)

    asked = said[said.index("Make") : said.index("agreed False")]
    assert max(map(len, asked.splitlines())) <= columns
    assert asked.split() == [*question.split(), "[y/N]:"]


@pytest.mark.parametrize("columns", [60, 80])
def test_help_is_folded_between_words(columns: int) -> None:
    """The first thing that is read: also its line of exit codes."""
    for words in ([], ["apply"], ["training"]):
        assert max(map(len, on_terminal(*words, "--help", columns=columns).splitlines())) <= columns


@pytest.mark.parametrize("pager", ["cat", "no-such-pager"])
def test_a_plan_is_folded_between_words_and_its_diffs_are_whole(pager: str) -> None:
    """A task's line is read, a diff's line is looked for in a file."""
    program = """
import sys
from provisioner.cli.common import Console
from provisioner.cli.run_page import changes
from provisioner.runs import Change, HostRun
old, new = "a\\n", "This is a private system: access is for persons authorised by its owner, and logged\\n"
diff = "--- before: /etc/issue\\n+++ after: /etc/issue\\n@@ -1 +1 @@\\n-" + old + "+" + new
host = HostRun(changes=[Change("base: The dossier's address is what the host takes at every start", diff)] * 9)
Console(False, None).page(list(changes(host, whole="whole" in sys.argv)))
""".replace("\\\\n", "\\n")
    said = on_terminal("whole", columns=60, program=program, PAGER=pager, LINES="9")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()

    assert [line for line in lines if len(line) > 60 and not line.startswith("      +This is a private")] == []
    assert lines.count("      +This is a private system: access is for persons authorised by its owner, and logged") == 9
    assert lines[:2] == ["  ~ base: The dossier's address is what the host takes at", "    every start"]


def test_no_color_holds_for_errors_too() -> None:
    """https://no-color.org: with it no escape reaches the terminal, without it errors are red."""
    words = ("office", "show", "nowhere", "--inventory", str(EXAMPLE))

    assert "\x1b[31merror" in on_terminal(*words, NO_COLOR="")
    plain = on_terminal(*words, NO_COLOR="1")
    assert "error: " in plain
    assert "\x1b[" not in plain


@pytest.mark.parametrize("columns", ["20", "80"])
def test_what_is_piped_is_not_folded(run: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Each office, host and module is one line for grep, however wide the caller's terminal is."""
    monkeypatch.setenv("COLUMNS", columns)
    lines = run("pack", "show", "standard-2026.1", "--inventory", EXAMPLE).out.splitlines()
    office = run("office", "show", "demo", "--inventory", EXAMPLE).out.splitlines()

    assert max(map(len, lines)) > 120
    assert [line for line in office if line.startswith("router") and "FICTIF-R-0001" in line and "2029-02-03" in line]
    assert all(len(line) < 1000 for line in (*lines, *office))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_titles_are_not_folded_to_their_table(columns: int) -> None:
    """`Hardware` over a narrow table stays a word."""
    said = text_on_terminal("pack", "show", "standard-2026.1", "--inventory", str(EXAMPLE), columns=columns).splitlines()

    assert {"Hardware, before tax", "Training", "Prices, before tax", "Systems"} <= {line.strip() for line in said}


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_value_loses_its_end(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that is longer than its column goes on in the next line; days are the reader's."""
    monkeypatch.setenv("PROVISIONER_LANG", "fr")
    said = text_on_terminal("office", "show", "demo", "--inventory", str(EXAMPLE), columns=columns)

    assert "\u2026" not in said
    assert "zoe@epicerie.example" in re.sub(r"\s+", "", said)
    assert "dimanche 20:00-24:00" in said


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [("check", "--list"), ("training", "start", "nowhere"), ("office", "show", "nowhere")])
def test_words_are_not_cut_at_the_edge(columns: int, words: tuple[str, ...], run: Run) -> None:
    """What a terminal shows has the words of what a pipe gets, in lines that fit; escapes count for nothing."""
    said = text_on_terminal(*words, "--inventory", str(EXAMPLE), columns=columns)
    piped = run(*words, "--inventory", EXAMPLE)

    assert all(len(line) <= columns for line in said.splitlines() if str(EXAMPLE) not in line)
    assert sorted(said.split()) == sorted((piped.out + piped.err).split())


def test_a_command_is_left_whole() -> None:
    """A line that shows what to type is copied as it is, whatever the width; the others beside it are folded in their colours."""
    sentence, command = (
        "one word after the other, which goes on and on",
        "provisioner apply demo --host server --lab --yes --force",
    )
    out = io.StringIO()
    Voice(file=out, width=30, force_terminal=True, color_system="standard", markup=False).print(
        Text(f"✗ {sentence}\nnext: {command}", "red"), soft_wrap=True
    )
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()

    assert lines[0].startswith("✗ one word")
    assert all(line.startswith("  ") for line in lines[1:-2])
    assert " ".join(line.strip() for line in lines[:-2]) == f"✗ {sentence}"
    assert lines[-2:] == ["next:", command]
    assert out.getvalue().count("\x1b[31m") >= len(lines)


def test_a_pack_is_shown_without_json(run: Run) -> None:
    """Settings as people write them."""
    said = run("pack", "show", "standard-2026.1", "--inventory", EXAMPLE).out

    assert not {"{", "}", "[", '"', "true", "false", "null"} & set(said.split())
    assert not [line for line in said.splitlines() if '{"' in line or '["' in line or ": true" in line or ": false" in line]


@pytest.mark.parametrize("columns", [60, 80])
def test_a_key_stands_on_a_line_of_its_own(columns: int) -> None:
    """It is compared by eye, character by character."""
    said = text_on_terminal("access", "list", "demo", "--inventory", str(EXAMPLE), columns=columns)

    keys = [line.strip() for line in said.splitlines() if "SHA256:" in line]
    assert keys
    assert all(len(key) == len("SHA256:") + 43 for key in keys)


def test_one_is_not_several() -> None:
    """`1 technicians` was in a table's title."""
    assert [many(n, "host") for n in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]
    assert (many(1, "person", "people"), many(1218, "person", "people")) == ("1 person", "1,218 people")


def test_no_verb_counts_with_a_fixed_plural() -> None:
    """A count and its noun come from `many`, so that one is never several."""
    fixed = re.compile(r"\{len\([^{}]*\)\} (?:hosts|people|technicians|offices|files|changes|problems|records|runs)\b")
    wrong = [
        f"{path.name}: {found}"
        for path in (Path(__file__).parents[2] / "provisioner/cli").glob("*.py")
        for found in fixed.findall(path.read_text())
    ]
    assert wrong == []
