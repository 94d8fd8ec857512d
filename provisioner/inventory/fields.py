"""The kinds of text and numbers the nouns are made of, each with its own sentence when it is wrong."""

import base64
import re
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from provisioner.errors import BadInput
from provisioner.inventory.strict_yaml import quoted

# Ansible's own names; `localhost` would be played without any connection.
RESERVED_NAMES = frozenset({"all", "ungrouped", "localhost", "hostvars", "groups"})

# Accounts of Debian and of what the packs install: a person or group of this name would get their files or powers. The last line
# is what a directory is born with, of one word (Samba's setup/provision_users.ldif, MS-SAMR 3.1.4.2).
_SYSTEM = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup adm tty
disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users
input sgx kvm render crontab netdev docker lxd libvirt wheel lpadmin scanner bluetooth ssh sshd messagebus polkitd
avahi colord lightdm pulse rtkit saned geoclue statd ntp ntpsec chrony dnsmasq unbound bind named postfix postdrop
dovecot dovenull vmail nginx radicale restic samba sambashare winbindd sssd tss uuidd dhcpcd mysql postgres redis
prometheus alertmanager frr frrvty quagga vyos admin administrator guest krbtgt machine debian ubuntu provisioner
witness technician ansible puppet netlogon sysvol homes printers global commun office office-files
administrators guests replicator dnsadmins dnsupdateproxy
"""
RESERVED_LOGINS = frozenset([*_SYSTEM.split(), *(f"formation{number}" for number in range(1, 13))])  # of a training room
# RFC 1918: the only networks that are an office's to choose. `is_private` holds loopback, link-local and examples too.
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_SYSTEM_PREFIXES = ("systemd-", "debian-", "kind-")


def _wrong(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("worded", "{what}", {"what": what, "hint": hint})


def validate(kind: Any, text: str) -> None:
    """Let an answer of this kind through (`validate(Login, "m.durand")`), for those who ask for it one by one.

    Raises:
        BadInput: it is none; what and why, as a file would be told.
    """
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        about = error.errors()[0].get("ctx", {})
        raise BadInput(str(about.get("what", error.errors()[0]["msg"])), hint=str(about.get("hint", ""))) from None


def _literal(value: Any) -> Any:
    """Give unquoted `75011`, `true` or `2026-01-01` back as the text it was: only canonical forms are ever typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


@dataclass(frozen=True)
class Shape:
    """A text of one pattern, said the same to pydantic, to people and to the JSON Schema."""

    pattern: str
    what: str
    hint: str
    reserved: frozenset[str] = frozenset()
    written: str = ""  # the wider pattern that files may hold, where it is brought into this one

    def check(self, value: str) -> str:
        """Let `value` through, or say what it should be."""
        if not re.fullmatch(self.pattern, value):
            raise _wrong(f"{quoted(value)} is not {self.what}", self.hint)
        if value in self.reserved or (self.reserved is RESERVED_LOGINS and value.startswith(_SYSTEM_PREFIXES)):
            raise _wrong(f"{quoted(value)} is a name the system uses itself", "another name")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^{f'({self.written})' if self.written else self.pattern}$"}


def _filled(value: str) -> str:
    if not value.strip():
        raise _wrong("is empty", "writing it down")
    return value


def _text_of(value: Any, what: str, hint: str) -> str:
    if not isinstance(value, str):
        raise _wrong(f"{quoted(value)} is not {what}", hint)
    return value


def _address(value: Any) -> IPv4Address:
    if isinstance(value, IPv4Address):
        return value
    hint = "four numbers as in 192.168.1.10"
    text = _text_of(value, "an IPv4 address", hint)
    try:
        found = IPv4Address(text)
    except ValueError:
        raise _wrong(f"{quoted(value)} is not an IPv4 address", hint) from None
    return _reachable(found)


