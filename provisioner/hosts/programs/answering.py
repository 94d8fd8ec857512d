"""Whether what people use answers on the machine that serves it: directory, shares, websites; as root, standard library only."""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from typing import Any


def websites() -> list[dict[str, Any]] | None:
    """Each website that lies here: the release that is served, whether its files are those it is named by, what nginx answers.

    None where none does. `unchanged` is None where the release is not named by its content.
    """
    try:
        with open("/etc/office-website/sites.json", encoding="utf-8") as file:
            sites = json.load(file)["sites"]
    except FileNotFoundError:
        return None
    found = []
    for site in sites:
        home = f"/srv/website/{site['office']}"
        release = os.path.basename(os.readlink(f"{home}/current")) if os.path.islink(f"{home}/current") else ""
        one = {"domain": site["domain"], "release": release, "unchanged": None, "status": 0, "same": False, "problem": ""}
        if release:
            one["unchanged"] = _unchanged(f"{home}/releases/{release}", release)
            try:
                one["status"], page = _first_page(site["domain"])
                with open(f"{home}/current/index.html", "rb") as file:
                    one["same"] = page == file.read()
            except (OSError, http.client.HTTPException) as problem:
                one["problem"] = str(problem)[:300]
        found.append(one)
    return found


def _unchanged(folder: str, release: str) -> bool | None:
    """By the builder's rule for a release's name (`website/builder/release.py`); what this server pressed is none of it.

    Of the pressed files of an ending, either all are of the release or none is; those that are not must hold what they are of.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", release):
        return None
    digests = {}
    for here, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(here, name), "rb") as file:
                digests[os.path.relpath(os.path.join(here, name), folder)] = hashlib.sha256(file.read()).hexdigest()
    pressed = {end: [path for path in digests if path.endswith(end) and path[: -len(end)] in digests] for end in UNPRESS}
    for ends in ((), (".br",), (".gz",), (".br", ".gz")):
        beside = {path for end in ends for path in pressed[end]}
        listed = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()) if path not in beside)
        if hashlib.sha256(listed.encode()).hexdigest()[:16] == release:
            said = [_holds(os.path.join(folder, path), end) for end in ends for path in pressed[end]]
            return False if False in said else None if None in said else True
    return False


# What gives back the content of a pressed file: Debian's own programs, which the role `website` brings.
UNPRESS = {".br": "brotli", ".gz": "gzip"}


def _holds(path: str, end: str) -> bool | None:
    """Whether a pressed file is what it is of; None where nothing here can unpress it."""
    if not (tool := shutil.which(UNPRESS[end])):
        return None
    with open(path[: -len(end)], "rb") as file:
        content = file.read()
    with subprocess.Popen([tool, "-dc", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        same = process.stdout.read(len(content) + 1) == content  # no more of what swells
        process.stdout.close()
        return process.wait() == 0 and same


def _first_page(domain: str) -> tuple[int, bytes]:
    """The status and first page that this machine's own web server has under a name; its certificate is another check's."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", 443), 10) as plain, anybody.wrap_socket(plain, server_hostname=domain) as tls:
        connection = http.client.HTTPConnection(domain, 443, timeout=10)
        connection.sock = tls
        connection.request("GET", "/", headers={"Host": domain, "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(4 << 20)


# An LDAP search for the root entry (RFC 4511) and SMB2's negotiation (MS-SMB2 2.2.3): anybody may ask, a live server answers.
LDAP = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")
SMB = (
    b"\0\0\0\x66\xfeSMB\x40\0" + bytes(50) + bytes(8)
    + b"\x24\0\x01\0\x01\0\0\0" + bytes(28) + b"\x02\x02"
)  # fmt: skip
PATIENCE_S = 10
QUESTIONS = {"directory": (389, LDAP, b"\x64", 0, 30), "share": (445, SMB, b"\xfeSMB", 4, 5)}


def answering(names: list[str]) -> dict[str, str]:
    """Each service that is asked here as a client would: empty when it answers, else why not."""
    found = {}
    for name in names:
        port, question, word, at, within = QUESTIONS[name]
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as way:
                way.settimeout(PATIENCE_S)
                way.sendall(question)
                said = way.recv(4096)
            found[name] = "" if word in said[at : at + within] else "it answers with something else"
        except OSError as problem:
            found[name] = str(problem)[:300] or type(problem).__name__
    return found
