"""How RouterOS writes: values, `print` and `export`.

From help.mikrotik.com: "Command Line Interface" (print and its parameters), "Configuration Management" (export: only what is no
default, `terse` one whole command a line, secrets only with `show-sensitive`).
"""

import datetime
import re
from typing import Any

from provisioner.lab.devices.stand_ins.routeros.language import ScriptError
from provisioner.lab.devices.stand_ins.routeros.menus import MENUS, SENSITIVE, SERVICES, Item, written
from provisioner.lab.devices.stand_ins.routeros.system import VERSION, Router

_BARE = re.compile(r"[A-Za-z0-9._:/,@*+%-]+")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t", "?": "\\?"}
WIDTH = 80


def text(value: Any) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(text, value))
    if isinstance(value, dict):
        return ";".join(f"{name}={one}" for name, one in value.items())
    return str(value)


def true(value: Any) -> bool:
    """Whether a condition is met; a property is when it is set to yes."""
    return value is True or value in ("yes", "true") or (isinstance(value, int | list) and bool(value))


def number(value: Any) -> float:
    """A value as a number."""
    try:
        return float(text(value) or 0)
    except ValueError:
        raise ScriptError(f"cannot convert value to number: {text(value)}") from None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal; yes is true."""
    a, b = ({"true": "yes", "false": "no"}.get(text(side), text(side)) for side in (one, other))
    return a == b


def quoted(value: str) -> str:
    """A value as an export writes it."""
    if _BARE.fullmatch(value):
        return value
    signs = []
    for sign in value:
        if sign in _ESCAPED:
            signs.append(_ESCAPED[sign])
        else:
            signs.append(sign if " " <= sign <= "~" else "".join(f"\\{b:02X}" for b in sign.encode("utf-8", "surrogateescape")))
    return '"' + "".join(signs) + '"'


# ------------------------------------------------------------------------------------------------ export


def export(system: Router, under: str = "", *, terse: bool = False, sensitive: bool = False, verbose: bool = False) -> str:
    """The configuration as commands, below a menu or all of it."""
    lines = [
        f"# {datetime.datetime.now():%Y-%m-%d %H:%M:%S} by RouterOS {VERSION}",
        "# software id = K7QZ-0S4A",
        "#",
        "# model = C52iG-5HaxD2HaxD",
        "# serial number = HDG08STANDIN",
    ]
    for menu, about in MENUS.items():
        if not about.shown or not (menu == under or menu.startswith(f"{under} ") or not under):
            continue
        found = [line for item in system.config[menu] if (line := _exported(menu, item, sensitive=sensitive, verbose=verbose))]
        if found and not terse:
            lines.append(menu)
        lines += [f"{menu} {line}" for line in found] if terse else [part for line in found for part in _folded(line)]
    return "\n".join(lines) + "\n"


def _exported(menu: str, item: Item, *, sensitive: bool, verbose: bool) -> str:
    about = MENUS[menu]
    props = {
        name: value
        for name, value in {**(about.defaults if verbose else {}), **item}.items()
        if name in about.props and about.props[name] != "ro" and (verbose or about.defaults.get(name) != value)
        and (sensitive or name not in SENSITIVE)
    }  # fmt: skip
    where = ""
    if "default-name" in item:
        where = f"[ find default-name={item['default-name']} ]"
        props = {name: value for name, value in props.items() if (name, value) != ("name", item["default-name"])}
        props.pop("mac-address", None)
    elif item.get("default") == "yes":
        where = "[ find default=yes ]" if menu == "/ipv6 nd" else ""
        if not where:
            return ""  # no change to these is known here
        props = {name: value for name, value in props.items() if (name, value) != ("interface", "all")}
    elif item.get("builtin") == "yes":
        return ""
    elif menu == "/ip service":
        where = item["name"]
        props = {name: value for name, value in props.items() if (name, value) != ("port", SERVICES[where])}
    verb = "set" if where or about.single else "add"
    if verb == "set" and not props:
        return ""
    ordered = [f"{name}={quoted(value)}" for name, value in sorted(props.items())]
    if menu == "/interface wifi":
        ordered = _with_prefixes(ordered)
    return " ".join([verb, *([where] if where else []), *ordered])


def _with_prefixes(props: list[str]) -> list[str]:
    """`configuration.country=France .mode=ap`: what has the former one's prefix is written without it."""
    found, last = [], ""
    for prop in props:
        prefix, dot, rest = prop.partition("=")[0].rpartition(".")
        found.append(f".{prop[len(prefix) + 1 :]}" if dot and prefix == last else prop)
        last = prefix
        del rest
    return found


def _folded(line: str) -> list[str]:
    """A line on pieces of the terminal's width, each but the last with a backslash at its end."""
    found = []
    while len(line) > WIDTH:
        cut = line.rfind(" ", 4, WIDTH - 2)
        if cut < 5:
            break
        found.append(line[: cut + 1] + "\\")
        line = "    " + line[cut + 1 :]
    return [*found, line]


# ------------------------------------------------------------------------------------------------ print


def flags(system: Router, path: str, item: Item) -> str:
    """The letters before an item."""
    found = "D" if item.get("dynamic") == "yes" else ""
    found += "A" if item.get("active") == "yes" else ""
    return found + ("X" if "disabled" in MENUS[path].props and system.value(path, item, "disabled") == "yes" else "")


def table(system: Router, path: str, items: list[Item], *, terse: bool, detail: bool) -> str:
    """Items as a list."""
    lines = [] if terse else ["Flags: X - DISABLED; D - DYNAMIC; A - ACTIVE"]
    for place, item in enumerate(items):
        props = {name: value for name, value in item.items() if not name.startswith(".") and name not in ("dynamic", "active")}
        if path == "/system scheduler":
            props["run-count"] = str(system.runs.get(item[".id"], 0))
        comment = props.pop("comment", "")
        if terse:
            words = [f"comment={comment}"] if comment else []
            lines.append(
                f"{place:2} {flags(system, path, item):3} " + " ".join([*words, *(f"{n}={v}" for n, v in props.items())])
            )
            continue
        lines.append(f"{place:2} {flags(system, path, item):3} " + (f";;; {comment}" if comment else ""))
        mark = " ".join(f"{name}={quoted(value) if detail else value}" for name, value in props.items())
        if comment:
            lines.append(f"      {mark}")
        else:
            lines[-1] += mark
    return "".join(f"{line}\n" for line in lines)


def _clock(total: float) -> str:
    """A time as a script gets it: `1w2d03:04:05`."""
    days, rest = divmod(int(total), 86400)
    weeks, days = divmod(days, 7)
    return f"{weeks}w" * bool(weeks) + f"{days}d" * bool(days) + f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"


def resource(up_s: float, *, clock: bool = False) -> dict[str, str]:
    """`/system resource`."""
    return {
        "uptime": _clock(up_s) if clock else written(up_s), "version": f"{VERSION} (stable)",
        "build-time": "2024-10-10 14:03:32", "free-memory": "716.0MiB",
        "total-memory": "1024.0MiB", "cpu": "ARM64", "cpu-count": "4", "cpu-load": "1", "free-hdd-space": "92.6MiB",
        "total-hdd-space": "128.0MiB", "architecture-name": "arm64", "board-name": "hAP ax^2", "platform": "MikroTik",
    }  # fmt: skip
