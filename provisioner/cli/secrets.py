"""`unlock`, `lock` and `secrets`: the inventory's secrets, open for one sitting, shown when asked for by name."""

import sys

import click

from provisioner.cli.common import Console, ask, echo, lab_option, office_argument, shown, verb
from provisioner.cli.completion import complete_secret, complete_settable
from provisioner.errors import BadInput, Missing
from provisioner.language import N_
from provisioner.language.terminal import told


def passphrase_line() -> str:
    """The first line of standard input; what is not UTF-8 in it makes it a wrong passphrase, not a crash."""
    return sys.stdin.buffer.readline().decode("utf-8", "replace").rstrip("\r\n")


@verb("unlock", short_help="Open the inventory's secrets for one sitting.")
@click.option("--minutes", type=click.IntRange(1, 7 * 24 * 60), default=480, show_default=True, help="For how long.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def unlock(console: Console, minutes: int, passphrase_stdin: bool) -> None:
    """Ask the inventory's passphrase once and keep it in memory (kernel keyring), for as long as a sitting lasts."""
    from provisioner.secrets import passphrase

    given = passphrase_line() if passphrase_stdin else ask(N_("Passphrase"), "--passphrase-stdin", secret=True)
    kept_in = passphrase.unlock(console.inventory, given, minutes)
    result = {"unlocked": True, "minutes": minutes, "kept_in": kept_in}
    console.result(result, lambda: echo(f"unlocked for {minutes} minutes ({kept_in})"))


@verb("lock", short_help="Close them again.")
def lock(console: Console) -> None:
    """Forget the passphrase now."""
    from provisioner.secrets import passphrase

    passphrase.lock(console.inventory)
    console.result({"unlocked": False}, lambda: echo("locked"))


@click.group("secrets")
def secrets() -> None:
    """The secrets of an office."""


@verb(secrets, "show")
@office_argument
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_secret)
@lab_option
@click.option("--all", "everything", is_flag=True, help="Print every secret, not only those named.")
@click.option("--complete", is_flag=True, help="First make what the dossier's people and hosts lack.")
@click.option("--no-commit", is_flag=True, help="With --complete: leave the commit to you.")
def show(
    console: Console, office: str, names: tuple[str, ...], lab: bool, everything: bool, complete: bool, no_commit: bool
) -> None:
    """List the secrets of OFFICE by name; print those named (`zoe`, `console.server`), or all with --json or --all."""
    from provisioner.inventory import open_inventory
    from provisioner.laptop import git
    from provisioner.secrets import vault

    if complete and not lab:
        console.check_writable(commit=not no_commit)
    target = console.target(office, lab)
    known = open_inventory(target.inventory).office(office)
    if complete:
        found = vault.complete(target, known)
        if not lab and not no_commit:
            git.commit(target.inventory, target.secret_files, f"secrets: what {office} lacked")
    else:
        found = vault.read(target)
    sections: dict[str, dict[str, str]] = found.model_dump(mode="json")
    counts = ("renewed",)  # no secret, and it would answer to a person's login
    shown_ones = {section: entries for section, entries in sections.items() if section not in counts}
    flat = {f"{section}.{name}": text for section, entries in shown_ones.items() for name, text in entries.items()}
    chosen = [key for key in flat if key in names or key.partition(".")[2] in names]
    strangers = [name for name in names if name not in flat and not any(k.partition(".")[2] == name for k in flat)]
    if strangers:
        raise Missing(f"no secret {strangers[0]!r} in {office}", hint=f"one of {', '.join(flat)}")
    if names and everything:
        raise BadInput("names and --all at once", hint="one of the two")
    if names:
        sections = {s: {n: t for n, t in e.items() if f"{s}.{n}" in chosen} for s, e in sections.items()}

    def human() -> None:
        for key, text in flat.items():
            if names and key not in chosen:
                continue
            click.echo(f"{key:<32} {shown(text) if names or everything else told('(hidden: name it, or --all)')}")

    console.result({"office": office, "lab": lab, **sections}, human)


@verb(secrets, "set", writes=True)
@office_argument
@click.argument("name", metavar="SECTION.NAME", shell_complete=complete_settable)
@lab_option
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from standard input, one line.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def set_(console: Console, office: str, name: str, lab: bool, from_stdin: bool, no_commit: bool) -> None:
    """Enter a secret of OFFICE that only a person can know, such as mail.password; asked twice, never shown."""
    from provisioner.inventory import open_inventory
    from provisioner.laptop import git
    from provisioner.secrets import vault

    target = console.target(office, lab)
    known = open_inventory(target.inventory).office(office)
    vault.validate_name(name)
    vault.complete(target, known)  # locked, or damaged: before anybody types a secret
    text = passphrase_line() if from_stdin else ask(name, "--stdin", secret=True)
    if not from_stdin and ask("Once more", "--stdin", secret=True) != text:
        raise BadInput("the two were not the same", hint="once more")
    vault.enter(target, known, name, text)
    commit = None
    if not lab and not no_commit:
        commit = git.commit(target.inventory, target.secret_files, f"{office}: secrets set: {name}")

    def human() -> None:
        echo(f"{name} of {office} is kept")
        echo(f"next: provisioner plan {office}{' --lab' if lab else ''}")

    console.result({"office": office, "lab": lab, "set": name, "commit": commit}, human)
