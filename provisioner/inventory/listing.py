"""One line per office, from a cache that is right or absent: the list of 10,000 offices costs a stat each.

The cache holds, per office, what `stat` said of its dossier and the line made from it. A changed dossier is read again,
a damaged cache is made again, and nobody hears of either.
"""

import contextlib
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from provisioner.inventory.target import cache_home
from provisioner.laptop import disk
from provisioner.laptop.strays import stray

_FORM = "offices 2"  # changes with the fields below


class OfficeLine(NamedTuple):
    """What a list shows of an office: texts, counts of hosts and people, whom it calls, why its dossier cannot be read, if so."""

    name: str
    organisation: str
    city: str
    reseller: str
    pack: str
    hosts: int
    people: int
    hub: str = ""
    trouble: str = ""


def lines(root: Path) -> list[OfficeLine]:
    """The line of every office, in the order of names."""
    path = _cache_file(root)
    known = _remembered(path)
    found: dict[str, list[Any]] = {}
    fresh = 0
    offices = os.path.join(root, "offices")  # noqa: PTH118 - 10,000 Path objects cost more than the stats
    with os.scandir(offices) as folders:
        names = [entry.name for entry in folders if entry.is_dir() and not stray(entry.name)]
    for name in names:
        file = f"{offices}/{name}/dossier.yml"
        try:
            status = os.stat(file)  # noqa: PTH116 - as above
            seen = [status.st_mtime_ns, status.st_size, status.st_ino]
        except OSError:
            seen = [0, 0, 0]
        entry = known.get(name)
        if entry is None or entry[0] != seen:
            entry = [seen, _line(Path(file), name)]
            fresh += 1
        found[name] = entry
    if fresh or len(found) != len(known):
        _remember(path, found)
    return [OfficeLine(name, *found[name][1]) for name in sorted(found)]


def _line(path: Path, name: str) -> list[Any]:
    """The fields of a line after the name, taken as they stand: the list judges nothing."""
    from provisioner.inventory.strict_yaml import escaped, load

    try:
        document = load(path, f"offices/{name}/dossier.yml")
    except OSError:
        return ["", "", "", "", 0, 0, "", "no dossier.yml"]
    dossier = _mapping(document.value)
    trouble = escaped(str(document.problems[0]), 200) if document.problems else ""
    return [
        _text(_mapping(dossier.get("organisation")).get("name")),
        _text(_mapping(dossier.get("address")).get("city")),
        _text(dossier.get("reseller")),
        _text(dossier.get("pack")),
        len(_mapping(dossier.get("hosts"))),
        len(_mapping(dossier.get("people"))),
        _text(_mapping(dossier.get("remote")).get("hub")),
        trouble or ("" if dossier else "an empty dossier.yml"),
    ]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _cache_file(root: Path) -> Path:
    return cache_home() / f"offices-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"


def _remembered(path: Path) -> dict[str, list[Any]]:
    """The cache, or nothing when it is absent, of another form or damaged (its first line is a checksum)."""
    with contextlib.suppress(OSError, ValueError):
        head, _, body = path.read_bytes().partition(b"\n")
        if head.decode() == f"{_FORM} {zlib.crc32(body)}":
            known: dict[str, list[Any]] = json.loads(body)
            return known
    return {}


def _remember(path: Path, found: dict[str, list[Any]]) -> None:
    body = json.dumps(found, separators=(",", ":"))
    with contextlib.suppress(OSError):  # a full disk costs time, not the list
        disk.write(path, f"{_FORM} {zlib.crc32(body.encode('ascii'))}\n{body}")
