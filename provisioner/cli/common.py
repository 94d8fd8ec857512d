"""What every verb shares: its options, its voice (people or `--json`), its questions, its way into a lab."""

import functools
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.help import lang_option
from provisioner.errors import BadInput, Missing, ProvisionerError
from provisioner.language import N_, translator
from provisioner.language.terminal import agreed, spoken, told, word
from provisioner.laptop.streams import unicode
from provisioner.laptop.text import folded, visible

if TYPE_CHECKING:
    from rich.text import Text

    from provisioner.cli.voice import Voice
    from provisioner.inventory.target import Target


shown = visible
UNWRAPPED = 100_000  # columns


def speaker(*, stderr: bool = False) -> "Voice":
    """A console of ours: markup is off, since a client's `[bold]` is text; what goes into a file or a pipe is never wrapped."""
    from provisioner.cli.voice import Voice

    console = Voice(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = UNWRAPPED
    return console


@dataclass
class Console:
    """How this call speaks: results on stdout (one object with `--json`), all else on stderr."""

    as_json: bool
    inventory_option: str | None

    @functools.cached_property
    def out(self) -> "Voice":
        """The console for results."""
        return speaker()

    @functools.cached_property
    def err(self) -> "Voice":
        """The console for progress and questions."""
        return speaker(stderr=True)

    def page(self, lines: "Sequence[Text]") -> None:
        """Print lines of a result, those with `no_wrap` whole; on a terminal through `$PAGER` (less) where they overflow it."""
        from rich.text import Text

        width, height = self.out.size
        words = shlex.split(os.environ.get("PAGER") or "less")
        with self.out.capture() as kept:
            for line in lines:
                self.out.print(line, soft_wrap=True)
        if (
            self.out.is_dumb_terminal
            or not (self.out.is_terminal and sys.stdin.isatty() and words and shutil.which(words[0]))
            or sum(max(1, math.ceil(line.cell_len / width)) for line in Text.from_ansi(kept.get()).split("\n")) < height
        ):
            sys.stdout.write(kept.get())
            return
        # as git sets it: colours pass, what was read stays; and our UTF-8 is shown where the machine lacks the locale
        as_git = {"LESS": "FRX", "LESSCHARSET": "utf-8" if unicode(sys.stdout) else "iso8859"}
        pager = subprocess.Popen(words, stdin=subprocess.PIPE, text=True, env=as_git | os.environ)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
        try:
            pager.communicate(kept.get())
        finally:
            signal.signal(signal.SIGINT, before)

    def say(self, line: str) -> None:
        """Tell the person waiting what is happening now."""
        self.err.print(told(shown(line)), soft_wrap=True)

    def result(self, data: Mapping[str, Any], human: Callable[[], None]) -> None:
        """End with one result: `data` as one JSON object, or `human()` printing it for a person."""
        if self.as_json:
            print(json.dumps(data, ensure_ascii=not unicode(sys.stdout), default=str))
        else:
            human()

    @functools.cached_property
    def inventory(self) -> Path:
        """The inventory's folder: `--inventory`, `PROVISIONER_INVENTORY`, the folder we stand in, the example network.

        Raises:
            Missing: none of these is an inventory.
        """
        named = self.inventory_option or os.environ.get("PROVISIONER_INVENTORY")
        if named:
            folder = Path(named).absolute()
            if not (folder / "offices").is_dir():
                raise Missing(f"{folder} is not an inventory: it has no folder offices/", hint=f"provisioner init {named}")
            return folder
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / "offices").is_dir() and (folder / "resellers").is_dir():
                return folder
        from provisioner.laptop.installed import example

        if shipped := example():
            return shipped
        raise Missing("no inventory here", hint="provisioner init DIR, or give --inventory DIR")

    def check_writable(self, *, commit: bool = True) -> None:
        """Stop a verb that writes before it begins, where the inventory is not the operator's or cannot take a commit now.

        Raises:
            BadInput: it is the tool's own example; or, with `commit`, in the middle of something (`git.check_ready`).
        """
        from provisioner.laptop import git
        from provisioner.laptop.installed import example

        shipped = example()
        if shipped and self.inventory.resolve() == shipped.resolve():
            what = f"{self.inventory} is the example that comes with provisioner: nothing is written there"
            raise BadInput(what, hint="cd into your inventory, or --inventory DIR; a new one: provisioner init DIR")
        if commit:
            git.check_ready(self.inventory)

    def target(self, office: str, lab: bool) -> "Target":
        """The office's real hosts, or its lab.

        Raises:
            BadInput: its folder holds a link out of the inventory, a pipe or a device, or a file beyond all measure.
        """
        from provisioner.inventory.target import Target
        from provisioner.laptop import strays

        target = Target(self.inventory, office, lab)
        plain = "/" not in office and office not in ("", ".", "..")  # else it is no office's folder that would be looked into
        if plain and not lab and (led := strays.refusals(target.inventory, target.folder)):
            raise BadInput("\n".join(f"{name}: {why}" for name, why in led), hint="ls -l there; git log says whose it is")
        return target


