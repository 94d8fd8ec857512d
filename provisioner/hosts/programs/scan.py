"""Which TCP ports of some machines answer: a SYN scan with raw sockets; runs as root, standard library only.

Reads one JSON object on stdin (`targets`: addresses) and prints {address: [open ports]}. Every port is asked twice, a
moment apart, because a lost packet must not hide an open port. Nothing is sent but to the addresses named.
"""

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time

SOURCE_PORT = 40000 + os.getpid() % 20000
PACE = 400  # packets between two looks at the answers


def total(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    value: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    value = (value >> 16) + (value & 0xFFFF)
    return ~(value + (value >> 16)) & 0xFFFF


def facing(target: str) -> str:
    """Our own address on the way there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))
        return str(probe.getsockname()[0])


def hear(raw: socket.socket, target: str, found: set[int], wait: float) -> None:
    """Note who answered SYN and ACK to us."""
    until = time.monotonic() + wait
    while True:
        left = max(0, until - time.monotonic())
        if not select.select([raw], [], [], left)[0]:
            return
        packet, (sender, _) = raw.recvfrom(128)
        start = (packet[0] & 15) * 4
        port, to = struct.unpack(">HH", packet[start : start + 4])
        if sender == target and to == SOURCE_PORT and packet[start + 13] & 0x12 == 0x12:
            found.add(port)


def scan(target: str) -> list[int]:
    """The open ports of one machine."""
    found: set[int] = set()
    mine = socket.inet_aton(facing(target))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        for turn in range(2):
            for port in range(1, 65536):
                segment = struct.pack(">HHIIBBHHH", SOURCE_PORT, port, 7 + turn, 0, 0x50, 2, 1024, 0, 0)
                fake = mine + socket.inet_aton(target) + struct.pack(">BBH", 0, 6, len(segment))
                segment = segment[:16] + struct.pack(">H", total(fake + segment)) + segment[18:]
                with contextlib.suppress(OSError):  # no way there, or a full queue: asked again in the second turn
                    raw.sendto(segment, (target, 0))
                if port % PACE == 0:
                    hear(raw, target, found, 0)
            hear(raw, target, found, 1.0)
    return sorted(found)


def main() -> None:
    """One machine after the other."""
    ask = json.load(sys.stdin)
    print(json.dumps({target: scan(target) for target in ask["targets"]}))


if __name__ == "__main__":
    main()
