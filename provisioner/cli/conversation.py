"""Questions on a terminal, as a conversation: the rule before the answer, what is wrong asked again, all of it shown and
corrected before anything is written.
"""

import contextlib
import functools
import itertools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from provisioner.cli.common import Console, ask, objection, shown, terminal
from provisioner.errors import BadInput
from provisioner.language.terminal import agreed, told
from provisioner.laptop.text import folded

Answers = dict[str, Any]
_RIGHT = "Right? (Enter: yes; a number: correct it; q: leave all)"


def _always(_: Answers) -> bool:
    return True


def _nothing(_: Answers) -> str | None:
    return ""


def _required(_: Answers) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to know: `word` is its name among the answers and, with hyphens, its option.

    `check` raises `BadInput` for a wrong answer, knowing the others; with `many` it is given one line of several, which end with
    an empty one, and the answers before it stand under `word`. `default` is what Enter means; None: an answer must be given.
    """

    word: str
    text: str
    rule: str | Callable[[Answers], str] = ""
    check: Callable[[str, Answers], object] = lambda *_: None
    default: Callable[[Answers], str | None] = _nothing
    when: Callable[[Answers], bool] = _always
    many: bool = False
    option: str = ""
    again: Callable[[Answers], list[str]] | None = None  # the options that give its answer, where it is not the one above

    @property
    def named(self) -> str:
        """Its option."""
        return self.option or f"--{self.word.replace('_', '-')}"


required = _required


def lacking(questions: Sequence[Question], answers: Answers) -> list[Question]:
    """Those that must have an answer and have none."""
    return [one for one in questions if answers.get(one.word) is None and one.default(answers) is None and one.when(answers)]


def converse(
    console: Console, questions: Sequence[Question], answers: Answers, judge: Callable[[Answers], object], *, yes: bool = False
) -> None:
    """Complete `answers`: on a terminal by asking, elsewhere and with `yes` by defaults.

    On a terminal all answers are shown at the end, with what `judge` says is wrong with the whole; each can be corrected until it
    is right and somebody says so.

    Raises:
        BadInput: nobody is there to answer, every option that lacks by name; or what `judge` says.
        Abort: it was left, nothing is to be written.
    """
    if yes or not terminal():
        if missing := lacking(questions, answers):
            raise BadInput(
                "nobody is there to answer: " + ", ".join(one.text for one in missing),
                hint="give " + " ".join(f"{one.named} …" for one in missing),
            )
        for one in questions:
            if answers.get(one.word) is None:
                answers[one.word] = ([] if one.many else one.default(answers)) if one.when(answers) else None
        _check_all(judge, questions, answers)
        return
    given = {one.word for one in questions if answers.get(one.word) is not None}
    while True:
        for one in questions:
            if one.word not in given and one.when(answers):
                _ask(console, one, answers)
                given.add(one.word)
        relevant = [one for one in questions if one.when(answers)]
        problem = _judged(judge, relevant, answers)
        _summary(console, relevant, answers)
        if problem:
            objection(str(problem), problem.hint)
        end = "Which is to be corrected? (its number; q: leave all)" if problem else _RIGHT
        said = ask(end, "--yes", default="", check=functools.partial(_choice, len(relevant), bool(problem)))
        if said == "q":
            raise click.exceptions.Abort
        if (not said or agreed(said)) and not problem:
            return
        if said:
            _ask(console, relevant[int(said) - 1], answers)


@contextlib.contextmanager
def repeatable(console: Console, questions: Sequence[Question], answers: Answers) -> Iterator[None]:
    """Whoever leaves in the middle (Ctrl-C) is told the call that gives the same answers again: none of them is kept."""
    before = {word for word, said in answers.items() if said is not None}
    try:
        yield
    except (click.exceptions.Abort, KeyboardInterrupt):
        asked = [one for one in questions if one.word not in before and answers.get(one.word) is not None]
        if options := [option for one in asked for option in _options(one, answers)]:
            console.err.print()
            console.say("nothing was written; with the same answers again:")
            click.echo(f"  {shown(shlex.join(['provisioner', *sys.argv[1:], *options]))}", err=True)
        raise


def _options(one: Question, answers: Answers) -> list[str]:
    if one.again:
        return one.again(answers)
    said = answers[one.word]
    return [part for text in (said if isinstance(said, list) else [said]) for part in (one.named, text)]


def _judged(judge: Callable[[Answers], object], questions: Sequence[Question], answers: Answers) -> BadInput | None:
    try:
        _check_all(judge, questions, answers)
    except BadInput as error:
        return error
    return None


def _check_all(judge: Callable[[Answers], object], questions: Sequence[Question], answers: Answers) -> None:
    """The whole first, which names every field; then answers that options gave, or that another answer has made wrong."""
    judge(answers)
    for one in questions:
        said = answers.get(one.word)
        if said and isinstance(said, str):
            one.check(said, answers)


def _choice(last: int, must: bool, typed: str) -> None:
    if typed == "q" or (typed.isascii() and typed.isdigit() and 1 <= int(typed) <= last) or (agreed(typed) and not must):
        return
    raise BadInput(f"{typed!r} is none of them", hint=f"a number from 1 to {last}")


def _ask(console: Console, one: Question, answers: Answers) -> None:
    if rule := one.rule if isinstance(one.rule, str) else one.rule(answers):
        console.say(f"  {rule}")
    before = answers.get(one.word)
    if not one.many:
        default = before if isinstance(before, str) and before else one.default(answers)
        answers[one.word] = ask(one.text, one.named, default=default, check=lambda typed: one.check(typed, answers)).strip()
        return
    answers[one.word] = []
    text = f"{one.text} (empty: none)"
    while said := ask(text, one.named, default="", check=lambda typed: one.check(typed, answers)).strip():
        answers[one.word].append(said)
        text = "One more (empty: no)"


def _summary(console: Console, questions: Sequence[Question], answers: Answers) -> None:
    console.say("")
    texts = [told(one.text) for one in questions]
    width = min(max(map(len, texts)), max(console.err.width // 2, 24))
    for n, (one, text) in enumerate(zip(questions, texts, strict=True), 1):
        said = answers.get(one.word)
        line = shown((", ".join(said) if isinstance(said, list) else said) or "–")  # an answer is never translated
        left = folded(text, width).split("\n")
        right = folded(line, max(console.err.width - width - 7, 20)).split("\n")
        for row, (asked, answer) in enumerate(itertools.zip_longest(left, right, fillvalue="")):
            click.echo(f"{'' if row else n:>3}  {asked:<{width}}  {answer}".rstrip(), err=True)
