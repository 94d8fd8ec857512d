"""What an office's vault holds, and how what is missing is made; pure but for chance."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from provisioner.inventory.dossier import Office, outside
from provisioner.inventory.fields import Login, Name
from provisioner.inventory.models import Kind, Noun

if TYPE_CHECKING:
    pass


# Without 0 O 1 l I: people read these from paper.
_LETTERS = "abcdefghijkmnpqrstuvwxyz"


_SIGNS = _LETTERS + "23456789"


class Secrets(Noun):
    """The secrets of one office, by section and name.

    - `people` by login, and how often each was renewed on purpose (`renewed`);
    - `console`, the rescue password at the machine, and `machines`, what it shows the directory, by host;
    - `directory`: `administrator`;
    - `tls`: the office's own authority and its server's certificate, PEM (`certificates.certified`);
    - `backup`: the repositories' `password` and those they had (`former_1` …), the key pair for the second place
      (`ssh_key`, `ssh_key_public`);
    - `mail`: the provider's `password`, which only a person can know; `wan` likewise, of a line that asks for one;
    - `remote`: the way in's WireGuard `key` and `key_public`, of an office's end or of the hub's;
    - `monitor`: an office's `password` at its hub; the hub's `authority` and the `certificate` that offices are shown (PEM);
    - `wifi`: the keys of the Wi-Fi networks, `staff` and `guests`; `tunnel`: the router's WireGuard `key` and `key_public`;
    - `routers`: the password of a router's own login, by host, where its system is no Debian;
    - `router`: the `key` of the routers' kept configurations, and those they had (`former_1` …);
    - `training`: the `password` with which the accounts of the client's training room begin, while there is one;
    - `lab`: what the machine that stands for the providers shows (`certificates.provider`), and its `names`.
    """

    people: dict[Login, str] = Field(default={}, repr=False)
    renewed: dict[Login, int] = Field(default={})
    console: dict[Name, str] = Field(default={}, repr=False)
    machines: dict[Name, str] = Field(default={}, repr=False)
    directory: dict[str, str] = Field(default={}, repr=False)
    tls: dict[str, str] = Field(default={}, repr=False)
    backup: dict[str, str] = Field(default={}, repr=False)
    mail: dict[str, str] = Field(default={}, repr=False)
    wan: dict[str, str] = Field(default={}, repr=False)
    wifi: dict[str, str] = Field(default={}, repr=False)
    tunnel: dict[str, str] = Field(default={}, repr=False)
    remote: dict[str, str] = Field(default={}, repr=False)
    monitor: dict[str, str] = Field(default={}, repr=False)
    routers: dict[Name, str] = Field(default={}, repr=False)
    router: dict[str, str] = Field(default={}, repr=False)
    training: dict[str, str] = Field(default={}, repr=False)
    lab: dict[str, str] = Field(default={}, repr=False)

    @property
    def monitor_public(self) -> str:
        """What the other end of the monitoring may know: a hub's authority, else the hash of the password (256 random bits)."""
        if "authority" in self.monitor:
            return self.monitor["authority"]
        password = self.monitor.get("password", "")
        return f"{hashlib.sha256(password.encode()).hexdigest()}\n" if password else ""


def password() -> str:
    """Four groups of four, about 78 bits, with a capital, a digit and a hyphen: Active Directory's rule is met."""
    while True:
        word = secrets.choice(_LETTERS).upper() + "".join(secrets.choice(_SIGNS) for _ in range(15))
        if any(sign.isdigit() for sign in word):
            return "-".join(word[at : at + 4] for at in range(0, 16, 4))


def completed(old: Secrets, office: Office, *, lab: bool) -> Secrets:
    """`old` with what it lacks for the people and hosts of the dossier; what is there stays."""
    from provisioner.secrets import certificates

    return Secrets(
        people=filled(old.people, office.people),
        renewed=old.renewed,
        console=filled(old.console, office.hosts),
        machines=filled(old.machines, office.hosts),
        directory=filled(old.directory, ["administrator"]),
        tls=certificates.certified(old.tls, office),
        backup=(
            certificates.pair("ssh_key", f"backup of {office.name}")
            | certificates.pair("keeper_key", f"keeper of the backups of {office.name}")
            | filled(old.backup, ["password"])
        ),
        mail=filled(old.mail, ["password"]) if lab else old.mail,
        wan=filled(old.wan, ["password"]) if lab and office.wan.type == "pppoe" else old.wan,
        wifi=filled(old.wifi, [name for name in ("staff", "guests") if office.wifi and getattr(office.wifi, name)]),
        tunnel=(certificates.tunnel() | old.tunnel) if office.tunnel else old.tunnel,
        remote=(certificates.tunnel() | old.remote) if office.remote or office.hub else old.remote,
        monitor=_monitor(old.monitor, office),
        routers=filled(old.routers, [name for name, host in office.hosts.items() if host.appliance]) if lab else old.routers,
        router=filled(old.router, ["key"]) if any(host.kind is Kind.ROUTER for host in office.hosts.values()) else old.router,
        training=filled(old.training, ["password"]) if office.training and office.training.trainees else {},
        lab=_provider(old.lab, office) if lab else {},
    )


def _provider(old: dict[str, str], office: Office) -> dict[str, str]:
    from provisioner.secrets import certificates

    called = outside(office)
    # a name less changes nothing: the provider of a lab that is up goes on showing what it showed
    if set(called) <= set(old.get("names", "").split()):
        return old
    return {**certificates.provider(called), "names": " ".join(called)}


def _monitor(old: dict[str, str], office: Office) -> dict[str, str]:
    from provisioner.secrets import certificates

    if office.hub:  # an authority of its own: what proves the hub to offices need not speak for the LAN, nor the reverse
        called = [office.hub.endpoint]
        return certificates.renewed(old, f"hub {office.name}", called, called)
    return {"password": secrets.token_urlsafe(32)} | old if office.remote else old


def filled(entries: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    """`entries`, with a new password for each of `wanted` that has none."""
    return {**{name: password() for name in wanted if name not in entries}, **entries}
