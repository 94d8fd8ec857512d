"""`adopt`: the conversation of first contact."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, ask, confirm, lab_option, office_argument, plug, shown, verb
from provisioner.cli.completion import complete_host
from provisioner.errors import BadInput, ProvisionerError, Unreachable
from provisioner.laptop.clock import SAID_S, span

if TYPE_CHECKING:
    from provisioner.adopt import Holding


@verb("adopt", writes=True)
@office_argument
@click.argument("host", metavar="[HOST]", default="", shell_complete=complete_host)
@click.option("--at", metavar="ADDRESS", help="Where the machine is; otherwise it is looked for by its MAC.")
@click.option("--user", metavar="LOGIN", help="The sudo login the machine came with.")
@click.option("--password-stdin", is_flag=True, help="Read that login's password from standard input.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Log in with this private key instead.")
@click.option("--fingerprint", metavar="SHA256:…", help="The key the machine must show (one HOST only).")
@click.option("--yes", is_flag=True, help="Accept the key that is shown, and what the machine holds.")
@click.option("--replace-key", is_flag=True, help="The machine was reinstalled: pin its new key in place of the old.")
@lab_option
def adopt(
    console: Console, office: str, host: str, at: str | None, user: str | None, password_stdin: bool, key: Path | None,
    fingerprint: str | None, yes: bool, replace_key: bool, lab: bool,
) -> int:  # fmt: skip
    """First contact with the machines of OFFICE, or with HOST alone.

    Finds each by its MAC on the LAN this laptop is plugged into (or --at ADDRESS), shows its key's fingerprint, pins it,
    lists what the machine holds, and makes your account with your key and sudo.
    """
    from provisioner import adopt as workflow
    from provisioner.hosts.access import SshAccess
    from provisioner.hosts.keys import technician_key
    from provisioner.inventory import open_inventory
    from provisioner.operation.lock import alone
    from provisioner.operation.selection import refuse_lockout, technician

    target = console.target(office, lab)
    inventory = open_inventory(target.inventory)
    dossier = inventory.office(office)
    if host and host not in dossier.hosts:
        raise BadInput(f"{office} has no host {host!r}", hint=f"its hosts: {', '.join(dossier.hosts)}")
    if not host and (at or fingerprint):
        raise BadInput("--at and --fingerprint are about one machine", hint=f"provisioner adopt {office} HOST --at …")
    if password_stdin and not (yes or fingerprint):
        raise BadInput("--password-stdin leaves nobody to accept the key", hint="give --fingerprint SHA256:…, or --yes")
    plug(target)
    login, name, _ = technician(target)
    ssh = SshAccess(target, login, technician_key(target))
    reseller = inventory.reseller(dossier.reseller)
    refuse_lockout(ssh, reseller)  # before any machine is touched: `plan` would refuse it
    sticker = workflow.blank_login(target) if not user else None
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with alone(target):
        hosts = [host] if host else list(dossier.hosts)
        console.say(f"looking for {', '.join(hosts)} on {dossier.lan.network}") if not at else None
        where = {host: at} if at else workflow.find(dossier, hosts)
        result: dict[str, dict[str, Any]] = {}
        code = 0
        for one in hosts:
            try:
                if one not in where:
                    raise Unreachable(
                        f"{one} ({dossier.hosts[one].mac}) does not answer on {dossier.lan.network}",
                        hint="is it on, and on this network? or give --at ADDRESS",
                    )
                result[one] = _one(
                    console, one, where[one], ssh=ssh, name=name, user=user, password=password, sticker=sticker, key=key,
                    fingerprint=fingerprint, yes=yes, replace=replace_key, dossier=dossier,
                    staying={"root", login, *reseller.technicians, *dossier.people},
                )  # fmt: skip
            except ProvisionerError as error:
                if host:
                    raise
                console.err.print(shown(f"✗ {error}"), style="red", soft_wrap=True)
                if error.hint:
                    console.err.print(shown(f"  try: {error.hint}"), style="cyan", soft_wrap=True)
                result[one] = {"status": "failed", "error": str(error), "hint": error.hint}
                code = min((code, error.exit_code), key=[6, 4, 5, 7, 2, 0].index) if code else error.exit_code
        ssh.close()
    lab_word = " --lab" if lab else ""

    def human() -> None:
        console.out.print(
            f"next: provisioner plan {office}{lab_word}" if not code else f"again: provisioner adopt {office}{lab_word}"
        )

    console.result({"office": office, "verb": "adopt", "lab": lab, "hosts": result}, human)
    return code


def _one(console: Console, host: str, address: str, *, ssh: Any, name: str, dossier: Any, **given: Any) -> dict[str, Any]:
    from provisioner import adopt as workflow
    from provisioner.hosts.lookup import look_up
    from provisioner.hosts.pins import fingerprint as fingerprint_of
    from provisioner.hosts.pins import pinned
    from provisioner.operation.reaching import remember

    target = ssh.target
    contact, known = workflow.meet(target, host, address, replace=given["replace"])
    with contact:
        print_ = fingerprint_of(contact.key)
        appliances = [host] if dossier.hosts[host].appliance else []
        if known and look_up(ssh, {host: [address]}, appliances)[host].address:
            remember(target, {host: address})
            console.say(f"✓ {host} is adopted already, at {address}")
            return {"status": "already", "address": address, "fingerprint": print_}
        console.say(f"{host} at {address} shows the {contact.key.split()[0]} key\n  {print_}")
        if given["fingerprint"] and given["fingerprint"] != print_:
            raise _wrong_key(host, address, print_, given["fingerprint"])
        if (
            not known
            and not given["fingerprint"]
            and not given["yes"]
            and not confirm("Is this the machine's key?", "--fingerprint or --yes")
        ):
            raise BadInput(f"{host}: the key was not accepted; nothing was sent to it")
        if dossier.hosts[host].appliance:
            return _appliance(console, host, contact, ssh, dossier.hosts[host])
        user = given["user"] or (given["sticker"] or ("", ""))[0] or ask(f"{host}: its sudo login", "--user LOGIN")
        password = given["password"]
        if password is None and given["sticker"]:
            password = given["sticker"][1]
        if given["key"]:
            contact.login(user, key=given["key"])
        else:
            contact.login(
                user,
                password=ask(f"{host}: password of {user}", "--password-stdin or --key", secret=True)
                if password is None
                else password,
            )
        holding = workflow.look(contact, host, user)
        workflow.refuse_wrong_machine(dossier, host, address, holding)
        _tell(console, host, holding)
        if not given["yes"] and (holding.people or holding.holds) and not confirm(_what_for(host, ssh.user)):
            raise BadInput(f"{host}: left as it was")
        workflow.take_in(ssh, contact, host, name)
    remember(target, {host: address})
    assert host in pinned(target)
    console.say(f"✓ {host} is adopted: {ssh.user} logs in with a key, sudo asks nothing")
    if user not in given["staying"]:
        console.say(f"  the next apply closes the account {user}, by which the machine was installed")
    return {"status": "adopted", "address": address, "fingerprint": print_, "found": _found(holding)}


def _appliance(console: Console, host: str, contact: Any, ssh: Any, own: Any) -> dict[str, Any]:
    """A router of a system of its own: its login is proven, and nothing is changed on it."""
    from provisioner import adopt as workflow
    from provisioner.hosts.pins import fingerprint
    from provisioner.operation.reaching import remember
    from provisioner.secrets import vault

    password = vault.read(ssh.target).routers.get(host, "")
    workflow.take_in_appliance(ssh, contact, host, own.account, password)
    remember(ssh.target, {host: contact.address})
    console.say(f"✓ {host} ({own.platform}) is adopted: its key is pinned, {own.account} logs in; nothing on it was changed")
    return {"status": "adopted", "address": contact.address, "fingerprint": fingerprint(contact.key), "found": {}}


def _wrong_key(host: str, address: str, seen: str, wanted: str) -> ProvisionerError:
    from provisioner.errors import HostKeyChanged

    return HostKeyChanged(
        f"{host} ({address}) shows the host key {seen}, not {wanted}; nothing was sent to it",
        hint="look at the machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    )


def _what_for(host: str, login: str) -> str:
    """What is agreed to: this step leaves all that was listed as it is, the pack comes with `apply`."""
    return f"Make the account {login}, with its key and sudo, on {host}? (nothing else is changed before you see a plan)"


def _found(holding: "Holding") -> dict[str, Any]:
    return {
        "system": holding.system, "name": holding.name, "model": holding.model, "serial": holding.serial,
        "macs": list(holding.macs), "people": list(holding.people), "home_kib": holding.home_kib,
        "free_kib": holding.free_kib, "ports": list(holding.ports), "holds": list(holding.holds),
        "clock_ahead_s": round(holding.ahead_s),
        "sources": [{"address": address, "file": file} for address, file in holding.sources],
    }  # fmt: skip


def _tell(console: Console, host: str, holding: "Holding") -> None:
    people = ", ".join(holding.people) or "nobody"
    console.say(f"  {host} runs {holding.system}, calls itself {holding.name}, has {holding.free_kib // 1048576} GiB free")
    console.say(f"  accounts besides this login: {people}; {holding.home_kib // 1024} MiB in /home")
    console.say(f"  listens on: {', '.join(map(str, holding.ports)) or 'nothing known'}")
    if abs(holding.ahead_s) > SAID_S:
        console.say(f"  ! its clock is {span(holding.ahead_s)} this laptop's")
    for address, file in holding.sources:
        console.say(f"  packages come from {address} too ({file}), which is not Debian: nobody here sees to its updates")
    if holding.holds:
        console.say(f"  holds already: {', '.join(holding.holds)}")
