"""The entry point: the list of verbs, read without importing any of them, and the one place where errors end."""

import importlib
import json
import signal
import sys
from types import FrameType
from typing import Any

import click

from provisioner import __version__
from provisioner.cli.help import Formatter, lang_option
from provisioner.errors import ProvisionerError, described, no_room
from provisioner.language import LANGUAGES
from provisioner.language.terminal import chosen
from provisioner.laptop import streams

# verb -> (module of provisioner.cli, its one line of help): `--help` must not import 14 modules to print 14 lines.
VERBS = {
    "init": ("inventory", "Make a new inventory of your own (a git repository)."),
    "doctor": ("doctor", "Say what this laptop lacks, one repair command a line."),
    "office": ("office", "Offices: new, list, show, remove."),
    "person": ("person", "The people of an office: list, add, remove, password."),
    "pack": ("pack", "The packs: list, show."),
    "inventory": ("inventory", "The whole inventory: check."),
    "reseller": ("reseller", "The network: list, show."),
    "unlock": ("secrets", "Open the inventory's secrets for one sitting."),
    "lock": ("secrets", "Close them again."),
    "secrets": ("secrets", "The secrets of an office: show, set."),
    "adopt": ("adopt", "First contact: pin the host's key, put your account in place."),
    "plan": ("apply", "Say what apply would change, with diffs and a digest."),
    "apply": ("apply", "Bring the office's hosts where the dossier wants them."),
    "router": ("router", "The office's routers alone: show, diff, push, backup, restore."),
    "access": ("access", "Who may log in where; a technician leaves: list, revoke, rotate."),
    "verify": ("verify", "Try the office from its user's seat, as a witness."),
    "remote": ("remote", "The way in from afar, through the co-op's hub: open, close, status."),
    "check": ("check", "Judge offices from afar, the worst first."),
    "monitor": ("monitor", "Watch the offices between two rounds: render, serve, silence, test."),
    "update": ("update", "Security updates: canary first, checked before and after, restarts in the office's hours."),
    "bulletin": ("bulletin", "The month's page for the client: 13 questions, what was done, what to decide."),
    "schedule": ("schedule", "Rounds that run by themselves, as systemd timers: install, list, remove."),
    "fleet": ("fleet", "Rounds, updates and proofs over several workers: work, add, list, cancel, schedule."),
    "record": ("record", "The hand-over record and the first-steps sheets: new, show, check, sheet."),
    "backup": ("backup", "The office's backups: list, run, restore, prove."),
    "website": ("website", "The office's website: new, build, preview, check, deploy, rollback, list, versions, undo."),
    "runs": ("runs", "What was done, when, by whom: list, show, check, join."),
    "ssh": ("ssh", "Log in to a host with its pinned key, or run one command there."),
    "training": ("training", "Courses on a virtual office with planted faults, a class, a client's training room."),
    "lab": ("lab", "The virtual office on this laptop: up, down, list, exec."),
}


class Verbs(click.Group):
    """The top group; loads a verb's module when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Verbs in the order of a technician's day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import the one module that holds the verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"provisioner.cli.{VERBS[cmd_name][0]}")
        name = f"{cmd_name}_" if cmd_name in ("inventory",) else cmd_name
        command: click.Command = getattr(module, name, None) or getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """Print the table above instead of importing every verb."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="provisioner", message="%(prog)s %(version)s")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout; progress goes to stderr.")
@click.option("--inventory", metavar="DIR", help="Whose network (or PROVISIONER_INVENTORY).")
@lang_option
@click.pass_context
def provisioner(ctx: click.Context, as_json: bool, inventory: str | None) -> None:
    """Install and maintain the offices of a network of IT co-ops.

    Exit codes: 0 done, 1 internal error, 2 usage or bad input, 3 the plan has changes, 4 a host failed,
    5 a host unreachable, 6 somebody else works there, 7 a verification or check failed, 130 interrupted.
    """
    ctx.ensure_object(dict)
    ctx.obj.update(as_json=as_json, inventory=inventory)


def report_error(message: str, hint: str, as_json: bool) -> None:
    """Print one error: an object on stdout with `--json`, else two lines on stderr."""
    if as_json:
        print(json.dumps({"error": message, "hint": hint}, ensure_ascii=not streams.unicode(sys.stdout)))
        return
    from provisioner.cli.common import shown, speaker
    from provisioner.language.terminal import told

    err = speaker(stderr=True)  # by NO_COLOR and TERM too
    err.print(f"{told('error:'):<6} {told(shown(message))}", style="red", soft_wrap=True)
    if hint:
        err.print(f"{told('try:'):<6} {told(shown(hint))}", style="cyan", soft_wrap=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C ends every `ssh` in front of the terminal by itself; commands over an open connection have to be told."""
    if sockets := sys.modules.get("provisioner.hosts.control_socket"):
        sockets.interrupt()
    signal.default_int_handler(number, frame)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and leave with the documented exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    streams.prepare()
    argv = sys.argv[1:] if argv is None else argv
    chosen.set("")
    click.Context.formatter_class = Formatter  # click's own way to say how help is laid out
    words = argv[: argv.index("--")] if "--" in argv else argv
    as_json = "--json" in words  # known before click has parsed: a usage error is an object too
    try:
        code: Any = provisioner.main(args=argv, prog_name="provisioner", standalone_mode=False, obj={})
    except click.exceptions.Abort:
        report_error("interrupted", "", as_json)
        code = 130
    except KeyboardInterrupt:
        report_error("interrupted", "", as_json)
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        if not chosen.get() and "--lang" in words[:-1]:  # it stands after what was wrong, where click did not come
            asked = words[words.index("--lang") + 1]
            chosen.set(asked if asked in LANGUAGES else "")
        hint = f"{error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        report_error(error.format_message(), hint, as_json)
        code = 2
    except ProvisionerError as error:
        report_error(str(error), error.hint, as_json)
        code = error.exit_code
    except OSError as error:
        if not no_room(error):
            raise
        report_error(f"no room is left on this laptop's disk: {described(error)}", "df -h; df -i; make room, then again", as_json)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
