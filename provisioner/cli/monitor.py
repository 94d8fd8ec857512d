"""`monitor`: what Prometheus and its parts read, and the page that anybody can read."""

from pathlib import Path

import click

from provisioner.cli.common import Console, many, shown, verb

monitor = click.Group("monitor", help="Watch the offices between two rounds: render, serve.")


@verb(monitor, "render")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--reseller", metavar="RESELLER", default="", help="Only the offices that this member serves.")
@click.option("--sender", metavar="ADDRESS", default="", help="Whom the mails come from; else a contact.")
@click.option("--smarthost", metavar="HOST:PORT", default="127.0.0.1:25", show_default=True, help="The relay for the mails.")
@click.option("--webhook", metavar="URL", default="", help="Where alerts are sent beside the mails.")
@click.option("--watchdog", metavar="URL", default="", help="Outside of the hub: it hears every minute that the hub lives.")
@click.option("--page", metavar="URL", default="", help="Where people reach the status page; alerts lead there.")
def render(
    console: Console, folder: Path, reseller: str, sender: str, smarthost: str, webhook: str, watchdog: str, page: str
) -> None:
    """Write into DIR what Prometheus, Alertmanager and blackbox-exporter read, from the inventory.

    To look at, or to feed a Prometheus of one's own. Equal input gives equal bytes; nobody is contacted.
    """
    from provisioner.errors import BadInput
    from provisioner.inventory import open_inventory
    from provisioner.monitor import render as workflow

    for option, url in (("--webhook", webhook), ("--watchdog", watchdog), ("--page", page)):
        if url and not url.startswith(("http://", "https://")):
            raise BadInput(f"{option}: {shown(url[:80])} is no address of a page", hint="as https://alerts.example/hook")
    inventory = open_inventory(console.inventory)
    if reseller:
        inventory.reseller(reseller)
    hub = workflow.Hub(sender=sender, smarthost=smarthost, webhook=webhook, watchdog=watchdog, page=page or workflow.PAGE)
    files = workflow.render(inventory, hub, reseller)
    changed = workflow.write(folder, files)
    console.result(
        {"folder": str(folder), "files": sorted(files), "changed": changed},
        lambda: console.out.print(f"{many(len(files), 'file')} in {shown(str(folder))}, {many(len(changed), 'file')} changed"),
    )


@verb(monitor, "serve")
@click.option("--listen", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Of this machine; others need TLS.")
@click.option("--port", type=click.IntRange(1, 65535), default=9810, show_default=True, help="Its port.")
@click.option(
    "--certificate", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="For TLS, with its chain (PEM)."
)
@click.option(
    "--key", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="The certificate's private key (PEM)."
)
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its one line is asked for; any name.",
)
def serve(
    console: Console, listen: str, port: int, certificate: Path | None, key: Path | None, password_file: Path | None
) -> None:  # fmt: skip
    """Serve what the rounds found: the status page at /, /metrics and /probe?target=OFFICE for Prometheus, /-/healthy.

    Nobody is contacted. Ctrl-C ends it.
    """
    from provisioner.inventory import open_inventory
    from provisioner.monitor import serving

    open_inventory(console.inventory)
    where = serving.endpoint(listen, port, certificate, key, password_file)
    scheme = "https" if where.certificate else "http"
    shown_at = f"[{listen}]" if ":" in listen else listen
    console.say(f"the status page: {scheme}://{shown_at}:{port}/")
    serving.serve(console.inventory, where)
