"""`access list|revoke|admit|rotate`: who may log in where, and what becomes of that when a technician leaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, ask, confirm, echo, lab_option, many, plug, shown, verb
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.access import Office
    from provisioner.access.hosts import HostAnswer
    from provisioner.access.secrets import Secret
    from provisioner.inventory import Inventory
    from provisioner.inventory.resellers import Reseller

access = click.Group("access", help="Who may log in where; a technician leaves: list, revoke, admit, rotate.")
no_commit_option = click.option("--no-commit", is_flag=True, help="Leave the commits to you.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")

WORST_FIRST = (6, 4, 5, 7, 0)


def complete_technician(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Shell completion of the technicians of whoever works here."""
    from provisioner import access as workflow
    from provisioner.errors import ProvisionerError

    top = ctx.find_object(dict) or {}
    try:
        known = workflow.reseller_of(Console(False, ctx.params.get("inventory") or top.get("inventory")).inventory)
    except (ProvisionerError, OSError):
        return []
    return sorted(login for login in (*known.technicians, *known.former) if login.startswith(incomplete))


# ---------------------------------------------------------------------------------------------- list


@verb(access, "list")
@click.argument("office", metavar="[OFFICE]", required=False)
@click.option("--look", is_flag=True, help="Ask the hosts of OFFICE what stands there.")
@lab_option
def list_(console: Console, office: str | None, look: bool, lab: bool) -> int:
    """Who may log in on the hosts of OFFICE, or of all offices of your reseller; who left; where that is yet to be done.

    Exits 5 when a host that was to be looked at gave no answer.
    """
    from provisioner import access as workflow
    from provisioner.inventory import open_inventory
    from provisioner.inventory.target import Target

    if (look or lab) and not office:
        raise BadInput("--look and --lab need an OFFICE", hint="provisioner access list OFFICE --look")
    if office and look:
        plug(console.target(office, lab))
    inventory = open_inventory(console.inventory)
    reseller = workflow.reseller_of(inventory.root, office or "")
    names = [office] if office else workflow.offices(inventory.root, reseller, ())
    left = {name: workflow.pending(Target(inventory.root, name, lab), reseller) for name in names}
    left = {name: due for name, due in left.items() if due}
    seen = workflow.look(inventory.root, office, lab=lab) if office and look else None
    here: dict[str, dict[str, Any]] = {
        login: {"name": who.name, "keys": _fingerprints(who.keys)} for login, who in reseller.technicians.items()
    }
    gone: dict[str, dict[str, Any]] = {
        login: {"name": who.name, "left": who.left, "keys": _fingerprints(who.keys)} for login, who in reseller.former.items()
    }
    data: dict[str, Any] = {"reseller": reseller.name, "offices": names, "technicians": here, "former": gone, "pending": left}

    def human() -> None:
        title = f"{reseller.name}: {many(len(here), 'technician')}, on the hosts of {office or many(len(names), 'office')}"
        for head, who in ((title, here), ("Who left", gone)):
            if who:
                _show_keys(console, head, who)
        _show_pending(console, left)
        if seen:
            _show_seen(console, seen, here)

    console.result(data | ({"hosts": {told.host: _looked(told) for told in seen.told}} if seen else {}), human)
    return code([seen]) if seen else 0


def _fingerprints(keys: Sequence[str]) -> list[str]:
    from provisioner.hosts.pins import fingerprint

    return [fingerprint(key) for key in keys]


def _show_keys(console: Console, title: str, who: dict[str, dict[str, Any]]) -> None:
    """Who they are, each key on a line of its own: it gets compared by eye."""
    from rich.text import Text

    console.out.print(Text.assemble("\n", (shown(title), "bold")), soft_wrap=True)
    for login, one in who.items():
        left = f", left {one['left']}" if one.get("left") else ""
        console.out.print(shown(f"{login}  {one['name']}{left}"), soft_wrap=True)
        for key in one["keys"]:
            console.out.print(f"  {key}", style="dim", soft_wrap=True)


def _looked(told: "HostAnswer") -> dict[str, Any]:
    return _as_object(told) | {"who": dict(told.who), "strangers": list(told.strangers)}


