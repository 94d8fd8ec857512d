"""`backup list|run|restore|accept|place|prune|prove`: what an office keeps, made now, put back, kept safe from itself."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.backup_prove import prove
from provisioner.cli.common import Console, confirm, lab_option, many, office_argument, office_name, plug, shown, terminal, verb
from provisioner.cli.completion import complete_host
from provisioner.errors import BadInput, HostFailed
from provisioner.language.terminal import told, word

if TYPE_CHECKING:
    from provisioner.backup.lines import Files
    from provisioner.backup.snapshots import Repository, RestorePlan
    from provisioner.operation.selection import Selection
    from provisioner.runs import Run

backup = click.Group("backup", help="The office's backups: list, run, restore, prove; what the second place needs.")
backup.add_command(prove)
place_option = click.option("--place", type=click.Choice(["disk", "remote"]), default=None, help="Only the one or the other.")
no_commit_option = click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")


def megabytes(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:,.1f} MB"


@verb(backup, "list")
@office_argument
@place_option
@click.option(
    "--files", "path", metavar="[PATH]", is_flag=False, flag_value="/", default=None, help="What lies in PATH of a snapshot."
)
@click.option("--at", metavar="WHEN", default="", help="With --files: a snapshot, or a day or time, as for restore.")
@lab_option
def list_(console: Console, office: str, place: str | None, path: str | None, at: str, lab: bool) -> int:
    """What is kept of OFFICE, at each place, the newest last. Exits 4 when a place cannot be asked.

    With --files, what lies in a folder of a snapshot (of the newest, unless --at says when); nothing is restored.
    """
    from provisioner import backup as workflow
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    if at and path is None:
        raise BadInput(
            "--at says which snapshot to look into",
            hint=f"provisioner backup list {office}{' --lab' if lab else ''} --files --at {at!r}",
        )
    selection = prepare(target, [workflow.backup_server(target)])
    if path is not None:
        inside = workflow.look(selection, place=place or "", at=at, path=path.rstrip("/"), watch=lambda _: None)
        selection.ssh.close()
        data = {"office": office, "lab": lab, **inside.model_dump(mode="json", exclude={"event"})}
        console.result(data, lambda: _show_files(console, inside, selection))
        return 0
    found = workflow.ask(selection, place or "")
    selection.ssh.close()
    console.result(
        {"office": office, "lab": lab, "places": [_place(one) for one in found]},
        lambda: _show_places(console, found, selection),
    )
    return 4 if any(one.problem for one in found) else 0


def _place(one: "Repository") -> dict[str, Any]:
    return {
        "place": one.name, "problem": one.problem, "last_success": one.last_success, "last_failure": one.last_failure,
        "cause": one.cause, "note": one.note,
        "snapshots": [
            {"id": s.id, "at": s.at.isoformat(), "host": s.host, "bytes": s.size_bytes} for s in one.snapshots
        ],
    }  # fmt: skip


def _show_places(console: Console, found: "list[Repository]", selection: "Selection") -> None:
    from zoneinfo import ZoneInfo

    from rich.table import Table
    from rich.text import Text

    zone = selection.office.timezone
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("snapshot", "time", "place", "host", "size"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for one in sorted((s for place in found for s in place.snapshots), key=lambda s: s.at):
        size = megabytes(one.size_bytes)
        table.add_row(one.id[:8], f"{one.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}", one.place, shown(one.host), size)
    if table.row_count:
        console.out.print(table)
    for place in found:
        if place.problem:
            console.out.print(Text(f"✗ {place.name}: {shown(place.problem)}", "red"), soft_wrap=True)
        elif place.cause:
            console.out.print(
                Text(f"✗ {place.name}: failed on {place.last_failure}: {shown(place.cause)}", "red"), soft_wrap=True
            )
        elif not place.snapshots:
            console.out.print(Text(f"{place.name}: nothing was backed up there yet", "yellow"))
        if place.note:
            console.out.print(Text(f"! {place.name}: {shown(place.note)}", "yellow"), soft_wrap=True)
    office = f"{selection.target.office}{' --lab' if selection.target.lab else ''}"
    if not table.row_count:
        console.out.print(Text(f"next: provisioner backup run {office}", "cyan"), soft_wrap=True)
    else:
        console.out.print(
            Text(f"what is in one: provisioner backup list {office} --files [PATH] [--at WHEN]", "dim"), soft_wrap=True
        )


def _show_files(console: Console, inside: "Files", selection: "Selection") -> None:
    from zoneinfo import ZoneInfo

    from rich.text import Text

    from provisioner.backup.lines import moment

    when = moment(inside.time).astimezone(ZoneInfo(selection.office.timezone))
    head = f"{inside.place}, snapshot {inside.snapshot} of {when:%Y-%m-%d %H:%M}, {inside.path}:"
    console.out.print(Text(shown(head), "bold"), soft_wrap=True)
    for one in inside.files:
        size = f"{one.bytes:>14,}" if one.kind == "file" else " " * 14
        line = f"{size}  {one.time.replace('T', ' ')[:16]:16}  {one.path}{'/' if one.kind == 'dir' else ''}"
        console.out.print(Text(shown(line)), soft_wrap=True)
    if inside.more:
        console.out.print(Text(f"and {inside.more} more: name a folder below", "yellow"))


@verb(backup, "run", writes=True)
@office_argument
@place_option
@lab_option
@no_commit_option
def run(console: Console, office: str, place: str | None, lab: bool, no_commit: bool) -> int:
    """Back OFFICE up now, to each place by itself. Exits 4 when one of them failed."""
    from provisioner import backup as workflow
    from provisioner.cli.apply import exit_code
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, [workflow.backup_server(target)])
    watch = Watch(console, f"backup {office}", None)
    with watch.showing():
        done = workflow.run(selection, place=place or "", watch=watch, say=console.say, commit=not no_commit)
    places = _results(done, selection)
    console.result(_as_object(done, selection, places=places), lambda: _show_results(console, done, places))
    return exit_code(done, planning=False)


def _events(done: "Run", selection: "Selection") -> list[Any]:
    from provisioner.runs.journal import read_journal

    return list(read_journal(selection.target.journals / f"{done.id}.jsonl"))


def _results(done: "Run", selection: "Selection") -> dict[str, dict[str, Any]]:
    """What became of each place: the snapshot, or the cause."""
    found: dict[str, dict[str, Any]] = {}
    for event in _events(done, selection):
        if event.what == "host_changed":
            found[event.detail["place"]] = {k: v for k, v in event.detail.items() if k not in ("diff", "place", "held")}
        elif event.what == "host_failed":
            found[event.detail.get("place", "")] = {"problem": event.detail["problem"]}
    return found


def _as_object(done: "Run", selection: "Selection", **more: Any) -> dict[str, Any]:
    return {
        "office": selection.target.office, "verb": done.verb, "run": done.id, "status": done.status, "lab": selection.target.lab,
        "technician": done.technician, "journal": str(selection.target.journals / f"{done.id}.jsonl"),
    } | more  # fmt: skip


def _show_results(console: Console, done: "Run", places: dict[str, dict[str, Any]]) -> None:
    from rich.text import Text

    from provisioner.cli.progress import took

    for name, one in places.items():
        if "problem" in one:
            console.out.print(Text(f"✗ {shown(one['problem'])}", "red"), soft_wrap=True)
        else:
            size, added = megabytes(one["bytes"]), megabytes(one["added"])
            said = f"snapshot {one['snapshot']}, {size}, {added} of them new, {one['seconds']} s"
            console.out.print(Text(f"✓ {name}: {told(said)}", "green"), soft_wrap=True)
            if one.get("note"):
                console.out.print(Text(f"! {name}: {shown(one['note'])}", "yellow"), soft_wrap=True)
    good = done.status == "changed"
    words = (word("done" if good else done.status), "green" if good else "red")
    console.out.print(
        Text.assemble(f"backup {office_name(done.office, lab=done.lab)}: ", words, took(done.finished - done.started))
    )


@verb(backup, "accept", writes=True)
@office_argument
@place_option
@click.option("--why", metavar="WHY", required=True, help="What happened, in a sentence; the audit keeps it.")
@lab_option
@no_commit_option
def accept(console: Console, office: str, place: str | None, why: str, lab: bool, no_commit: bool) -> int:
    """Say why snapshots of OFFICE are missing, or that an odd clock is right: what is there now is what counts from here on."""
    from provisioner import backup as workflow
    from provisioner.cli.apply import exit_code
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    if not why.strip() or not why.isprintable():
        raise BadInput("a reason is one line of text", hint="--why 'the disk was replaced'")
    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, [workflow.backup_server(target)])
    watch = Watch(console, f"backup accept {office}", None)
    with watch.showing():
        done = workflow.accept(selection, why, place=place or "", watch=watch, say=console.say, commit=not no_commit)
    accepted = {e.detail["place"]: e.detail["missing"] for e in _events(done, selection) if e.what == "host_changed"}

    def human() -> None:
        for name, count in accepted.items():
            console.out.print(f"{name}: {count} missing snapshots are accepted; the next backup goes on with what is there")

    console.result(_as_object(done, selection, accepted=accepted, why=why), human)
    return exit_code(done, planning=False)


@verb(backup, "place")
@office_argument
@lab_option
def place_(console: Console, office: str, lab: bool) -> int:
    """Print what the second place of OFFICE needs so that the office can only add there: a shell script for its root."""
    from provisioner.backup import place as second

    text = second.script(console.target(office, lab))
    console.result({"office": office, "lab": lab, "script": text}, lambda: print(text, end=""))
    console.say(f"then append_only: true under backup: in the dossier, and: provisioner apply {office}{' --lab' if lab else ''}")
    return 0


@verb(backup, "prune", writes=True)
@office_argument
@click.option("--accept", metavar="WHY", default="", help="Why snapshots are missing there, or the newest is odd; then go on.")
@lab_option
@no_commit_option
def prune(console: Console, office: str, accept: str, lab: bool, no_commit: bool) -> int:
    """At the second place of OFFICE, forget what the pack keeps no longer, and tidy up what was forgotten before."""
    from provisioner import backup as workflow
    from provisioner.backup import place as second
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    if accept and not accept.isprintable():
        raise BadInput("a reason is one line of text", hint="--accept 'a snapshot of a wrong clock was taken away'")
    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, [workflow.backup_server(target)])
    console.say("asking the second place; tidying a large one takes its time")
    watch = Watch(console, f"backup prune {office}", None)
    with watch.showing():
        done = second.prune(selection, accept=accept, watch=watch, say=console.say, commit=not no_commit)
    data = {"office": office, "lab": lab, "snapshots": done.snapshots, "forgotten": done.forgotten, "tidied": done.tidied}

    def human() -> None:
        tidied = ", what was forgotten before is tidied away" if done.tidied else ""
        console.out.print(f"remote: {done.forgotten} snapshots forgotten, {done.snapshots} are kept{tidied}")

    console.result(data, human)
    return 0


@verb(backup, "restore", writes=True)
@office_argument
@place_option
@click.option("--at", metavar="WHEN", default="", help="A snapshot, or a day or time: the newest of then or before.")
@click.option("--path", metavar="PATH", default="", help="Only this file or folder of the server.")
@click.option("--to", metavar="FOLDER", default="", help="Into this folder of the server instead of in place.")
@click.option(
    "--host", metavar="HOST", default="", shell_complete=complete_host, help="Into a folder (--to) of another host of the office."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@lab_option
@no_commit_option
def restore(
    console: Console,
    office: str,
    place: str | None,
    at: str,
    path: str,
    to: str,
    host: str,
    yes: bool,
    lab: bool,
    no_commit: bool,
) -> int:
    """Put back what a backup of OFFICE holds: all of it, or PATH; also on a new machine, once it is adopted and applied.

    Shows what it would replace, and asks. What fails leaves the server as it was.
    """
    from provisioner import backup as workflow
    from provisioner.cli.apply import exit_code
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    if not yes and (console.as_json or not terminal()):
        raise BadInput("restore would ask before it replaces anything, and nobody is there to answer", hint="give --yes")
    plug(target)
    backup_server = workflow.backup_server(target)
    onto = host if host != backup_server else ""
    selection = prepare(target, [backup_server, *([onto] if onto else [])])
    for needed in (backup_server, onto):
        if needed in selection.not_adopted:
            raise BadInput(f"{needed} is not adopted", hint=f"provisioner adopt {target.words} {needed}")
    offered = workflow.offer(selection, place=place or "", at=at, path=path, to=to, onto=onto, watch=lambda _: None)
    if not yes:
        _show_offer(console, offered, selection)
        if not confirm("Put this back?"):
            console.say("nothing was changed")
            return 3
    watch = Watch(console, f"restore {office}", 2)
    with watch.showing():
        done = workflow.restore(selection, offered, watch=watch, say=console.say, commit=not no_commit)
    problems = [host.problem for host in done.hosts.values() if host.problem]
    if problems:
        given = (("--path", path), ("--to", to), ("--host", host))
        words = "".join(f" {option} {value!r}" if value else "" for option, value in given)
        other = f" --place {offered.others[0]}" if offered.others else ""
        again = f"provisioner backup restore {office}{' --lab' if lab else ''}{other}{words}"
        raise HostFailed(
            f"{backup_server}: {problems[0]}", hint=again if other else f"provisioner runs show {target.words} {done.id}"
        )
    snapshot = {"id": offered.snapshot.id, "at": offered.snapshot.at.isoformat(), "place": offered.snapshot.place}
    proven = next((dict(e.detail) for e in _events(done, selection) if e.what == "host_changed"), {})

    def human() -> None:
        _show_offer(console, offered, selection, done=True)
        if not path and not to:
            console.out.print(f"next: provisioner apply {office}{' --lab' if lab else ''}   (what the dossier says since then)")

    sid = {"sid": proven["sid"]} if proven.get("sid") else {}
    console.result(_as_object(done, selection, snapshot=snapshot, items=offered.items, **sid), human)
    return exit_code(done, planning=False)


def _show_offer(console: Console, offered: "RestorePlan", selection: "Selection", *, done: bool = False) -> None:
    from zoneinfo import ZoneInfo

    from rich.text import Text

    chosen = offered.snapshot
    when = f"{chosen.at.astimezone(ZoneInfo(selection.office.timezone)):%Y-%m-%d %H:%M}"
    head = f"{'Restored from' if done else 'From'} {chosen.place}, snapshot {chosen.id[:8]} of {when}"
    out = console.out if done else console.err
    out.print(Text(f"{head}:", "bold"), soft_wrap=True)
    for item in offered.items:
        how = {"fill": "adds what is missing in", "directory": "replaces"}.get(
            item["how"], "replaces" if item["replaces"] else "makes"
        )
        line = f"  {how} {item['target']}: {many(item['files'], 'file')}, {megabytes(item['bytes'])}"
        out.print(Text(shown(line), "yellow" if item["replaces"] and not done else ""), soft_wrap=True)
