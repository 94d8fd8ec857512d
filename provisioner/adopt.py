"""First contact with a machine: find it, look at its key, pin it, list what is there, put the technician's account in place.

The order is the safety: the key is read before anything is sent; a person (or the fingerprint given beforehand) accepts
it; only then does a password go over that same connection. What the machine holds is told before anything changes.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, HostFailed, HostKeyChanged, Missing, Unreachable
from provisioner.hosts.access import SshAccess
from provisioner.hosts.discovery import answering, neighbours, on_lan
from provisioner.hosts.first_contact import FirstContact
from provisioner.hosts.keys import public_key
from provisioner.hosts.pins import fingerprint, pin, pinned
from provisioner.inventory.target import Target
from provisioner.laptop.installed import playbooks

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office

# One round trip; `key value` lines, because a blank machine may lack python3. Run as root: it only reads. After sources.sh.
_LOOK = r"""
. /etc/os-release; echo "system $PRETTY_NAME"; echo "id $ID ${VERSION_ID:-}"
echo "name $(hostname 2>/dev/null || cat /etc/hostname)"
for link in /sys/class/net/*; do [ "$(cat $link/type)" = 1 ] && echo "mac $(cat $link/address)"; done
echo "serial $(cat /sys/class/dmi/id/product_serial 2>/dev/null || true)"
echo "model $(cat /sys/class/dmi/id/product_name 2>/dev/null || true)"
getent passwd | awk -F: '$3 >= 1000 && $3 < 65000 { print "person " $1 }'
echo "home $(du -sxk /home 2>/dev/null | cut -f1)"
echo "free $(df -Pk / | awk 'NR == 2 { print $4 }')"
echo "now $(date +%s)"
ss -Hltn 2>/dev/null | awk '{ sub(/.*:/, "", $4); print "port " $4 }' | sort -u
command -v python3 >/dev/null && echo "python yes"
for file in /etc/samba/smb.conf /etc/cups/printers.conf /var/lib/docker /var/lib/mysql /var/lib/postgresql /srv/*; do
  [ -e "$file" ] && echo "holds $file"
done
sources 2>/dev/null | sed -n 's/^foreign|/source /p'
exit 0
"""

# Standard input: login, shown name, key line. Safe to run again.
_ACCOUNT = r"""
set -eu
IFS= read -r login; IFS= read -r name; IFS= read -r key
getent passwd "$login" >/dev/null || useradd --create-home --shell /bin/bash --comment "$name" "$login"
usermod --expiredate '' "$login"  # who left and came back
home=$(getent passwd "$login" | cut -d: -f6)
install -d -m 0700 -o "$login" -g "$(id -g "$login")" "$home/.ssh"
keys=$home/.ssh/authorized_keys
if ! grep -qsxF -- "$key" "$keys"; then
  { cat "$keys" 2>/dev/null || true; printf '%s\n' "$key"; } > "$keys.new"
  chown "$login:$(id -g "$login")" "$keys.new"; chmod 0600 "$keys.new"; mv "$keys.new" "$keys"
fi
sudoers=/etc/sudoers.d/office
if ! grep -qs "^$login " "$sudoers"; then
  # !fqdn: sudo asks no DNS for the machine's name, which it may not know itself before the pack is on it
  { cat "$sudoers" 2>/dev/null || echo 'Defaults !fqdn'; printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$login"; } > "$sudoers~"
  chmod 0440 "$sudoers~"; visudo -cqf "$sudoers~"; mv "$sudoers~" "$sudoers"
fi
# whom the machine was installed by: the base role closes that account, once the technicians' is proven
case ${SUDO_USER:-root} in
  root|"$login") ;;
  *) noted=/var/lib/provisioner/installation
     install -d -m 0700 /var/lib/provisioner
     grep -qsxF -- "$SUDO_USER" "$noted" || printf '%s\n' "$SUDO_USER" >> "$noted" ;;
esac
if ! command -v python3 >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install python3 >&2
fi
echo ready
"""


@dataclass(frozen=True)
class Holding:
    """What a machine holds before we touch it."""

    system: str = ""
    debian: bool = False
    name: str = ""
    macs: tuple[str, ...] = ()
    model: str = ""
    serial: str = ""
    people: tuple[str, ...] = ()
    home_kib: int = 0
    free_kib: int = 0
    ports: tuple[int, ...] = ()
    holds: tuple[str, ...] = ()
    ahead_s: float = 0.0  # its clock, of this laptop's
    sources: tuple[tuple[str, str], ...] = ()  # where else than from Debian packages come from: (address, file that says so)


def find(office: "Office", hosts: list[str]) -> dict[str, str]:
    """Where the machines with the dossier's MACs answer on the LAN we are plugged into: host -> address.

    Raises:
        Unreachable: we are not plugged into it.
    """
    if not on_lan(str(office.lan.network)):
        raise Unreachable(
            f"this laptop has no address in {office.lan.network}, the LAN of {office.name}",
            hint=f"plug it in there, or: provisioner adopt {office.name} HOST --at ADDRESS",
        )
    seen = neighbours(str(office.lan.network))
    return {host: answering(seen[office.hosts[host].mac]) for host in hosts if office.hosts[host].mac in seen}


def meet(target: Target, host: str, address: str, *, replace: bool = False) -> tuple[FirstContact, bool]:
    """Connect and read the key; nothing is sent.

    Returns:
        The open connection, and whether this very key is pinned already.

    Raises:
        HostKeyChanged: another key is pinned for this host, and `replace` was not asked for.
        Unreachable: no SSH server answers there.
    """
    contact = FirstContact(address, host)
    pins = pinned(target).get(host, [])
    if pins and contact.key not in pins and not replace:
        contact.__exit__()
        raise HostKeyChanged(
            f"{host} ({address}) shows another host key than the pinned one; nothing was sent to it"
            f"\n  it shows {fingerprint(contact.key)}" + "".join(f"\n  pinned   {fingerprint(p)}" for p in pins),
            hint=f"look at the machine itself; was it reinstalled? then: provisioner adopt {target.words} {host} --replace-key",
        )
    return contact, contact.key in pins


def look(contact: FirstContact, host: str, user: str) -> Holding:
    """What the machine holds, asked as root.

    Raises:
        HostFailed: sudo refuses this login.
    """
    shell = (playbooks() / "files/sources.sh").read_text(encoding="utf-8")
    code, out, err = contact.run(f"{shell}{_LOOK}", sudo=True)
    if code:
        said = (err.strip().splitlines() or ["no reason given"])[-1]
        raise HostFailed(f"{host} ({contact.address}) refuses sudo to {user}: {said}", hint="use the login that may administer")
    many: dict[str, list[str]] = {}
    for line in out.splitlines()[:2000]:
        key, _, value = line.partition(" ")
        many.setdefault(key, []).append(value.strip()[:200])

    def one(key: str) -> str:
        return (many.get(key) or [""])[0]

    def number(text: str) -> int:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0

    clock = number(one("now").partition(".")[0])

    return Holding(
        system=one("system"),
        debian=one("id").startswith("debian"),
        name=one("name"),
        macs=tuple(m.lower() for m in many.get("mac", [])),
        model=one("model"),
        serial=one("serial"),
        people=tuple(p for p in many.get("person", []) if p != user),
        home_kib=number(one("home")),
        free_kib=number(one("free")),
        ports=tuple(sorted(number(p) for p in many.get("port", []) if number(p))),
        holds=tuple(many.get("holds", [])),
        ahead_s=clock - time.time() if clock else 0.0,
        sources=tuple((parts[1], parts[0]) for line in many.get("source", []) if len(parts := line.split("|")) == 3),
    )


def refuse_wrong_machine(office: "Office", host: str, address: str, holding: Holding) -> None:
    """Stop before anything changes when this is not the machine that the dossier describes.

    Raises:
        BadInput: another MAC, or not a Debian.
    """
    wanted = office.hosts[host].mac
    if wanted not in holding.macs:
        raise BadInput(
            f"the machine at {address} is not {host}: it has {', '.join(holding.macs)}, the dossier says {wanted}",
            hint="correct the MAC in the dossier, or give the right address with --at",
        )
    if not holding.debian:
        raise BadInput(f"{host} runs {holding.system or 'an unknown system'}, not Debian", hint="install Debian 12 or 13 on it")


def take_in(ssh: SshAccess, contact: FirstContact, host: str, name: str) -> None:
    """Pin the key, make the technician's account with its key and sudo, and prove it over a new, pinned connection.

    Raises:
        HostFailed: the machine would not make the account.
        Unreachable, HostKeyChanged: the new connection failed.
    """
    pin(ssh.target, host, [contact.key])
    shown = "".join(c if c.isprintable() and c not in ":," else " " for c in name)
    key = public_key(ssh.key)
    code, out, err = contact.run(_ACCOUNT, stdin=f"{ssh.user}\n{shown}\n{key}\n", sudo=True, timeout_s=300)
    if code or "ready" not in out:
        said = (err.strip().splitlines() or ["no reason given"])[-1]
        raise HostFailed(
            f"{host} did not take the account of {ssh.user}: {said}",
            hint=f"provisioner adopt {ssh.target.words} {host}",
        )
    done = ssh.run(host, contact.address, ["sudo", "-n", "true"])
    if done.returncode:
        raise HostFailed(f"{host} refuses sudo to {ssh.user}: {done.stderr.strip()}")


def take_in_appliance(ssh: SshAccess, contact: FirstContact, host: str, user: str, password: str) -> None:
    """Prove an appliance's login, by its password or else the technician's key, and pin its key; nothing on it changes.

    Raises:
        Unreachable: it refuses the login.
    """
    try:
        contact.login(user, password=password) if password else contact.login(user, key=ssh.key)
    except Unreachable as refused:
        words = ssh.target.words
        hint = f"provisioner secrets set {words} routers.{host} enters its password; login: in the dossier names its account"
        raise Unreachable(str(refused), hint=hint) from refused
    pin(ssh.target, host, [contact.key])


def blank_login(target: Target) -> tuple[str, str] | None:
    """The login a lab's blank machines come with, as the sticker on a new machine would say.

    Raises:
        Missing: the lab is not up.
    """
    if not target.lab:
        return None
    from provisioner import lab

    here = lab.find(target)
    if here is None:
        raise Missing(f"the lab of {target.office} is not up", hint=f"provisioner lab up {target.office}")
    return here.login