def _show_seen(console: Console, seen: "Office", here: dict[str, Any]) -> None:
    from rich.text import Text

    for told in seen.told:
        if not told.address:
            console.out.print(Text(f"✗ {told.host}: {shown(told.problem)}", "red"), soft_wrap=True)
            continue
        let_in = [login for login, who in told.who.items() if who["open"] and who["keys"]]
        console.out.print(shown(f"{told.host}: lets in {', '.join(let_in) or 'nobody'}"), soft_wrap=True)
        for login, who in told.who.items():
            more = [key for key in who["keys"] if key not in here[login]["keys"]]
            if more:
                console.out.print(
                    Text(shown("\n  ".join((f"! {told.host}: {login} with a key of no file:", *more))), "yellow"), soft_wrap=True
                )
        for login in told.strangers:
            console.out.print(Text(f"! {told.host}: nobody knows {shown(login)}, who is let in", "yellow"), soft_wrap=True)
        _show_found(console, told)


def _show_pending(console: Console, left: dict[str, dict[str, list[str]]]) -> None:
    from rich.text import Text

    for name, due in left.items():
        for login, hosts in due.items():
            console.out.print(Text(f"! {name}: {login} is yet to be shut out of {', '.join(hosts)}", "yellow"), soft_wrap=True)
    if left:
        console.out.print(Text("next: provisioner access revoke --pending (or apply the office)", "cyan"))


# -------------------------------------------------------------------------------------------- revoke


@verb(access, "revoke", writes=True)
@click.argument("login", metavar="[LOGIN]", required=False, shell_complete=complete_technician)
@click.option("--office", "only", metavar="OFFICE", multiple=True, help="Only this office's hosts now (may be given again).")
@click.option("--pending", "late", is_flag=True, help="Only the hosts where it is yet to be done; of all who left without LOGIN.")
@lab_option
@yes_option
@no_commit_option
def revoke(console: Console, login: str | None, only: tuple[str, ...], late: bool, lab: bool, yes: bool, no_commit: bool) -> int:
    """LOGIN has left: write it down, and shut them out of every host of every office of your reseller, at once.

    Keys (wherever they stand), account, sudo, sessions, processes, cron and at jobs are found, named and ended; no file of
    theirs is deleted. Safe to run again. Exits 5 when a host gave no answer (it is on the list of --pending), 6 when somebody
    works on one meanwhile, 7 when a host could not prove it. With --lab and one --office, the lab alone is changed.
    """
    from provisioner import access as workflow
    from provisioner.inventory import open_inventory, technicians

    if not login and not late:
        raise BadInput("who has left?", hint="provisioner access revoke LOGIN, or --pending")
    if lab and len(only) != 1:
        raise BadInput("a lab is one office's", hint="provisioner access revoke LOGIN --lab --office OFFICE")
    if lab:
        plug(console.target(only[0], lab))
    inventory = open_inventory(console.inventory)
    reseller, me = _who(inventory, only, lab)
    names = workflow.offices(inventory.root, reseller, only)
    if login and not technicians.leaver(reseller, login, me):
        if late:
            raise BadInput(f"{login} has not left", hint=f"provisioner access revoke {login}")
        said = reseller.technicians[login].name
        what = f"{said} ({login}) leaves {reseller.name}: no host of {_many(names)} will let them in again. Go on?"
        jobs, _ = workflow.jobs(inventory.root, names, [login], lab=lab, late=False)  # before anybody is asked: may we?
        if not yes and not confirm(shown(what)):
            raise click.exceptions.Abort
        if not lab:
            reseller = workflow.leave(inventory.root, reseller, login, commit=not no_commit)
    logins = [login] if login else list(reseller.former)
    keys = {one: technicians.keys_ever(inventory, reseller, one) for one in logins}
    jobs, others = workflow.jobs(inventory.root, names, logins, lab=lab, late=late)
    console.say(f"{_many(names)}, {many(sum(len(job.where) for job in jobs), 'host')}")
    workflow.revoke(jobs, keys, tell=lambda name, told: console.say(_line(name, told)), commit=not no_commit)
    done = sorted([*(job.office for job in jobs), *others], key=lambda one: one.name)
    left = {job.office.name: sorted(t.host for t in job.office.told if t.state != "refused") for job in jobs}
    left = {name: hosts for name, hosts in left.items() if hosts}
    data = {
        "revoked": logins, "reseller": reseller.name, "lab": lab, "keys": {one: _fingerprints(keys[one]) for one in logins},
        "offices": {one.name: _office(one) for one in done}, "pending": left,
        "rotate": [one.name for one in done],
    }  # fmt: skip
    console.result(data, lambda: _show_revoked(console, done, logins, lab))
    return code(done)


