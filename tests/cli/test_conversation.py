"""`init` and `office new` as a conversation on a terminal: asked again, corrected, left in the middle, in our languages."""

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.language.terminal import agreed
from provisioner.laptop.text import folded
from tests.verbs import BAKERY, ME, Run

WHO = ("j.petit", "Jo Petit", "04 00 00 00 00", "jo@scop.example", "none", "ma-scop", "Ma Scop", "Scop SARL", "FR", "000 953 893")
WHERE = ("1 rue d'Ici", "69001", "Lyon")


# Whoever runs the suite in the background may ignore or block Ctrl-C, and would hand that down.
WITH_CTRL_C = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, [])
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A verb on a terminal of 80 columns, and what is typed there once a question stands."""

    def __init__(self, home: Path, *words: str, language: str = "en") -> None:
        master, slave = pty.openpty()
        self.master = master
        environment = {
            name: value for name, value in os.environ.items() if name not in ("SSH_AUTH_SOCK", "PROVISIONER_INVENTORY")
        }
        self.child = subprocess.Popen(
            [sys.executable, "-c", WITH_CTRL_C, sys.executable, "-m", "provisioner.cli", *words],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=home,
            env={**environment, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "GIT_CONFIG_GLOBAL": "/dev/null",
                 "TERM": "xterm", "COLUMNS": "80", "PROVISIONER_LANG": language},
        )  # fmt: skip
        os.close(slave)

    def read(self, until: str, within_s: float = 60) -> str:
        """What was said until `until` (a pattern) stands at the end, since the last time."""
        said, end = "", time.monotonic() + within_s
        while not re.search(until + r"$", said.replace("\u00a0", " ")):
            assert time.monotonic() < end, said
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    part = os.read(self.master, 65536)
                except OSError:  # its last writer has gone
                    break
                said += re.sub(r"\x1b\[[0-9;]*m", "", part.decode("utf-8", "replace")).replace("\r\n", "\n")
        return said.replace("\u00a0", " ").replace("\u202f", " ")

    def answer(self, *lines: str) -> str:
        """Type each line when a question stands; what is said after the last, up to the next question."""
        said = ""
        for line in lines:
            os.write(self.master, line.encode() + b"\n")
            said = self.read(r": ")
        return said

    def interrupt(self) -> str:
        """Ctrl-C, and what is said then; again where it came before the question listened, as a hand does."""
        for _ in range(10):
            os.killpg(self.child.pid, signal.SIGINT)
            if select.select([self.master], [], [], 3)[0]:
                break
        return self.read("(?!)")

    def end(self) -> int:
        """Its exit code, when it has said all."""
        self.read("(?!)")
        return self.child.wait(30)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The operator's home, and an inventory in it already for who needs one."""
    return tmp_path


@contextlib.contextmanager
def terminal(home: Path, *words: str, language: str = "en") -> Iterator[Terminal]:
    """One that is gone at the end."""
    one = Terminal(home, *words, language=language)
    try:
        yield one
    finally:
        if one.child.poll() is None:
            one.child.kill()
        one.child.wait()
        os.close(one.master)


@pytest.mark.parametrize("text", ["yes", "y", "Y", "oui", "o", "OUI", " Oui "])
def test_yes_in_any_language(text: str) -> None:
    """A French hand types oui on an English terminal, and yes on a French one."""
    assert agreed(text) is True


@pytest.mark.parametrize(
    ("text", "meant"), [("no", False), ("n", False), ("non", False), ("N", False), ("nope", None), ("", None)]
)
def test_no_in_any_language(text: str, meant: bool | None) -> None:
    """No is no; what is neither is asked again."""
    assert agreed(text) is meant


