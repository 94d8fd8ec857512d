"""What the Tab key offers: names that the inventory, the audit and the table of checks know; nothing is contacted or written."""

import contextlib
from collections.abc import Callable, Iterable

import click

from provisioner.cli.common import Console
from provisioner.errors import ProvisionerError

Offer = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Callable[[Console, click.Context], Iterable[str]]) -> Offer:
    """Offer those of `names` that begin as typed; where they cannot be read, none."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
        top = ctx.find_object(dict) or {}
        console = Console(False, ctx.params.get("inventory") or top.get("inventory"))
        try:
            return sorted({name for name in names(console, ctx) if name.startswith(incomplete)})
        except (ProvisionerError, OSError):
            return []

    return offer


def _first(ctx: click.Context) -> str:
    """The office, or the pack, that was typed first: among what is left over where click stopped at an option without a value."""
    return str(ctx.params.get("office") or ctx.params.get("name") or next(iter(ctx.args), ""))


def _hosts(console: Console, ctx: click.Context) -> Iterable[str]:
    from provisioner.inventory import open_inventory

    return open_inventory(console.inventory).office(_first(ctx)).hosts


def _groups(console: Console, ctx: click.Context) -> Iterable[str]:
    from provisioner.inventory import open_inventory

    return open_inventory(console.inventory).office(_first(ctx)).groups


def _people(console: Console, ctx: click.Context) -> Iterable[str]:
    from provisioner.inventory import open_inventory

    return open_inventory(console.inventory).office(_first(ctx)).people


def _packs(console: Console, _: click.Context) -> Iterable[str]:
    return (path.stem for path in (console.inventory / "packs").glob("*.yml"))


def _resellers(console: Console, _: click.Context) -> Iterable[str]:
    return (path.stem for path in (console.inventory / "resellers").glob("*.yml"))


def _variants(console: Console, ctx: click.Context) -> Iterable[str]:
    """Those of the pack that was named, or of the office's."""
    from provisioner.inventory import open_inventory

    inventory, first = open_inventory(console.inventory), _first(ctx)
    if first in inventory.office_names():
        first = ctx.params.get("pack") or inventory.office(first).pack
    return inventory.pack(first).variants


def _checks(_: Console, __: click.Context) -> Iterable[str]:
    from provisioner.verify.table import EVERY

    return (part.name for part in EVERY)


def _runs(console: Console, ctx: click.Context) -> Iterable[str]:
    from provisioner.runs import audit

    target = console.target(_first(ctx), bool(ctx.params.get("lab")))
    if not target.folder.is_dir():
        return []
    found = [path.stem for path in target.journals.glob("*.jsonl")]
    for path in audit.summaries(target.summaries):
        with contextlib.suppress(ValueError, KeyError):
            found.append(str(audit.read(path.read_bytes())["run"]))
    return found


def _secrets(console: Console, ctx: click.Context) -> Iterable[str]:
    """What the vault holds while it is unlocked; else what the dossier makes sure that it holds."""
    from provisioner.inventory import open_inventory
    from provisioner.secrets import vault

    target = console.target(_first(ctx), bool(ctx.params.get("lab")))
    office = open_inventory(target.inventory).office(target.office)
    with contextlib.suppress(ProvisionerError):
        held = vault.read(target).model_dump(mode="json")
        return [*office.people, *(f"{section}.{name}" for section in held if section != "renewed" for name in held[section])]
    return [*office.people, *(f"people.{login}" for login in office.people), *(f"console.{host}" for host in office.hosts)]


def _settable(console: Console, ctx: click.Context) -> Iterable[str]:
    from provisioner.inventory import open_inventory
    from provisioner.secrets.vault import KNOWN_BY_PEOPLE

    hosts = open_inventory(console.inventory).office(_first(ctx)).hosts
    return [*KNOWN_BY_PEOPLE, *(f"routers.{name}" for name, host in hosts.items() if host.appliance)]


complete_host = _offering(_hosts)
complete_group = _offering(_groups)
complete_person = _offering(_people)
complete_pack = _offering(_packs)
complete_reseller = _offering(_resellers)
complete_variant = _offering(_variants)
complete_check = _offering(_checks)
complete_run = _offering(_runs)
complete_secret = _offering(_secrets)
complete_settable = _offering(_settable)
