"""Looking into a snapshot: what lies in one of its folders, without restoring anything."""

import json
import os

from places import Trouble, Wrong, say

MOST = 5000  # entries
MOST_BYTES = 2 << 20  # of their names, together


def listed(place, wanted, path):
    """Say what is in a folder of a snapshot (or that file itself); without a path, what the snapshot was made of.

    Raises:
        Wrong: there is no such snapshot, or no such path in it.
    """
    if not place.present():
        raise Trouble("nothing was backed up there yet")
    found = json.loads(place.ask("snapshots", "--json", "--no-lock") or "[]") or []
    fits = [one for one in found if one["id"].startswith(wanted)] if wanted != "latest" else found
    if not fits:
        raise Wrong(f"there is no snapshot {wanted} on {place.name}" if found else "nothing was backed up there yet")
    snapshot = max(fits, key=lambda one: one["time"])
    path = os.path.normpath(path) if path else ""
    if path and not path.startswith("/"):
        raise Wrong("a path begins with /")
    entries = below(place, snapshot, path) if path.strip("/") else tops(snapshot)
    if not entries:
        raise Wrong(f"there is no {path} in the snapshot {snapshot['short_id']} of {snapshot['time'][:16]}")
    kept, room = [], MOST_BYTES
    for one in sorted(entries, key=lambda one: one["path"])[:MOST]:
        room -= len(json.dumps(one))
        if room < 0:
            break
        kept.append(one)
    say("files", place=place.name, snapshot=snapshot["short_id"], time=snapshot["time"], path=path or "/", files=kept,
        more=len(entries) - len(kept))  # fmt: skip
    return True


def tops(snapshot):
    """The folders that the snapshot was made of."""
    return [{"path": path, "kind": "dir", "bytes": 0, "time": ""} for path in snapshot["paths"]]


def below(place, snapshot, path):
    """The children of a folder, or the one file; nothing when it is not there. restic also says the folders on the way."""
    found = []

    def heard(line):
        try:
            node = json.loads(line)
        except ValueError:
            return
        at = node.get("path", "")
        own = at == path and node.get("type") != "dir"
        if node.get("struct_type") == "node" and (own or os.path.dirname(at) == path):
            kind = node.get("type", "") if node.get("type") in ("dir", "file", "symlink") else "other"
            found.append({"path": at, "kind": kind, "bytes": node.get("size", 0), "time": node.get("mtime", "")[:19]})
        elif node.get("struct_type") == "node" and at == path:
            empty.append({"path": at, "kind": "dir", "bytes": 0, "time": node.get("mtime", "")[:19]})

    empty = []
    place.ask("ls", "--json", "--no-lock", snapshot["id"], path, on_line=heard)
    return found or empty  # a folder with nothing in it is there all the same