def verb(*args: Any, writes: bool = False, **kwargs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a click command whose function gets a `Console` first; `--json` and `--inventory` may stand after the verb.

    A first argument that is a click group puts the command there; the others go to `click.command`. One that `writes` into
    the inventory (with `--lab` none does) stops before it begins where that cannot be: `Console.check_writable`.
    """
    parent = args[0] if args and isinstance(args[0], click.Group) else None
    rest = args[1:] if parent else args

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(ctx: click.Context, /, as_json: bool, inventory: str | None, **given: Any) -> Any:
            top = ctx.find_object(dict) or {}
            console = Console(as_json or bool(top.get("as_json")), inventory or top.get("inventory"))
            if writes and not given.get("lab"):
                console.check_writable(commit=not given.get("no_commit"))
            return function(console, **given)

        wrapped = click.option("--inventory", metavar="DIR", help="Whose network (or PROVISIONER_INVENTORY).")(run)
        if "lang" not in function.__code__.co_varnames:  # a record's is the language of the document
            wrapped = lang_option(wrapped)
        wrapped = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(wrapped)
        command: click.Command = click.command(*rest, **kwargs)(wrapped)
        if parent:
            parent.add_command(command)
        return command

    return decorate


def complete_office(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Shell completion of office names: the folders of the inventory, nothing is read."""
    top = ctx.find_object(dict) or {}
    try:
        folder = Console(False, ctx.params.get("inventory") or top.get("inventory")).inventory / "offices"
        return sorted(p.name for p in folder.iterdir() if p.name.startswith(incomplete) and p.is_dir())
    except (Missing, OSError):
        return []


office_argument = click.argument("office", metavar="OFFICE", shell_complete=complete_office)
lab_option = click.option("--lab", is_flag=True, help="Act on the office's lab instead of its real hosts.")


def many(count: int, one: str, several: str = "") -> str:
    """A count with its noun: `1 host`, `1,218 lines`, `2 people`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def office_name(office: str, *, lab: bool) -> str:
    """An office as it is named in front of what is said of it: its lab's results are never taken for its own."""
    return f"{office} ({word('lab')})" if lab else office


def echo(line: str) -> None:
    """Print lines of a result as they are, in the operator's language."""
    if sys.stdout.isatty():
        speaker().print(line, soft_wrap=True)
    else:
        click.echo("\n".join(told(part) for part in line.split("\n")))


def terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(
    question: str, option: str, *, secret: bool = False, default: str | None = None, check: Callable[[str], object] | None = None
) -> str:
    """Ask on the terminal for what `option` would have given; again while `check` raises for what was typed.

    Raises:
        BadInput: there is no terminal; the hint names the option.
    """
    if not terminal():
        raise BadInput(f"{question}: nobody is there to answer", hint=f"give {option}")

    while True:
        answer = _typed(f"{told(question)} [{shown(default)}]" if default else told(question), secret) or default
        if answer is None:
            objection("an answer is needed here")
            continue
        try:
            if check and answer != default:
                check(answer)
        except ProvisionerError as error:
            objection(str(error), error.hint)
            continue
        return answer


ANSWER = 8  # columns that are left for what is typed behind a question: `yes`, a number, a login's beginning


def _typed(text: str, secret: bool = False) -> str:
    # click's prompt without its own loop and default, whose words are English whatever is spoken here
    colon = translator(spoken())(N_("{name}: {value}"), name="", value="")  # French has a space before it
    text = folded(text, shutil.get_terminal_size().columns - ANSWER)
    typed: str = click.prompt(
        text, hide_input=secret, default="", show_default=False, value_proc=str, err=True, prompt_suffix=colon
    )
    return typed


def objection(what: str, hint: str = "") -> None:
    """Say what is wrong with an answer, before it is asked for again."""
    err = speaker(stderr=True)
    for line in (f"✗ {told(shown(what))}", *([f"  {told('try:')} {told(shown(hint))}"] if hint else ())):
        err.print(line, soft_wrap=True)


def confirm(question: str, option: str = "--yes") -> bool:
    """Ask yes or no on the terminal; no is the default.

    Raises:
        BadInput: there is no terminal; the hint names the option.
    """
    if not terminal():
        raise BadInput(f"{question}: nobody is there to answer", hint=f"give {option}")
    yes, no = word("yes")[0], word("no")[0].upper()
    while True:
        answer = _typed(f"{told(question)} [{yes}/{no}]")
        said = agreed(answer) if answer else False
        if said is not None:
            return said
        objection(f"{answer!r} is neither yes nor no")


def plug(target: "Target", *, from_afar: bool = False) -> None:
    """For a lab: run this very call again, plugged into the lab's LAN, unless it already is; for real hosts do nothing.

    With `from_afar`, plugged into its Internet.

    Raises:
        Missing: the lab is not up.
    """
    if not target.lab or os.environ.get("PROVISIONER_PLUGGED") == target.id:
        return
    from provisioner import lab

    # In the arguments, not in the environment, which sudo filters: a call that does not know it is plugged plugs for ever.
    settings = [f"PROVISIONER_PLUGGED={target.id}", f"PROVISIONER_LANG={spoken()}"]
    command = ["env", *settings, sys.executable, "-m", "provisioner.cli", *sys.argv[1:]]
    words = lab.plugged(target, command, from_afar=from_afar)
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606 - we are to become that call
