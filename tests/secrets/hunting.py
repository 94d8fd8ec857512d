"""Looking for secrets wherever they must not be, in every form in which one may be written."""

import base64
import html
import json
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COMMON = ("-----", "b3BlbnNzaC1rZXktdjE")  # what every key begins with
LINE = 24  # a key of several lines is known by any of them that is this long


def forms(secret: str) -> set[bytes]:
    """As it is, in hex, base64 at any offset, URL, JSON, HTML and YAML; of many lines, each long one by itself."""
    found: set[bytes] = set()
    for part in (
        [line for line in secret.split("\n") if len(line) >= LINE and not line.startswith(COMMON)] if "\n" in secret else [secret]
    ):
        raw = part.encode()
        # the signs at its ends hang together with what stands around it; what is between them is the secret's own
        aligned = {base64.b64encode(b"x" * offset + raw)[4 if offset else 0 : -4].rstrip(b"=") for offset in range(3)}
        texts = {
            part,
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
            urllib.parse.quote(part),
            urllib.parse.quote(part, safe=""),
            urllib.parse.quote_plus(part),
            html.escape(part),
            part.replace("'", "''"),
        }
        found |= {raw.hex().encode(), raw.hex().upper().encode(), part.encode("utf-16-le"), *(text.encode() for text in texts)}
        found |= {one for a in aligned for one in (a, a.translate(bytes.maketrans(b"+/", b"-_")))}
    return found


def contents(folders: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Every file below these folders, what git keeps packed there and what a PDF says; its names too."""
    for folder in folders:
        for path in folder.rglob("*"):
            yield str(path), str(path).encode()
            if path.is_symlink() or not path.is_file():
                continue
            yield str(path), path.read_bytes()
            if path.suffix == ".pdf":
                yield f"{path} (its text)", subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True).stdout
            if path.name == "HEAD" and (path.parent / "objects").is_dir():
                words = ["git", "--git-dir", str(path.parent), "cat-file", "--batch-all-objects", "--batch"]
                yield f"{path.parent} (its objects)", subprocess.run(words, capture_output=True, check=True).stdout


def hunt(secrets: Mapping[str, str], places: Iterator[tuple[str, bytes]]) -> list[str]:
    """Each secret found, by its name and where; the secrets must be long enough to be no chance."""
    needles = {form: name for name, secret in secrets.items() for form in forms(secret)}
    assert all(len(needle) >= 8 for needle in needles), "no chance finds"
    return sorted({f"{needles[needle]} in {where}" for where, content in places for needle in needles if needle in content})
