"""What Prometheus' remote write carries (protocol 1.0): a snappy block of labels and samples, read and judged, never changed.

Written for data from outside: sizes are looked at before anything is unpacked. Set by the office's pack.
"""

MOST_BYTES = 32 << 20  # unpacked; an agent sends blocks of at most 8 MB
JOBS = (b"node",)  # what an office may speak about: the hub's own jobs are the hub's


class Refused(Exception):
    """Why a block is not taken: `reason` is one word, for counting."""

    def __init__(self, reason, text):
        super().__init__(text)
        self.reason = reason


def varint(data, at):
    """A number of base 128 (Protocol Buffers, Encoding): its value, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63 or value >> 64:
            raise ValueError("a number without an end")


def unpacked(data):
    """A block of snappy's (format_description.txt), whole."""
    size, at = varint(data, 0)
    if size > MOST_BYTES:
        raise Refused("too_large", f"{size} bytes are more than {MOST_BYTES}")
    out, end = bytearray(), len(data)
    while at < end:
        tag = data[at]
        kind = tag & 3
        at += 1
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                wide = length - 60
                length = int.from_bytes(data[at : at + wide], "little") + 1
                at += wide
            if at + length > end:
                raise ValueError("a block that ends too soon")
            out += data[at : at + length]
            at += length
        else:
            if kind == 1:
                length, back = ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | data[at]
                at += 1
            else:
                wide = 2 if kind == 2 else 4
                length, back = (tag >> 2) + 1, int.from_bytes(data[at : at + wide], "little")
                at += wide
            if not 0 < back <= len(out):
                raise ValueError("a copy of what is not there")
            start = len(out) - back
            pattern = out[start : start + length]
            out += (pattern * (length // len(pattern) + 1))[:length]  # a copy may run into what it makes
        if len(out) > size:
            raise ValueError("more than was said")
    if len(out) != size:
        raise ValueError("less than was said")
    return bytes(out)


def fields(data):
    """Each field of a message: its number, and its content (bytes, or a number)."""
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        kind = key & 7
        if not 0 < key >> 3 < 1 << 29:  # Go cuts it to 32 bits: what is another field here would be ours there
            raise ValueError("a field of no number that can be")
        if kind == 2:
            length, at = varint(data, at)
            if at + length > end:
                raise ValueError("a field that ends too soon")
            yield key >> 3, data[at : at + length]
            at += length
        elif kind == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
            yield key >> 3, None
        else:
            raise ValueError(f"a field of kind {kind}")


def judge(block, office, oldest_ms, newest_ms):
    """Let a block through that speaks for this office alone, of a time that can be; how many samples it has.

    Raises:
        Refused: it does not.
    """
    samples = 0
    try:
        for number, content in fields(unpacked(block)):
            if number == 1:
                samples += judge_series(content, office.encode(), oldest_ms, newest_ms)
            elif number != 3:  # metadata: types and help, of no office
                raise ValueError(f"a field {number}")
    except (ValueError, IndexError, TypeError) as problem:
        raise Refused("unreadable", f"no remote write: {problem}") from None
    return samples


def judge_series(series, office, oldest_ms, newest_ms):
    """The same of one series."""
    offices, jobs, samples = [], [], 0
    for kind, part in fields(series):
        if kind == 1:
            label = dict(fields(part))
            if label.get(1) == b"office":
                offices.append(label.get(2))
            elif label.get(1) == b"job":
                jobs.append(label.get(2))
        elif kind == 2:
            when = dict(fields(part)).get(2, 0)
            when -= (when >> 63) << 64  # int64, of two's complement
            samples += 1
            if not oldest_ms <= when <= newest_ms:
                raise Refused("clock", f"a sample of {when} ms is of no time that can be")
        else:  # exemplars and histograms have times of their own; no agent of ours sends any
            raise ValueError(f"a field {kind} of a series")
    if offices != [office]:
        raise Refused("forged", f"series of {offices[:2]!r} were sent by {office!r}")
    if len(jobs) != 1 or jobs[0] not in JOBS:
        raise Refused("forged", f"series of job {jobs[:2]!r} are not an office's")
    return samples
