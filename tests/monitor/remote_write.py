"""Remote write (protocol 1.0) as an agent would make it: for tests that send what no agent of ours does."""

import struct
from collections.abc import Iterable, Mapping


def varint(value: int) -> bytes:
    """A number of base 128; a negative one as int64 has it."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(labels: Iterable[tuple[str, str]], samples: Mapping[int, float]) -> bytes:
    """A series with its samples by time (ms since 1970)."""
    told = b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels)
    return told + b"".join(
        field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(when)) for when, value in samples.items()
    )


def request(*every: bytes) -> bytes:
    """A whole message, unpacked."""
    return b"".join(field(1, one) for one in every)


def literal(data: bytes) -> bytes:
    """A snappy block that compresses nothing."""
    pieces = [data[at : at + 60] for at in range(0, len(data), 60)]
    return varint(len(data)) + b"".join(bytes([(len(piece) - 1) << 2]) + piece for piece in pieces)