def _reachable(address: IPv4Address) -> IPv4Address:
    """Let an address through that one machine of a network can have: RFC 6890 keeps some for other uses."""
    kept = {
        "for a machine's talk with itself": address.is_loopback,
        "for machines that got no address": address.is_link_local,
        "for many machines at once": address.is_multicast,
        "for no machine": address.is_reserved or address in _THIS_NETWORK,
    }
    if what := next((what for what, so in kept.items() if so), ""):
        raise _wrong(f"'{address}' is {what} (RFC 6890)", "the machine's own address, as in 192.168.1.10")
    return address


def _network(value: Any) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    hint = "a form as in 192.168.1.0/24"
    text = _text_of(value, "an IPv4 network", hint)
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise _wrong(f"{quoted(value)} is not an IPv4 network", hint) from None
    if str(network) != text:
        raise _wrong(f"{quoted(value)} is not a network's own form", str(network) if "/" in text else hint)
    if not 16 <= network.prefixlen <= 29:
        large = network.prefixlen < 16
        raise _wrong(
            f"{quoted(value)} is too large for an office" if large else f"{quoted(value)} is too small for an office", hint
        )
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise _wrong(f"{quoted(value)} is not a private network", "one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16")
    return network


def network_of(text: str) -> IPv4Network:
    """An office's network from its text.

    Raises:
        BadInput: it is none.
    """
    try:
        return _network(text)
    except PydanticCustomError as error:
        context = error.context or {}
        raise BadInput(str(context.get("what")), hint=str(context.get("hint"))) from None


def interface_of(value: Any) -> IPv4Interface:
    """Read an address with its prefix (203.0.113.10/29).

    Raises:
        PydanticCustomError: it is none, worded for the dossier's reader.
    """
    if isinstance(value, IPv4Interface):
        return value
    hint = "an address with its prefix as in 203.0.113.10/29"
    text = _text_of(value, "an address with its prefix", hint)
    try:
        found = IPv4Interface(text if "/" in text else "")
    except ValueError:
        raise _wrong(f"{quoted(value)} is not an address with its prefix", hint) from None
    _reachable(found.ip)
    return found


def ssid(value: str) -> str:
    """Let the name of a Wi-Fi network through: 1 to 32 bytes (IEEE 802.11 9.4.2.2), without control characters.

    Raises:
        PydanticCustomError: it is none, worded for the dossier's reader.
    """
    size = len(value.encode())
    if not 1 <= size <= 32:
        raise _wrong(f"{quoted(value)} has {size} bytes; the name of a Wi-Fi network has 1 to 32", "a shorter one; é counts two")
    return plain(value)


def server(value: str) -> str:
    """Let another machine through, by its name or its address.

    Raises:
        PydanticCustomError: it is neither, worded for the dossier's reader.
    """
    return str(_address(value)) if re.fullmatch("[0-9.]+", value) else DOMAIN.check(value)


def plain(value: str) -> str:
    """Let a text of one line through.

    Raises:
        PydanticCustomError: it holds a control character.
    """
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        raise _wrong(f"{quoted(value)} holds a control character", "the text without it")
    return value


