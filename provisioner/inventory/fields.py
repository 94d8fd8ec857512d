"""The kinds of text and numbers the nouns are made of, each with its own sentence when it is wrong."""

import base64
import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from provisioner.inventory.strict_yaml import quoted

# Ansible's own names; `localhost` would be played without any connection.
RESERVED_NAMES = frozenset({"all", "ungrouped", "localhost", "hostvars", "groups"})

# Accounts of Debian and of what the packs install: a person or group of this name would get their files or powers.
RESERVED_LOGINS = frozenset(
    """root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup adm tty
    disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users
    input sgx kvm render crontab netdev docker lxd libvirt wheel lpadmin scanner bluetooth ssh sshd messagebus polkitd
    avahi colord lightdm pulse rtkit saned geoclue statd ntp ntpsec chrony dnsmasq unbound bind named postfix postdrop
    dovecot dovenull vmail nginx radicale restic samba sambashare winbindd sssd tss uuidd dhcpcd mysql postgres redis
    prometheus alertmanager frr frrvty quagga vyos admin administrator guest krbtgt machine debian ubuntu provisioner
    witness technician ansible puppet""".split()
)


def _wrong(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("worded", "{what}", {"what": what, "hint": hint})


def _literal(value: Any) -> Any:
    """Give unquoted `75011`, `true` or `2026-01-01` back as the text it was: only canonical forms are ever typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def _shaped(pattern: str, what: str, hint: str, reserved: frozenset[str] = frozenset()) -> Callable[[str], str]:
    shape = re.compile(pattern)

    def check(value: str) -> str:
        if not shape.fullmatch(value):
            raise _wrong(f"{quoted(value)} is not {what}", hint)
        if value in reserved or (reserved is RESERVED_LOGINS and value.startswith(("systemd-", "debian-", "kind-"))):
            raise _wrong(f"{quoted(value)} is a name the system uses itself", "another name")
        return value

    return check


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
    try:
        return IPv4Address(_text_of(value, "an IPv4 address", hint))
    except ValueError:
        raise _wrong(f"{quoted(value)} is not an IPv4 address", hint) from None


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
        raise _wrong(f"{quoted(value)} is too {'large' if network.prefixlen < 16 else 'small'} for an office", hint)
    if not network.is_private:
        raise _wrong(f"{quoted(value)} is not a private network", "one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16")
    return network


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


def _siren(value: str) -> str:
    if not re.fullmatch("[0-9]{9}", value):
        raise _wrong(f"{quoted(value)} is not a SIREN", "nine digits without spaces")
    if not luhn(value):
        raise _wrong(
            f"{quoted(value)} is not a SIREN: its last digit does not fit the others", "reading it again from the Kbis"
        )
    return value


def _timezone(value: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        if not re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}", value):
            raise ValueError
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise _wrong(
            f"{quoted(value)} is not a time zone", "a name as in Europe/Paris (timedatectl list-timezones)"
        ) from None
    return value


_KEY_TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")


def _public_key(value: str) -> str:
    """Let one bare public key through: an option or a second line would be one in every authorized_keys."""
    kind, _, rest = value.partition(" ")
    blob = rest.partition(" ")[0]
    try:
        packed = base64.b64decode(blob, validate=True)
    except ValueError:
        packed = b""
    inner = packed[4 : 4 + int.from_bytes(packed[:4], "big")]
    if kind not in _KEY_TYPES or inner != kind.encode() or not value.isprintable():
        raise _wrong(f"{quoted(value)} is not a public key", "the one line of ~/.ssh/id_ed25519.pub")
    return value


def _pattern(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": f"^{pattern}$"})


_NAME = r"[a-z][a-z0-9-]{0,30}[a-z0-9]"
_LOGIN = r"[a-z][a-z0-9._-]{0,30}"
_MAC = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"
_VERSION = r"[a-z][a-z0-9.-]{0,38}[a-z0-9]"
_DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
_LOCALE = r"[a-z]{2,3}_[A-Z]{2}\.UTF-8"

_SMALL = "small letters, digits and hyphens, as in cafe-des-halles"

Text = Annotated[str, BeforeValidator(_literal)]
Filled = Annotated[Text, AfterValidator(_filled), Field(json_schema_extra={"minLength": 1})]
Name = Annotated[
    Text, AfterValidator(_shaped(_NAME, "a name of 2 to 32 characters", _SMALL, RESERVED_NAMES)), _pattern(_NAME)
]
Group = Annotated[
    Text, AfterValidator(_shaped(_NAME, "a group name of 2 to 32 characters", _SMALL, RESERVED_LOGINS)), _pattern(_NAME)
]
Login = Annotated[
    Text,
    AfterValidator(
        _shaped(_LOGIN, "a login", "small letters, digits, dot and hyphen, as in m.durand", RESERVED_LOGINS)
    ),
    _pattern(_LOGIN),
]
PackName = Annotated[
    Text, AfterValidator(_shaped(_VERSION, "a pack's name", "a form as in standard-2026.1")), _pattern(_VERSION)
]
Mac = Annotated[
    Text,
    AfterValidator(_shaped(_MAC, "a MAC address", "six pairs as in 02:00:5e:10:00:01, small letters")),
    _pattern(_MAC),
]
Country = Annotated[
    Text,
    AfterValidator(_shaped("[A-Z]{2}", "a country", "two capital letters as in FR (ISO 3166)")),
    _pattern("[A-Z]{2}"),
]
Domain = Annotated[
    Text, AfterValidator(_shaped(_DOMAIN, "a domain", "a form as in cafe.example, small letters")), _pattern(_DOMAIN)
]
Locale = Annotated[Text, AfterValidator(_shaped(_LOCALE, "a language", "a form as in fr_FR.UTF-8")), _pattern(_LOCALE)]
Timezone = Annotated[Text, AfterValidator(_timezone)]
Siren = Annotated[Text, AfterValidator(_siren), _pattern("[0-9]{9}")]
PublicKey = Annotated[Text, AfterValidator(_public_key)]
Address4 = Annotated[IPv4Address, BeforeValidator(_address)]
Network4 = Annotated[IPv4Network, BeforeValidator(_network)]
Ula = Annotated[IPv6Network, BeforeValidator(_ula)]
Day = Annotated[date, BeforeValidator(_day)]
