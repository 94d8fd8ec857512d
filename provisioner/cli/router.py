"""`router`: what an office's routers run, how that differs from the dossier, and the guarded push alone."""

import click

from provisioner.cli.apply import as_object, exit_code, force_option, host_option
from provisioner.cli.common import Console, confirm, echo, lab_option, office_argument, plug, shown, terminal, verb
from provisioner.errors import BadInput, Missing
from provisioner.language.terminal import told

on_site_option = click.option(
    "--on-site", is_flag=True, help="Somebody stands beside it: push also to a router that cannot go back by itself.",
)  # fmt: skip


@click.group("router")
def router() -> None:
    """The routers of an office: show, diff, push, backup, restore, adopt."""


@verb(router, "push", writes=True, short_help="The guarded push, and nothing else of an apply.")
@office_argument
@host_option
@click.option(
    "--timeout", "timeout_s", type=click.IntRange(15, 3600), default=120, show_default=True, metavar="SECONDS",
    help="After how long the router goes back by itself unless the push proves good.",
)  # fmt: skip
@on_site_option
@lab_option
@force_option
@click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")
def push(
    console: Console, office: str, hosts: tuple[str, ...], timeout_s: int, on_site: bool, lab: bool, force: bool, no_commit: bool
) -> int:  # fmt: skip
    """Bring the routers of OFFICE where the dossier wants them, and nothing else.

    The router keeps its former configuration and goes back to it by itself unless a new connection comes about and whatever
    it reached before, it reaches again.
    """
    from provisioner import router as workflow
    from provisioner.cli.progress import Watch
    from provisioner.cli.run_page import show_run
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, hosts)
    workflow.refuse_none(selection)
    selection.hosts = workflow.routers(selection)
    watch = Watch(console, f"router push {office}", None)
    with watch.showing():
        run = workflow.run_push(
            selection, watch=watch, say=console.say, timeout_s=timeout_s, force=force, commit=not no_commit, on_site=on_site
        )  # fmt: skip
    console.result(as_object(run, selection), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


@verb(router, "show", short_help="How the routers run now.")
@office_argument
@host_option
@lab_option
def show(console: Console, office: str, hosts: tuple[str, ...], lab: bool) -> None:
    """Say how the routers of OFFICE run now: system, links, the way out, leases, the tunnel, the last push."""
    from provisioner import router as workflow
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, hosts)
    workflow.refuse_none(selection)
    selection.hosts = workflow.routers(selection)
    found = workflow.run_show(selection, watch=lambda _: None, say=console.say)

    def human() -> None:
        for name, one in found.items():
            if one["up_s"] is None:
                echo(f"{name}: {one['platform']}, {shown(one['version'])}")
            else:
                echo(f"{name}: {one['platform']}, {shown(one['version'])}, up for {_long(one['up_s'])}")
            for link in one["links"]:
                state = "up" if link["up"] else "no cable"
                echo(shown(f"  {link['name']:<14} {state:<9} {' '.join(link['addresses']) or 'no address'}"))
            way = one["route"]
            echo(shown(f"  way out: {way['gateway'] or way['dev']} by {way['dev']}" if way else "  way out: none"))
            if one["tunnel"]:
                echo(shown(f"  tunnel: {one['tunnel']['endpoint']}{'' if one['tunnel']['heard'] else ', never heard'}"))
            for lease in one["leases"]:
                echo(shown(f"  lease: {lease['address']:<15} {lease['mac']} {lease['name']}"))
            last = one["last"]
            said = f"{last['how']}, by {last['technician']}, run {last['run']}" if last else "none was made yet"
            echo(shown(f"  last push: {said}"))

    console.result({"office": office, "lab": lab, "routers": found}, human)


def _long(up_s: float) -> str:
    hours = up_s / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{up_s / 60:.0f} min"


@verb(router, "diff", short_help="How they differ from the dossier.")
@office_argument
@host_option
@lab_option
def diff(console: Console, office: str, hosts: tuple[str, ...], lab: bool) -> int:
    """Say how the routers of OFFICE differ from its dossier, as they run now. Changes nothing.

    Exits 3 when something differs, 0 when nothing does.
    """
    from provisioner import router as workflow
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, hosts)
    workflow.refuse_none(selection)
    selection.hosts = workflow.routers(selection)
    watch = Watch(console, f"router diff {office}", None)
    with watch.showing():
        run = workflow.run_diff(selection, watch=watch, say=console.say)

    def human() -> None:
        for name, host in sorted(run.hosts.items()):
            parts = f"{len(host.changes)} part{'s differ' if len(host.changes) > 1 else ' differs'}"
            echo(f"{name}: {parts if host.changes else 'as the dossier wants it'}")
            for note in host.notes:
                echo(f"  ! {shown(note)}")
            for change in host.changes:
                echo(f"  {change.task.partition(': ')[2]}")
                for line in change.diff.splitlines():
                    echo(f"    {shown(line)}")

    changes = {name: [{"task": c.task, "diff": c.diff} for c in host.changes] for name, host in sorted(run.hosts.items())}
    console.result(as_object(run, selection, changes=changes), human)
    return exit_code(run, planning=True)