def _ula(value: Any) -> IPv6Network:
    if isinstance(value, IPv6Network):
        return value
    hint = "a form as in fd12:3456:789a::/48 (RFC 4193)"
    try:
        network = IPv6Network(_text_of(value, "an IPv6 network", hint))
    except ValueError:
        raise _wrong(f"{quoted(value)} is not an IPv6 network", hint) from None
    if network.prefixlen != 48 or network.network_address.packed[0] != 0xFD:
        raise _wrong(f"{quoted(value)} is not a /48 inside fd00::/8", hint)
    return network


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
    except ValueError:
        raise _wrong(f"{quoted(value)} is not a day", "a form as in 2026-01-31") from None


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1 annex B), as in every SIREN."""
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0


def _siren_form(value: str) -> str:
    """As papers print it, in groups of three: blanks, also those that do not break, and dots go."""
    return re.sub(r"[\s.]", "", value) if re.fullmatch(r"[0-9][0-9\s.]*", value) else value


def _siren(value: str) -> str:
    if not luhn(value):
        raise _wrong(f"{quoted(value)} is no SIREN: its last digit does not fit the others", "reading it again")
    return value


def _siren_or_none(value: str) -> str:
    value = _siren_form(value)
    if re.fullmatch("[0-9]{14}", value):
        raise _wrong(f"{quoted(value)} is a SIRET, of one place", f"its first nine digits, {value[:9]}")
    return _siren(SIREN.check(value)) if value else ""


def _rna(value: str) -> str:
    value = re.sub(r"\s", "", value).upper()
    if value and not re.fullmatch("W[0-9][0-9A-Z][0-9]{7}", value):
        raise _wrong(f"{quoted(value)} is not an RNA number", "W and nine digits, as in W751234567, or no line at all")
    return value


def mac_form(value: str) -> str:
    """A MAC as labels print it (capitals; pairs with `-`, `:`, a blank or nothing; fours with a dot) in our own form.

    What is none comes back as it is.
    """
    if not re.fullmatch(_MAC_WRITTEN, value):
        return value
    digits = re.sub("[^0-9a-f]", "", value.lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _of_one_card(value: str) -> str:
    """The lowest bit of the first byte says whether an address is of one card or of a group (IEEE 802, 8.2.2)."""
    if int(value[:2], 16) & 1:
        raise _wrong(f"{quoted(value)} is the address of a group of machines", "the one on the machine's own label")
    return value


def _timezone(value: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        if not re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}", value):
            raise ValueError
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise _wrong(f"{quoted(value)} is not a time zone", "a name as in Europe/Paris") from None
    return value


# What a Debian's sshd takes (`ssh -Q PubkeyAcceptedAlgorithms`), certificates apart.
_KEY_TYPES = (
    *("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"),
)


def _public_key(value: str) -> str:
    """Let one bare public key through: an option or a second line would be one in every authorized_keys."""
    return _bare_key(value, "is not a public key", "the one line of ~/.ssh/id_ed25519.pub")


def _host_key(value: str) -> str:
    return _bare_key(value, "is not a host's key", "what `ssh-keyscan -t ed25519 HOST` prints, without the host's name before it")


def _bare_key(value: str, what: str, hint: str) -> str:
    kind, _, rest = value.partition(" ")
    blob = rest.partition(" ")[0]
    try:
        packed = base64.b64decode(blob, validate=True)
    except ValueError:
        packed = b""
    inner = packed[4 : 4 + int.from_bytes(packed[:4], "big")]
    if kind not in _KEY_TYPES or inner != kind.encode() or not value.isprintable():
        raise _wrong(f"{quoted(value)} {what}", hint)
    return value


_SMALL = "small letters, digits and hyphens, as in cafe-des-halles"
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

NAME = Shape("[a-z][a-z0-9-]{0,30}[a-z0-9]", "a name of 2 to 32 characters", _SMALL, RESERVED_NAMES)
GROUP = Shape(NAME.pattern, "a group name of 2 to 32 characters", _SMALL, RESERVED_LOGINS)
LOGIN = Shape(
    # 20: sAMAccountName of Active Directory (MS-SAMR 3.1.1.6)
    "[a-z]([a-z0-9._-]{0,18}[a-z0-9])?",
    "a login of at most 20 characters",
    "small letters, digits, dot and hyphen, as in m.durand",
    RESERVED_LOGINS,
)
ACCOUNT = Shape("[a-z_][a-z0-9._-]{0,31}", "an account", "small letters, digits, dot, hyphen, as in u123456")
PACK = Shape("[a-z][a-z0-9.-]{0,38}[a-z0-9]", "a pack's name", "a form as in standard-2026.1")
ROLE = Shape("[a-z][a-z0-9_]{0,40}", "a role", "small letters, digits and underscores")
_MAC_WRITTEN = r"([0-9A-Fa-f]{2}[:\- ]?){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}[.:\-]){2}[0-9A-Fa-f]{4}"
MAC = Shape("[0-9a-f]{2}(:[0-9a-f]{2}){5}", "a MAC address", "six pairs as in 02:00:5e:10:00:01", written=_MAC_WRITTEN)
COUNTRY = Shape("[A-Z]{2}", "a country", "two capital letters as in FR (ISO 3166)")
DOMAIN = Shape(rf"({_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]", "a domain", "a form as in cafe.example, small letters")
LOCALE = Shape(r"[a-z]{2,3}_[A-Z]{2}\.UTF-8", "a language", "a form as in fr_FR.UTF-8")
EMAIL = Shape(rf"[A-Za-z0-9._+-]{{1,64}}@({_LABEL}\.)+[a-z]{{2,63}}", "a mail address", "a form as in office@cafe.example")
# RFC 5322's atext, letters of any script (RFC 6531): what people have, not only what our own mail takes.
SOMEBODYS_EMAIL = Shape(
    r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{0,61}[^\W_]",
    "a mail address",
    "a form as in lea@cafe.example",
)
MAIL_USER = Shape("[A-Za-z0-9._@+-]{1,128}", "a mail account", "letters, digits and ._@+-, as the provider wrote it")
RESOURCE = Shape("(/[A-Za-z0-9._-]+)+", "a printer's path", "a form as in /ipp/print")
BACKUP_PATH = Shape("/?[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", "a folder", "a form as in backups/cafe")
MOMENT = Shape(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?", "a day or a moment", "a form as in 2026-01-31T17:05:00Z (UTC)"
)
PORT = Shape(
    "[A-Za-z][A-Za-z0-9./_-]{0,31}",
    "the name of a router's interface",
    "as its system says: wan0, ether1, GigabitEthernet0/1",
)
TUNNEL_KEY = Shape("[A-Za-z0-9+/]{43}=", "a WireGuard key", "what `wg pubkey` printed: 44 characters, the last one =")
SIREN = Shape("[0-9]{9}", "a SIREN", "nine digits without spaces")

Text = Annotated[str, BeforeValidator(_literal)]
Filled = Annotated[Text, AfterValidator(_filled), Field(json_schema_extra={"minLength": 1})]
Name = Annotated[Text, NAME]
Group = Annotated[Text, GROUP]
Login = Annotated[Text, LOGIN]
Account = Annotated[Text, ACCOUNT]  # at somebody else's, whatever it is called here
PackName = Annotated[Text, PACK]
Role = Annotated[Text, ROLE]
Mac = Annotated[Text, AfterValidator(mac_form), MAC, AfterValidator(_of_one_card)]
Country = Annotated[Text, COUNTRY]
Domain = Annotated[Text, DOMAIN]
Locale = Annotated[Text, LOCALE]
Email = Annotated[Text, EMAIL]
SomebodysEmail = Annotated[Text, AfterValidator(lambda value: SOMEBODYS_EMAIL.check(value) if value else "")]
MailUser = Annotated[Text, MAIL_USER]
ResourcePath = Annotated[Text, RESOURCE]
BackupPath = Annotated[Text, BACKUP_PATH]
Moment = Annotated[Text, MOMENT]
TunnelKey = Annotated[Text, TUNNEL_KEY]
PortName = Annotated[Text, PORT]
Siren = Annotated[Text, AfterValidator(_siren_or_none)]
Rna = Annotated[Text, AfterValidator(_rna)]
Timezone = Annotated[Text, AfterValidator(_timezone)]
PublicKey = Annotated[Text, AfterValidator(_public_key)]
HostKey = Annotated[Text, AfterValidator(_host_key)]
Address4 = Annotated[IPv4Address, BeforeValidator(_address)]
Network4 = Annotated[IPv4Network, BeforeValidator(_network)]
Ula = Annotated[IPv6Network, BeforeValidator(_ula)]
Day = Annotated[date, BeforeValidator(_day)]