@verb(access, "admit", writes=True)
@click.argument("login", metavar="LOGIN", shell_complete=complete_technician)
@click.option(
    "--key", "key_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The public half of their key."
)
@yes_option
@no_commit_option
def admit(console: Console, login: str, key_file: Path | None, yes: bool, no_commit: bool) -> int:
    """LOGIN, who had left, works here again: write it down by name; the next apply lets them in, with this key alone."""
    from provisioner import access as workflow
    from provisioner.inventory import open_inventory

    inventory = open_inventory(console.inventory)
    reseller = workflow.reseller_of(inventory.root)
    text = key_file.read_text(encoding="utf-8", errors="replace") if key_file else ""
    if "PRIVATE KEY" in text:
        raise BadInput(f"{key_file} is the private half of a key", hint=f"--key {key_file}.pub")
    if not yes and not confirm(shown(f"Let {login} in again on every host of {reseller.name}'s offices?")):
        raise click.exceptions.Abort
    after = workflow.admit(inventory.root, reseller, login, [text.strip()] if text else [], commit=not no_commit)
    keys = _fingerprints(after.technicians[login].keys)
    data = {"admitted": login, "reseller": after.name, "keys": keys, "readmitted": after.technicians[login].readmitted}
    console.result(
        data, lambda: console.out.print(shown(f"{login} is admitted again; next: provisioner apply OFFICE"), soft_wrap=True)
    )
    return 0


def _who(inventory: "Inventory", only: Sequence[str], lab: bool) -> "tuple[Reseller, str]":
    """The reseller it is about, and who asks: one of its technicians."""
    from provisioner import access as workflow
    from provisioner.operation.selection import technician

    if lab:
        return workflow.reseller_of(inventory.root, only[0]), technician(_target(inventory, only[0]))[0]
    reseller, me = workflow.reseller_of(inventory.root), inventory.whoami()
    assert me
    if me[0] not in reseller.technicians:
        raise BadInput(f"{me[0]} is no technician of {reseller.name}", hint=f"provisioner reseller show {reseller.name}")
    return reseller, me[0]


def _target(inventory: "Inventory", office: str) -> Any:
    from provisioner.inventory.target import Target

    return Target(inventory.root, office, True)