def test_a_wrong_answer_is_asked_again_and_an_earlier_one_corrected(home: Path) -> None:
    """The rule stands before its answer; nothing is written before the summary was agreed to; a wrong passphrase ends nothing."""
    with terminal(home, "init", str(home / "net")) as one:
        assert "small letters, digits, dot and hyphen, as in j.petit" in one.read("Your login: ")
        assert "✗ 'J Petit' is not a login" in one.answer("J Petit")
        one.answer(*WHO[:3])
        assert "✗ 'lea@@x' is not a mail address" in one.answer("lea@@x")
        assert "its last digit does not fit" in one.answer(*WHO[3:9], "000 953 894")
        assert "is no postcode of FR" in one.answer(WHO[9], WHERE[0], "7500")
        summary = one.answer(*WHERE[1:])
        assert " 2  Your name                Jo Petit\n" in summary
        assert "'77' is none of them" in one.answer("77")
        assert "Your name [Jo Petit]" in one.answer("2")
        assert "Jo Petit-Durand" in one.answer("Jo Petit-Durand")
        assert not (home / "net").exists()
        assert "12 characters or more" in one.answer("oui")  # on an English terminal
        one.answer("n")
        assert "the passphrase needs 12 characters" in one.answer("short")
        assert "not the same" in one.answer("battery horse staple", "battery horse staples")
        one.answer("battery horse staple")
        os.write(one.master, b"battery horse staple\n")
        assert one.end() == 0
    assert (home / "net" / "resellers" / "ma-scop.yml").is_file()


def test_who_leaves_in_the_middle_is_told_the_call_that_answers_the_same(home: Path) -> None:
    """After Ctrl-C nothing is written, and what was answered need not be typed again: the call is right as it stands."""
    with terminal(home, "init", "net") as one:
        one.read("Your login: ")
        one.answer(*WHO)
        said = one.interrupt()
        assert one.child.wait(30) == 130
    assert not (home / "net").exists()
    assert "nothing was written; with the same answers again:" in said
    line = next(line for line in said.split("\n") if line.strip().startswith("provisioner init"))
    again = shlex.split(line)
    assert again[:3] == ["provisioner", "init", "net"]
    assert again[again.index("--technician-name") + 1] == "Jo Petit"
    with terminal(home, *again[1:]) as one:
        assert one.read("Its street and number: ").count(": ") == 1, "nothing of it is asked again"
        summary = one.answer(*WHERE)
        assert "Jo Petit" in summary
        one.answer("q")
        assert one.child.wait(30) == 130
    assert not (home / "net").exists()


def test_the_same_questions_in_french(home: Path, run: Run) -> None:
    """An office is described in French, with its own spaces; MACs as labels print them, the same login refused twice."""
    assert run("init", home / "net", *ME, "--generate-passphrase").code == 0
    with terminal(home, "office", "new", "fournil", "--inventory", str(home / "net"), *BAKERY, language="fr") as one:
        said = one.read(" : ")
        assert "deux majuscules" in said
        said = one.answer("FR")
        assert "un identifiant en minuscules" in " ".join(said.split())
        assert "dit deux fois" in one.answer("lea=Léa", "lea=Autre")
        assert "essayez : identifiant=Nom" in one.answer("Nina Roy")
        assert "Un routeur à installer [oui] : " in one.answer("")
        one.answer("")
        assert "Un serveur" in one.answer("")
        assert "Combien de postes" in one.answer("A4-5D-36-11-22-77")
        assert "un nombre de 0 à 60" in one.answer("beaucoup")
        one.interrupt()
    assert not (home / "net" / "offices" / "fournil").exists()


@pytest.mark.parametrize("columns", [30, 60, 80, 120])
def test_lines_break_between_words(columns: int) -> None:
    """No word is cut, nothing is lost, and what goes on stands under where it began."""
    text = "  neuf chiffres, avec ou sans espaces\u00a0; vide pour qui n’en a pas, comme une petite association https://a.example/b-c"
    lines = folded(text, columns).split("\n")

    assert " ".join(line.strip() for line in lines) == text.strip()
    assert all(line.startswith("  ") for line in lines)
    assert all(len(line) <= columns for line in lines if " " in line.strip())
