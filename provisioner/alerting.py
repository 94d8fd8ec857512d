"""What Prometheus, Alertmanager and blackbox-exporter read, made from the inventory: for `monitor render` and a hub's own role.

Equal input gives equal bytes. Whatever comes from the inventory is quoted where it is put: it is never YAML, a regular expression
or one of Alertmanager's templates.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from provisioner.errors import BadInput
from provisioner.inventory import Inventory, placement, way_in
from provisioner.inventory.dossier import Office
from provisioner.laptop import disk
from provisioner.laptop.installed import monitoring

if TYPE_CHECKING:
    from jinja2 import Environment

AGENT = placement.AGENT  # the role that makes an office push
PAGE = "http://127.0.0.1:9810"  # where `monitor serve` answers unless told otherwise; the rules' runbooks lie there
HEAD = "# Written by provisioner monitor render"
_NAME = re.compile(r"[a-z][a-z0-9.-]*")  # what else lies there is no office: `inventory check` says it
OURS = {"rules": "*.yml", "targets": "*.json", "dashboards": "*.json"}  # folders in which nothing but ours is left


@dataclass(frozen=True, slots=True)
class Described:
    """An office as the inventory has it; `pushes`: its pack gives it an agent, and its dossier a hub to send to."""

    name: str
    organisation: str
    city: str
    reseller: str
    pack: str
    hosts: int
    people: int
    pushes: bool


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the parts answer (host:port), and who hears of the alerts: by mail through `smarthost`, by `webhook`.

    `watchdog` is an address outside that hears every minute that all is well; `outage` how long an office's line may be cut
    (Prometheus' duration), `zone` whose morning the digest is sent in, `page` where people reach the status page.
    `store` is what keeps the numbers, one of `placement.STORES`: it answers at `prometheus`, whichever it is.
    Without an `exporter` (`monitor serve`) Prometheus is told of the offices by a rule each; `receiver` is what offices send to.
    """

    sender: str = ""
    smarthost: str = "127.0.0.1:25"
    webhook: str = ""
    watchdog: str = ""
    page: str = PAGE
    zone: str = "Europe/Paris"
    outage: str = "7d"
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    node_exporter: str = "127.0.0.1:9100"
    blackbox: str = "127.0.0.1:9115"
    exporter: str = "127.0.0.1:9810"
    receiver: str = ""
    store: str = placement.STORES[0]
    vmalert: str = "127.0.0.1:8880"


@dataclass(frozen=True, slots=True)
class Member:
    """A reseller with the offices it answers for; `pattern` matches their names and no other (RE2)."""

    name: str
    pattern: str
    contacts: tuple[str, ...]
    technicians: tuple[str, ...]


def offices(inventory: Inventory, reseller: str = "") -> list[Described]:
    """The offices of the inventory, or of one reseller, in the order of names."""
    lines = [one for one in inventory.lines() if not one.trouble and reseller in ("", one.reseller) and _NAME.fullmatch(one.name)]
    agents: dict[str, bool] = {}
    for name in {one.pack for one in lines}:
        try:
            kinds = inventory.pack(name).kinds
        except BadInput:  # `inventory check` says what is wrong with it; its offices stay seen
            agents[name] = False
        else:
            agents[name] = any(AGENT in roles for roles in kinds.values())
    return [
        Described(
            one.name, one.organisation, one.city, one.reseller, one.pack, one.hosts, one.people,
            pushes=agents[one.pack] and bool(one.hub),
        )
        for one in lines
    ]  # fmt: skip


def of_hub(inventory: Inventory, office: Office) -> dict[str, str]:
    """What the parts on a hub's own machine read (`render`): for the offices that send to it.

    Raises:
        BadInput: an office cannot be read, or nobody would hear of it.
    """
    assert office.hub
    mail = office.mail.sender if office.mail else ""
    told = {name: str(text) for name in ("webhook", "watchdog", "page") if (text := getattr(office.hub, name))}
    store = placement.store(inventory.pack(office.pack), office)
    hub = Hub(sender=mail, zone=office.timezone, exporter="", receiver="127.0.0.1:9098", store=store, **told)
    return render(inventory, hub, [_described(inventory, inventory.office(name), office.name) for name in office.hub.offices])


def _described(inventory: Inventory, office: Office, hub: str) -> Described:
    there = placement.roles(inventory.pack(office.pack), office, office.hosts[gate]) if (gate := way_in.gate(office)) else []
    return Described(
        office.name, office.organisation.name, office.address.city, office.reseller, office.pack, len(office.hosts),
        len(office.people), pushes=AGENT in there and bool(office.remote and office.remote.hub == hub),
    )  # fmt: skip