@verb(router, "backup", writes=True, short_help="Keep what they have now.")
@click.argument("office", required=False)
@click.option("--all", "every", is_flag=True, help="Of every office of the inventory.")
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def backup(console: Console, office: str | None, every: bool, lab: bool, no_commit: bool) -> int:
    """Keep what the routers of OFFICE have now: encrypted to be given back, and without secrets to be read and compared."""
    from provisioner import router as workflow
    from provisioner.cli.progress import Watch
    from provisioner.inventory import open_inventory
    from provisioner.operation.selection import prepare

    if every == bool(office) or (every and lab):
        raise BadInput("an office, or --all of the inventory's", hint="provisioner router backup OFFICE")
    names = open_inventory(console.inventory).office_names() if every else [str(office)]
    worst, found = 0, {}
    for name in names:
        target = console.target(name, lab)
        try:
            plug(target)
            selection = prepare(target)
            workflow.refuse_none(selection)
        except Missing as problem:
            if not every:
                raise
            console.say(f"{name}: {problem}")
            continue
        selection.hosts = workflow.routers(selection)
        watch = Watch(console, f"router backup {name}", None)
        with watch.showing():
            run = workflow.run_backup(selection, watch=watch, say=console.say, commit=not no_commit)
        found[name] = as_object(run, selection)
        worst = max(worst, exit_code(run, planning=False))
        for host, one in sorted(run.hosts.items()):
            done = "kept: it was another than before" if one.counts["changed"] else one.problem or "as it was kept before"
            console.say(f"{name}: {host}: {done}")
    console.result({"offices": found}, lambda: None)
    return worst


@verb(router, "restore", writes=True, short_help="Give one its kept configuration back.")
@office_argument
@click.argument("host", required=False)
@click.option(
    "--at", "at", default="", metavar="WHEN", help="As it was kept at this day or moment (2026-01-31, 2026-01-31T17:00)."
)
@click.option("--timeout", "timeout_s", type=click.IntRange(15, 3600), default=120, show_default=True, metavar="SECONDS",
              help="After how long the router goes back by itself unless the push proves good.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask first.")
@on_site_option
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")
def restore(
    console: Console, office: str, host: str | None, at: str, timeout_s: int, yes: bool, on_site: bool, lab: bool, no_commit: bool
) -> int:  # fmt: skip
    """Give a router of OFFICE the configuration back that was kept, byte for byte, by a guarded push.

    The dossier stays as it is: `router diff` says how the two differ then, and the next apply follows the dossier.
    """
    from provisioner import router as workflow
    from provisioner.cli.progress import Watch
    from provisioner.cli.run_page import show_run
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    if not yes and (console.as_json or not terminal()):
        raise BadInput("restore would ask first, and nobody is there to answer", hint="--yes")
    plug(target)
    selection = prepare(target, [host] if host else ())
    workflow.refuse_none(selection)
    selection.hosts = workflow.routers(selection)
    name = selection.hosts[0]
    if not yes and not confirm(f"Give {name} its kept configuration{f' of {at}' if at else ''} back?"):
        console.say("nothing was changed")
        return 0
    watch = Watch(console, f"router restore {office}", None)
    with watch.showing():
        run = workflow.run_restore(
            selection, name, at, watch=watch, say=console.say, timeout_s=timeout_s, commit=not no_commit, on_site=on_site
        )  # fmt: skip
    console.result(as_object(run, selection), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


@verb(router, "adopt", writes=True, short_help="Read an existing one into the dossier.")
@office_argument
@click.argument("host")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def adopt(console: Console, office: str, host: str, yes: bool, lab: bool, no_commit: bool) -> int:
    """Read how the router HOST is set up into the dossier of OFFICE. The router is left as it is.

    What it says that no word of the dossier says is told line by line, and the dossier's change is shown before it is written.
    The keys of its Wi-Fi and its tunnel and the line's password go into the vault. Comments stay where they are.
    """
    from provisioner.laptop import git
    from provisioner.operation.selection import prepare
    from provisioner.router import adoption

    target = console.target(office, lab)
    if not yes and (console.as_json or not terminal()):
        raise BadInput("adopt would ask first, and nobody is there to answer", hint="--yes")
    plug(target)
    found = adoption.run_read(prepare(target, [host]), host, watch=lambda _: None, say=console.say)
    if not console.as_json:
        for line in found.left:
            echo(f"! {shown(line.where)}: {shown(line.shown)}: {told(line.why)}")
        echo(shown(found.diff) if found.diff else "the dossier says all of it already")
        for name in found.secrets:
            echo(f"into the vault: {name}")
    changed = bool(found.diff or found.secrets)
    written = changed and (yes or confirm(f"Write this into the dossier of {office}?"))
    missed = found.save(target) if written else []
    commit = None
    if written and not no_commit:
        paths = [found.draft.path, *([] if lab else [target.vault])]
        commit = git.commit(
            target.inventory, [path for path in paths if path.exists()], f"{office}: {host} is read into the dossier"
        )

    def human() -> None:
        for name in missed:
            echo(f"! not kept in the vault: {name} (provisioner secrets set {office} {name})")
        if not written:
            console.say("nothing was changed")
        else:
            echo(f"next: provisioner router diff {office}{' --lab' if lab else ''}")

    left = [{"where": line.where, "text": line.shown, "why": line.why} for line in found.left]
    secrets, diff = sorted(found.secrets), found.diff
    result = {"office": office, "host": host, "lab": lab, "written": written, "commit": commit, "diff": diff, "left": left}
    console.result({**result, "secrets": secrets, "secrets_missed": missed}, human)
    return 0
