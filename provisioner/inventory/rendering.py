"""New files of the network: YAML in which every text is data, with comments for the technician who edits it next."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from provisioner.inventory.strict_yaml import Place

if TYPE_CHECKING:
    pass
from datetime import date
from typing import TYPE_CHECKING

from provisioner.inventory.strict_yaml import visible

if TYPE_CHECKING:
    pass

_PLAIN = re.compile("[A-Za-zÀ-ÖØ-öø-ÿ][A-Za-zÀ-ÖØ-öø-ÿ0-9._/-]*( [A-Za-zÀ-ÖØ-öø-ÿ0-9._/-]+)*")
# Addresses, networks and MACs with a letter in them: what older YAML would take for a number in base 60 is quoted.
_BARE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]+)?|(?=[0-9:]*[a-f])[0-9a-f]{2}(:[0-9a-f]{2}){5}|fd[0-9a-f:]+::/48")
_OLD_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # YAML 1.1 takes these for something else

SCHEMA = "# yaml-language-server: $schema={}"


def scalar(value: object) -> str:
    """One value as YAML that reads back as the same value, byte for byte."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | date):
        return str(value)
    text = str(value)
    if _BARE.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _OLD_WORDS):
        return text
    return '"' + "".join(_escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    return "\\" + sign if sign in '"\\' else visible(sign)  # YAML's own escapes in double quotes


def render(data: Mapping[str, Any], comments: Mapping[Place, str], heading: list[str]) -> str:
    """A whole file: the heading's lines, then the data, each commented place with its comment above it."""
    lines = [*heading]
    _section(data, comments, (), lines)
    return "\n".join(lines) + "\n"


def _section(data: Mapping[str, Any], comments: Mapping[Place, str], place: Place, lines: list[str]) -> None:
    indent = "  " * len(place)
    for name, value in data.items():
        here = (*place, name)
        if here in comments:
            lines.append(f"{indent}# {comments[here]}")
        key = scalar(name)
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{key}:")
            _section(value, comments, here, lines)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            lines.append(f"{indent}{key}:")
            lines.extend(f"{indent}  - {flow(item)}" for item in value)
        elif isinstance(value, dict | list):
            lines.append(f"{indent}{key}: {flow(value)}")
        else:
            lines.append(f"{indent}{key}: {scalar(value)}")


def entry(name: str, value: object, indent: int, *, short: bool) -> list[str]:
    """One entry of a section as lines, `indent` deep: on one line, or on one per word."""
    lines = [f"{scalar(name)}: {flow(value)}"] if short else []
    if not short:
        _section({name: value}, {}, (), lines)
    return [" " * indent + line for line in lines]


def flow(value: object) -> str:
    """A value on one line: `{name: Zoé, groups: [team]}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


DOSSIER_COMMENTS: dict[Place, str] = {
    ("reseller",): "Who serves this office, and with which standard: files of resellers/ and packs/.",
    ("lan",): "The router hands out dhcp_first to dhcp_last; hosts have addresses outside that pool.",
    ("ula",): "Unique to this office, drawn at birth (RFC 4193); never change it.",
    ("hosts",): "Each machine by its name. `mac` finds it on the LAN the first time; `person` is whose desk it is on.",
    ("groups",): "Groups of people, each with a title; a group gets a shared folder.",
    ("people",): "People by login.",
    ("former",): "Who left: the account is closed, the files are in their successor's folder.",
}
