"""What a machine that is plugged in meets, tried from one of the office's desktops; as root, standard library only.

Reads one JSON object on stdin and prints one. `lease`: a DHCP server offers an address to a stranger's card (asked, never
taken); `internet`: a TCP connection to one of these; `guests`: the same from a card in the guests' VLAN, which lives in a network
namespace of its own while it is tried, and from where `closed` must not answer.
"""

import contextlib
import fcntl
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

Data = dict[str, Any]

SPACE = "witness"
CARD = "witness0"
COOKIE = b"\x63\x82\x53\x63"  # RFC 2131 section 3
MASK, ROUTER, NAMES, ASKED, KIND, SERVER, WANTED = 1, 3, 6, 50, 53, 54, 55
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
WAIT_S = 8.0


def link_to(address: str) -> str:
    """The link that leads to an address."""
    said = subprocess.run(["ip", "-json", "route", "get", address], capture_output=True, text=True, check=True).stdout
    return str(json.loads(said)[0]["dev"])


def card_of(link: str) -> bytes:
    """A link's MAC (packet(7), SIOCGIFHWADDR)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        said: bytes = fcntl.ioctl(asking, 0x8927, struct.pack("256s", link.encode()))
        return said[18:24]


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(int(word) for word in struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(kind: int, number: int, card: bytes, options: bytes = b"") -> bytes:
    """A DHCP question as it goes over the wire, whose answer is to be broadcast (RFC 2131, RFC 2132)."""
    body = struct.pack(">BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, number, 0, 0x8000, b"", b"", b"", b"", card, b"", b"")
    body += COOKIE + bytes([KIND, 1, kind]) + options + bytes([WANTED, 3, MASK, ROUTER, NAMES, 255])
    body += b"\0" * max(0, 300 - len(body))
    datagram = struct.pack(">HHHH", 68, 67, 8 + len(body), 0) + body
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return b"\xff" * 6 + card + b"\x08\x00" + head + datagram


def options_of(body: bytes) -> dict[int, bytes]:
    """The options of an answer."""
    found, at = {}, 240
    while at + 1 < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        size = body[at + 1]
        found[body[at]] = body[at + 2 : at + 2 + size]
        at += 2 + size
    return found


def answer(asking: socket.socket, number: int, kind: int, until: float) -> Data | None:
    """The answer to our question: `address`, `mask`, `router`, `names`, `server`."""
    while (left := until - time.monotonic()) > 0:
        asking.settimeout(left)
        try:
            frame = asking.recv(2048)
        except TimeoutError:
            return None
        body = frame[42:]
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[34:38] != struct.pack(">HH", 67, 68) or len(body) < 244:
            continue
        options = options_of(body)
        if body[4:8] == struct.pack(">I", number) and options.get(KIND) == bytes([kind]):
            said = {word: options.get(code, b"")[:4] for word, code in (("mask", MASK), ("router", ROUTER), ("server", SERVER))}
            return {
                "address": socket.inet_ntoa(body[16:20]),
                **{word: socket.inet_ntoa(value) if len(value) == 4 else "" for word, value in said.items()},
                "names": [
                    socket.inet_ntoa(options[NAMES][at : at + 4]) for at in range(0, len(options.get(NAMES, b"")) // 4 * 4, 4)
                ],
            }
    return None


def offer(link: str, card: bytes, *, take: bool) -> Data | None:
    """What is offered to a card on a link; with `take`, asked for too and given."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as asking:
        asking.bind((link, 0))
        for _ in range(3):
            number = random.getrandbits(32)
            asking.send(packet(DISCOVER, number, card))
            said = answer(asking, number, OFFER, time.monotonic() + WAIT_S / 3)
            if said and not take:
                return said
            if said:
                server, address = socket.inet_aton(said["server"]), socket.inet_aton(said["address"])
                asking.send(packet(REQUEST, number, card, bytes([ASKED, 4]) + address + bytes([SERVER, 4]) + server))
                if given := answer(asking, number, ACK, time.monotonic() + WAIT_S / 3):
                    return given
    return None


def stranger() -> bytes:
    """A card nobody has: locally administered, drawn anew."""
    return b"\x02\x00\x5e" + os.urandom(3)


def reached(address: str, port: int) -> str:
    """Empty when a TCP connection is taken, or refused by whoever is there; else what came instead."""
    try:
        socket.create_connection((address, port), timeout=4).close()
    except ConnectionRefusedError:
        return ""
    except OSError as error:
        return f"{address}:{port}: {error.strerror or error}"
    return ""


def ip(*words: str, check: bool = True) -> None:
    """ip(8)."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise OSError(done.stderr.strip() or "ip failed")


@contextlib.contextmanager
def plugged(link: str, vlan: int) -> Iterator[None]:
    """A card in a VLAN of this machine's cable, in a namespace of its own."""
    ip("netns", "delete", SPACE, check=False)
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", "link", link, "name", CARD, "type", "vlan", "id", str(vlan))
        ip("link", "set", CARD, "netns", SPACE)
        for words in (("lo", "up"), (CARD, "up")):
            ip("-netns", SPACE, "link", "set", *words)
        yield
    finally:
        ip("link", "delete", CARD, check=False)  # where it never got into its namespace
        ip("netns", "delete", SPACE, check=False)


def within(ask: Data) -> Data:
    """In the guests' namespace: take a lease and go about as a guest."""
    card = str(ask.get("card", CARD))
    ip("address", "flush", "dev", card)
    given = offer(card, card_of(card), take=True)
    if not given:
        return {"lease": None}
    prefix = bin(struct.unpack(">I", socket.inet_aton(given["mask"] or "255.255.255.0"))[0]).count("1")
    ip("address", "add", f"{given['address']}/{prefix}", "dev", card)
    ip("route", "replace", "default", "via", given["router"])
    inside = [f"{address}:{port}" for address, port in ask["closed"] if not reached(address, port)]
    said = [reached(address, port) for address, port in ask["internet"]]
    return {"lease": given, "internet": "" if "" in said else "; ".join(said), "inside": inside}


def guests(ask: Data) -> Data:
    """What a guest meets."""
    try:
        with plugged(link_to(ask["gateway"]), int(ask["vlan"])):
            words = ["ip", "netns", "exec", SPACE, sys.executable, "-c", ask["program"]]
            told = json.dumps({"do": "within", **{word: ask[word] for word in ("closed", "internet")}})
            done = subprocess.run(words, input=told, capture_output=True, text=True, timeout=60, check=False)
            found: Data = json.loads(done.stdout) if done.returncode == 0 else {"problem": done.stderr.strip()[-300:]}
    except (OSError, subprocess.SubprocessError) as problem:
        found = {"problem": str(problem)}
    return found


def main() -> None:
    """All of it."""
    ask: Data = json.load(sys.stdin)
    if ask.get("do") == "within":
        print(json.dumps(within(ask)))
        return
    said = [reached(address, port) for address, port in ask["internet"]]
    found: Data = {
        "lease": offer(link_to(ask["gateway"]), stranger(), take=False), "internet": "" if "" in said else "; ".join(said),
    }  # fmt: skip
    if ask.get("guests"):
        found["guests"] = guests(ask["guests"] | {"internet": ask["internet"], "gateway": ask["gateway"]})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