def render(inventory: Inventory, hub: Hub, chosen: Sequence[Described]) -> dict[str, str]:
    """Every file, by its path in the folder.

    Raises:
        BadInput: nobody would hear of some offices.
    """
    members = list(_members(inventory, chosen, hub))
    everybody = tuple(dict.fromkeys(email for one in members for email in one.contacts))
    receivers = [_receiver("hub", everybody)]
    for one in members:
        receivers += [
            _receiver(one.name, one.contacts),
            _receiver(f"{one.name}-critical", tuple(dict.fromkeys([*one.contacts, *one.technicians]))),
            _receiver(f"{one.name}-digest", one.contacts),
        ]
    sender = hub.sender or next(iter(everybody), "provisioner@localhost")
    data = {"hub": {**{name: getattr(hub, name) for name in Hub.__slots__}, "sender": sender}, "members": members,
            "receivers": receivers}  # fmt: skip
    source = monitoring()
    rules = {
        f"rules/{path.name}": path.read_text(encoding="utf-8").replace(PAGE, hub.page.rstrip("/"))
        for path in sorted((source / "rules").glob("*.yml"))
        if not path.name.endswith(".test.yml")
    }
    boards = {f"dashboards/{path.name}": path.read_text("utf-8") for path in sorted((source / "dashboards").glob("*.json"))}
    return {
        "prometheus.yml": _environment().get_template("prometheus.yml.j2").render(data),
        "alertmanager.yml": _environment().get_template("alertmanager.yml.j2").render(data),
        "blackbox.yml": (source / "blackbox.yml").read_text(encoding="utf-8"),
        "targets/offices.json": _targets(([one.name], _labels(one)) for one in chosen),
        "targets/websites.json": _targets(_websites(inventory, chosen)),
        **rules,
        **(
            {}
            if hub.exporter
            else {"rules/inventory.yml": _environment().get_template("inventory.yml.j2").render(offices=chosen)}
        ),
        **boards,
    }


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Put the files there, each whole or as it was; what former calls left there and is no more goes. Those that changed.

    Raises:
        BadInput: the folder is another's, or cannot be written.
    """
    mine = folder / "prometheus.yml"
    try:
        if folder.exists() and any(folder.iterdir()) and not (mine.is_file() and mine.read_text("utf-8").startswith(HEAD)):
            what = f"{folder} holds what monitor render did not write"
            raise BadInput(what, hint="an empty folder, or one that it wrote before")
        disk.make(folder)
        changed = []
        for name in sorted(files, key=lambda name: name == "prometheus.yml"):  # last: by it the next call knows that all are ours
            path = folder / name
            disk.make(path.parent)
            if not path.is_file() or path.read_bytes() != files[name].encode():
                disk.write(path, files[name], mode=0o644)
                changed.append(name)
        for name, pattern in OURS.items():
            for path in sorted((folder / name).glob(pattern)):
                if f"{name}/{path.name}" not in files:
                    path.unlink()
                    changed.append(f"{name}/{path.name}")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"{folder} cannot be written: {problem}", hint=f"ls -ld {folder}") from None
    return sorted(changed)


def _members(inventory: Inventory, chosen: Iterable[Described], hub: Hub) -> Iterator[Member]:
    served: dict[str, list[str]] = {}
    for office in chosen:
        served.setdefault(office.reseller, []).append(office.name)
    for name, names in sorted(served.items()):
        reseller = inventory.reseller(name)
        contacts = tuple(one.email for one in reseller.organisation.contacts if one.email)
        technicians = tuple(one.email for one in reseller.technicians.values() if one.email)
        if not (contacts or technicians or hub.webhook):
            what = f"nobody would hear of the offices of {name}: it has no address for mail"
            raise BadInput(what, hint=f"an email of a contact in resellers/{name}.yml, or --webhook URL")
        # names are letters, digits, hyphens and dots; [.] because a backslash would have to pass two readers
        yield Member(name, "|".join(names).replace(".", "[.]"), contacts or technicians, technicians)


def _receiver(name: str, emails: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "emails": emails}


def _labels(office: Described) -> dict[str, str]:
    return {"office": office.name, "reseller": office.reseller, "organisation": office.organisation, "city": office.city}


def _websites(inventory: Inventory, chosen: Iterable[Described]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Those that were deployed: a site that is still being written is missed by nobody."""
    for one in chosen:
        if _deployed(inventory.root / "offices" / one.name / "runs") and (site := inventory.office(one.name).website):
            yield [f"https://{site.domain}/"], _labels(one)


def _deployed(runs: Path) -> bool:
    for path in sorted(runs.glob("*.json"), reverse=True):
        raw = path.read_bytes()
        with contextlib.suppress(ValueError):  # `runs check` judges those that cannot be read
            said = json.loads(raw) if b'"website deploy"' in raw else {}
            if isinstance(said, dict) and said.get("verb") == "website deploy" and said.get("status") in ("changed", "unchanged"):
                return True
    return False


def _targets(groups: Iterable[tuple[list[str], dict[str, str]]]) -> str:
    """A file of `file_sd_configs`; JSON, so that no text of a client's is anything but a string."""
    rows = [{"targets": targets, "labels": labels} for targets, labels in groups]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(  # noqa: S701 - YAML, where `quoted` is what escaping is in HTML
        loader=FileSystemLoader(monitoring()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"quoted": _quoted, "verbatim": _verbatim}
    return made


def _quoted(value: str) -> str:
    """A text as YAML that is nothing but this text."""
    return yaml.safe_dump(str(value), default_style='"', allow_unicode=True, width=1 << 30).strip()


def _verbatim(value: str) -> str:
    """A text that Go's template language takes as it is: an address may hold braces (RFC 5322)."""
    return value.replace("{{", '{{ "{{" }}')
