#!/usr/bin/env python3
"""office-files [--look] FOLDER…: what root copied into a share becomes the share's, with names that every computer opens.

Every file gets the shares' owner and modes. A name is mended where that changes nothing for whoever reads it: one of an old
machine in another encoding, one with accents as old Macs wrote them, and one that ends in a dot or a blank, which gets the
stand-in that Macs and Linux write and show as that very sign. What cannot be mended is told, and stays. `--look` changes nothing.
Exit 0; 1 when something is left that some computer cannot open; 2 when it was called wrongly.
"""

import argparse
import os
import pwd
import re
import stat
import sys
import unicodedata
from collections.abc import Iterator

ROOT, OWNER = "/srv/share", "office-files"
# Windows' names of devices, with any ending (Microsoft, "Naming Files, Paths, and Namespaces").
RESERVED = re.compile(r"(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])(\..*)?", re.IGNORECASE)
AT_THE_END = {" ": "\uf028", ".": "\uf029"}  # Services for Macintosh, mount.cifs(8) mapposix
LONGEST = 255  # signs of a name, in UTF-16, on NTFS and in SMB


def mended(name: bytes) -> str:
    """The name that all computers can have, the same to a reader. Pure."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode("cp1252", errors="replace")
    text = unicodedata.normalize("NFC", text)
    return text[:-1] + AT_THE_END.get(text[-1], text[-1])


def trouble(name: str, others: set[str]) -> str:
    """What a name that stays is to somebody's computer, or nothing. Pure; `others` are its neighbours', in small letters."""
    if RESERVED.fullmatch(name):
        return "is the name of a device on Windows: everybody sees another name; rename it"
    if len(name.encode("utf-16-le")) // 2 > LONGEST:
        return f"is longer than {LONGEST} signs: no computer opens it over the network; shorten it"
    if "\ufffd" in name:
        return "is in an encoding that nobody knows; rename it"
    if name.lower() in others:
        return "differs from its neighbour in capitals alone: people see one of the two; rename one"
    return ""


def free(folder: bytes, name: str) -> bytes:
    """The path of a name in a folder, with a number behind it where it is taken."""
    stem, dot, ending = name.rpartition(".") if "." in name[1:] else (name, "", "")
    path, number = os.path.join(folder, os.fsencode(name)), 1
    while os.path.lexists(path):
        number += 1
        path = os.path.join(folder, os.fsencode(f"{stem} ({number}){dot}{ending}"))
    return path


def take(top: bytes, uid: int, gid: int, look: bool) -> Iterator[tuple[bool, str]]:
    """Bring a folder and all in it; (whether it is mended, sentence) for each name that was not as it should be."""
    for folder, folders, files in os.walk(top, topdown=False):
        seen: set[str] = set()
        for name in sorted(folders + files):
            path, better = os.path.join(folder, name), mended(name)
            if better.encode() != name:
                target = free(folder, better)
                better = os.path.basename(target).decode()
                same = shown(target) == shown(path)
                yield (
                    True,
                    f"{shown(path)}: {'opens everywhere' if same else f'is called {shown(os.fsencode(better))}'} from now on",
                )
                if not look:
                    os.rename(path, target)
                    path = target
            if what := trouble(better, seen):
                yield False, f"{shown(path)}: {what}"
            seen.add(better.lower())
            if not look:
                given(path, uid, gid)
    if not look:
        given(top, uid, gid)


def given(path: bytes, uid: int, gid: int) -> None:
    """To the shares' owner, with the mode that Samba gives what people make."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return
    os.chown(path, uid, gid, follow_symlinks=False)
    os.chmod(path, 0o770 if stat.S_ISDIR(status.st_mode) else 0o660)


def shown(path: bytes) -> str:
    """A path for a terminal; a stand-in as the sign that people see."""
    text = path.decode(errors="replace")
    for sign, other in AT_THE_END.items():
        text = text.replace(other, sign)
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def main(words: list[str], root: str = ROOT, owner: str = OWNER) -> int:
    """Do it."""
    parser = argparse.ArgumentParser(prog="office-files", description="Files that root copied into a share become the share's.")
    parser.add_argument("--look", action="store_true", help="say what would be done, change nothing")
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help=f"below {root}")
    asked = parser.parse_args(words)
    account, left = pwd.getpwnam(owner), 0
    tops = [os.path.realpath(folder) for folder in asked.folders]
    for top in tops:
        if not os.path.isdir(top) or not top.startswith(f"{os.path.realpath(root)}/"):
            print(f"office-files: {top} is no folder of a share; they are below {root}", file=sys.stderr)
            return 2
    for top in tops:
        for good, sentence in take(os.fsencode(top), account.pw_uid, account.pw_gid, asked.look):
            left += not good
            print(sentence)
    print(f"{left} names are left that some computer cannot open" if left else "every computer opens every file")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
