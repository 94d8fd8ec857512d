"""`monitor`: what Prometheus and its parts read, and the page that anybody can read."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console, many, office_argument, shown, verb
from provisioner.cli.endpoint import endpoint_options
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.endpoint import Endpoint

STORES = ("prometheus", "victoriametrics")  # inventory/placement.py, which a call of --help need not read

monitor = click.Group("monitor", help="Watch the offices between two rounds: render, serve, silence, test.")


@verb(monitor, "render")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--reseller", metavar="RESELLER", default="", help="Only the offices that this member serves.")
@click.option("--sender", metavar="ADDRESS", default="", help="Whom the mails come from; else a contact.")
@click.option("--smarthost", metavar="HOST:PORT", default="127.0.0.1:25", show_default=True, help="The relay for the mails.")
@click.option("--webhook", metavar="URL", default="", help="Where alerts are sent beside the mails.")
@click.option("--watchdog", metavar="URL", default="", help="Outside of the hub: it hears every minute that the hub lives.")
@click.option("--page", metavar="URL", default="", help="Where people reach the status page; alerts lead there.")
@click.option(
    "--store", type=click.Choice(STORES), default=STORES[0], show_default=True, help="What keeps the numbers and reads the rules."
)
def render(
    console: Console, folder: Path, reseller: str, sender: str, smarthost: str, webhook: str, watchdog: str, page: str, store: str
) -> None:
    """Write into DIR what Prometheus, Alertmanager and blackbox-exporter read, from the inventory.

    To look at, or to feed a Prometheus of one's own. Equal input gives equal bytes; nobody is contacted.
    """
    from provisioner import alerting
    from provisioner.inventory import open_inventory

    for option, url in (("--webhook", webhook), ("--watchdog", watchdog), ("--page", page)):
        if url:
            _judged(url, option)
    inventory = open_inventory(console.inventory)
    if reseller:
        inventory.reseller(reseller)
    mails = {"sender": sender, "smarthost": smarthost}
    hub = alerting.Hub(webhook=webhook, watchdog=watchdog, page=page or alerting.PAGE, store=store, **mails)
    chosen = alerting.offices(inventory, reseller)
    if not chosen:
        raise BadInput("there is no office to watch", hint="provisioner office list")
    files = alerting.render(inventory, hub, chosen)
    changed = alerting.write(folder, files)
    console.result(
        {"folder": str(folder), "files": sorted(files), "changed": changed},
        lambda: console.out.print(f"{many(len(files), 'file')} in {shown(str(folder))}, {len(changed)} of them new or changed"),
    )


@verb(monitor, "serve")
@endpoint_options(9810)
def serve(console: Console, where: "Endpoint") -> None:
    """Serve what the rounds found: the status page at /, /metrics and /probe?target=OFFICE for Prometheus, /-/healthy.

    Nobody is contacted. Ctrl-C ends it.
    """
    from provisioner import endpoint
    from provisioner.inventory import open_inventory
    from provisioner.monitor import serving

    open_inventory(console.inventory)
    console.say(f"the status page: {where.url}")
    endpoint.serve(serving.application(console.inventory, where), where)


_alertmanager = click.option(
    "--alertmanager", metavar="URL", default="http://127.0.0.1:9093", show_default=True, help="Where Alertmanager answers."
)


def _judged(url: str, option: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{option}: {shown(url[:80])} is no address of a page", hint="as https://alerts.example/hook")
    return url.rstrip("/")


@verb(monitor, "silence", writes=True)
@office_argument
@click.option("--for", "lasting", metavar="TIME", required=True, help="How long: 30m, 2h, 3d.")
@click.option("--because", metavar="WHY", required=True, help="Why: one line, which the audit keeps.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
@_alertmanager
def silence(console: Console, office: str, lasting: str, because: str, no_commit: bool, alertmanager: str) -> None:
    """Let the alerts of OFFICE reach nobody for a while: maintenance. They are still raised, and come when it ends.

    The office's audit keeps who, how long and why.
    """
    from provisioner.inventory import open_inventory
    from provisioner.monitor import alertmanager as asked
    from provisioner.monitor import silencing

    open_inventory(console.inventory).office(office)
    time, url = asked.duration(lasting), _judged(alertmanager, "--alertmanager")
    made = silencing.silence(console.target(office, lab=False), url, time, because, commit=not no_commit)
    number = made.id
    console.result(
        {
            "office": office, "silence": number, "seconds": int(time.total_seconds()), "summary": made.summary.name,
            "commit": made.commit,
        },
        lambda: console.out.print(f"the alerts of {office} reach nobody for {lasting}; sooner: amtool silence expire {number}"),
    )  # fmt: skip


@verb(monitor, "test")
@click.option("--reseller", metavar="RESELLER", default="", help="Only the offices that this member serves.")
@_alertmanager
def test(console: Console, reseller: str, alertmanager: str) -> int:
    """Send made-up alerts the whole way: of an office of each member, critical and not, and of the hub.

    Exits 0 when every mail relay and webhook took them, 7 when one refused or nothing came in 90 seconds.
    """
    from provisioner.alerting import offices
    from provisioner.inventory import open_inventory
    from provisioner.monitor import alertmanager as asked

    url = _judged(alertmanager, "--alertmanager")
    one_of_each = {one.reseller: one.name for one in offices(open_inventory(console.inventory), reseller)}
    if not one_of_each:
        raise BadInput("there is no office to watch", hint="provisioner office list")
    way = asked.try_way(url, sorted(one_of_each.values()), console.say)

    def human() -> None:
        console.out.print(f"receivers: {', '.join(way.receivers)}")
        for kind, due in way.due.items():
            console.out.print(f"{kind}: {way.taken[kind]} of {due} taken, {way.refused[kind]} refused")
        if not way.arrived:
            console.out.print("alerts do not arrive: journalctl -u prometheus-alertmanager", style="red")

    data = {"receivers": way.receivers, "due": way.due, "taken": way.taken, "refused": way.refused, "arrived": way.arrived}
    console.result(data, human)
    return 0 if way.arrived else 7