def _many(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else many(len(names), "office")


_SAID = {
    "refused": "shut out",
    "again": "shut out, but look again",
    "failed": "failed",
    "unreachable": "no answer",
    "not_proven": "not proven",
    "host_key": "another host key",
}


def _line(office: str, told: "HostAnswer") -> str:
    more = f": {told.problem}" if told.problem else f", {many(len(told.found), 'thing')} of theirs found" if told.found else ""
    return f"  {office} {told.host}: {_SAID.get(told.state, told.state)}{more}"


def code(offices: "Sequence[Office]") -> int:
    """The documented exit code for what the hosts told; of several, the one the README's order names first."""
    from provisioner.access.hosts import STATES

    codes = {STATES[told.state] for one in offices for told in one.told} | {4 for one in offices if one.problem} | {0}
    return next(one for one in WORST_FIRST if one in codes)


def _office(one: "Office") -> dict[str, Any]:
    return {
        "run": one.run, "problem": one.problem, "not_adopted": one.not_adopted,
        "hosts": {told.host: _as_object(told) for told in one.told},
    }  # fmt: skip


def _as_object(told: "HostAnswer") -> dict[str, Any]:
    return {
        "state": told.state, "problem": told.problem, "found": list(told.found), "look_at": list(told.look_at),
        "unknown_keys": dict(told.unknown), "took_s": round(told.took_s, 2),
    }  # fmt: skip


def _show_found(console: Console, told: "HostAnswer") -> None:
    from rich.text import Text

    for thing in told.found:
        about = f"  {shown(thing['about'])}" if thing["about"] else ""
        console.out.print(Text(f"  - {thing['login']}: {thing['what']} {shown(thing['where'])}{about}", "yellow"), soft_wrap=True)
    for line in told.look_at:
        console.out.print(Text(f"  ! look at it: {shown(line)}", "yellow"), soft_wrap=True)


def _show_revoked(console: Console, done: "Sequence[Office]", logins: Sequence[str], lab: bool) -> None:
    from rich.text import Text

    option = " --lab" if lab else ""
    count = 0
    for one in done:
        if one.problem:
            console.out.print(Text(f"✗ {one.name}: {shown(one.problem)}", "red"), soft_wrap=True)
        for told in one.told:
            good = told.state == "refused"
            count += good
            said = f"{_SAID[told.state]}{f': {told.problem}' if told.problem else ''}"
            style = "green" if good else "red"
            console.out.print(Text.assemble((f"{one.name} {told.host}  ", "bold"), (shown(said), style)), soft_wrap=True)
            _show_found(console, told)
    total = sum(len(one.told) for one in done)
    console.out.print(Text(f"{', '.join(logins)}: shut out of {count} of {many(total, 'host')}", "bold"))
    if count < total:
        office = f" --office {done[0].name}" if lab else ""
        console.out.print(Text(f"the others later: provisioner access revoke{office}{option} --pending", "cyan"))
    for one in done:
        if one.told:
            console.out.print(Text(f"what they knew of it: provisioner access rotate {one.name}{option}", "cyan"))
    if lab:
        console.out.print(Text("the inventory still has them: the next apply --lab lets them in again", "dim"))


# -------------------------------------------------------------------------------------------- rotate


@verb(access, "rotate", writes=True)
@click.argument("office", metavar="[OFFICE]", required=False)
@click.option("--list", "only_list", is_flag=True, help="Only list them.")
@click.option("--backup-key", is_flag=True, help="The backups' key too: you take its public half to the second place.")
@click.option("--passphrase", is_flag=True, help="Instead: another passphrase for the whole inventory.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the new one from standard input, one line.")
@lab_option
@yes_option
@no_commit_option
def rotate(
    console: Console, office: str | None, only_list: bool, backup_key: bool, passphrase: bool, passphrase_stdin: bool, lab: bool,
    yes: bool, no_commit: bool,
) -> None:  # fmt: skip
    """The secrets of OFFICE that whoever had the inventory could read: new where that is safe, a list of the rest.

    The next apply brings the machines to the new ones.
    """
    from provisioner.access import secrets

    if bool(office) == passphrase:
        raise BadInput("an OFFICE, or --passphrase", hint="provisioner access rotate OFFICE")
    if not office:
        _passphrase(console, passphrase_stdin, no_commit)
        return
    target = console.target(office, lab)
    listed = secrets.known(target, lab=lab)
    ours, theirs = [one for one in listed if not one.how], [one for one in listed if one.how]
    if not yes and not only_list:
        for one in ours:
            console.say(f"  {one.name}: {one.what}")
        if not confirm(shown(f"Make {'this secret' if len(ours) == 1 else f'these {len(ours)} secrets'} of {office} new?")):
            raise click.exceptions.Abort
    names = [] if only_list else secrets.rotate(target, backup_key=backup_key, commit=not no_commit)
    if backup_key and not only_list:
        theirs = [secrets.backup_key(target) if one.name == "backup.ssh_key" else one for one in theirs]
    option = " --lab" if lab else ""
    by_hand = [{"secret": one.name, "what": one.what, "how": one.how} for one in theirs]
    after = f"provisioner {'access rotate' if only_list else 'apply'} {office}{option}"
    data = {"office": office, "lab": lab, "rotated": names, "by_hand": by_hand, "next": after}
    if only_list:
        data["rotates"] = [one.name for one in ours]
    console.result(data, lambda: _show_rotated(console, names or ours, theirs, after))


def _show_rotated(console: Console, names: "Sequence[str | Secret]", theirs: "Sequence[Secret]", after: str) -> None:
    from rich.text import Text

    from provisioner.language.terminal import told

    for one in names:
        said = f"new: {one}" if isinstance(one, str) else f"to be rotated: {one.name} ({one.what})"
        console.out.print(Text(said, "green"))
    console.out.print(Text("\nby hand:", "bold"))
    for left in theirs:
        console.out.print(
            Text.assemble((f"  {left.name}", "yellow"), shown(f" ({told(left.what)}): {told(left.how)}")), soft_wrap=True
        )
    console.out.print(Text(f"\nnext: {after}", "cyan"))


def _passphrase(console: Console, from_stdin: bool, no_commit: bool) -> None:
    from provisioner.cli.secrets import passphrase_line
    from provisioner.errors import Locked
    from provisioner.laptop import git
    from provisioner.secrets import passphrase

    if not passphrase.unlocked(console.inventory):  # before anybody types one
        raise Locked("the inventory is locked", hint="provisioner unlock")
    new = passphrase_line() if from_stdin else ask("New passphrase", "--passphrase-stdin", secret=True)
    if not from_stdin and ask("Once more", "--passphrase-stdin", secret=True) != new:
        raise BadInput("the two were not the same", hint="once more")
    files: list[Path] = passphrase.change_passphrase(console.inventory, new)
    commit = None if no_commit else git.commit(console.inventory, files, "the inventory's passphrase is another")
    data = {"passphrase": "changed", "offices": len(files) - 1, "commit": commit}
    console.result(data, lambda: echo(f"the passphrase is another, for {many(len(files) - 1, 'office')}; tell your colleagues"))
