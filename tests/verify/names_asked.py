"""Listens on a LAN for the names that one address asks a name server for, until its standard input ends; prints each once."""

import select
import socket
import struct
import sys

heard: set[str] = set()
# every protocol (ETH_P_ALL): what a bridge hands from port to port passes no other kind of listener (packet(7))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)) as wire:
    while not select.select([sys.stdin], [], [], 0)[0]:
        if not select.select([wire], [], [], 0.3)[0]:
            continue
        frame = wire.recv(4096)
        first = 14 + (frame[14] & 15) * 4
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or socket.inet_ntoa(frame[26:30]) != sys.argv[1]:
            continue
        if struct.unpack(">H", frame[first + 2 : first + 4])[0] != 53:
            continue
        name, at = [], first + 20
        while frame[at]:
            name.append(frame[at + 1 : at + 1 + frame[at]].decode(errors="replace"))
            at += frame[at] + 1
        heard.add(".".join(name))
print("\n".join(sorted(heard)))
