"""The journal of a run: every event, on disk before the next thing happens; and how many steps a run took, for the next bar."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from provisioner.runs import Event, Run, fold


class Journal:
    """Appends the events of one run to a file, one JSON line each, numbered from 1; 0600.

    Every line is flushed; those that a later command relies on (`durable`) are also fsynced. It is locked while its run is
    alive: the kernel gives that back however we die (`at_work`).
    """

    def __init__(self, path: Path) -> None:
        from provisioner.laptop.disk import flush

        self.path = path
        self._seq = 0
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "w")
        with contextlib.suppress(OSError):  # a file system without locks: the run is done all the same
            fcntl.flock(self._file, fcntl.LOCK_EX)
        flush(path.parent)

    def write(self, event: Event, *, durable: bool = False) -> Event:
        """Append one event."""
        self._seq += 1
        # not asdict(): it copies deeply, and this runs for every task and host
        line = {
            "seq": self._seq, "at": round(event.at, 3), "what": event.what,
            "host": event.host, "task": event.task, "detail": event.detail,
        }  # fmt: skip
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        return event

    def close(self) -> None:
        """End the file on disk."""
        os.fsync(self._file.fileno())
        self._file.close()


def at_work(path: Path) -> bool:
    """Whether the run whose journal this is goes on now, on this laptop."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def read_run(path: Path) -> Run:
    """What a journal amounts to; a run that goes on says `running`."""
    alive = at_work(path)  # asked first: one that ends meanwhile has written its end
    run = fold(read_journal(path))
    if alive and not run.finished:
        run.status = "running"
    return run


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal; a last line torn by a kill is left out."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                raw = json.loads(line)
            except ValueError:
                return
            yield Event(raw["what"], raw["host"], raw["task"], raw["detail"], raw["at"])


def learn(path: Path, key: str, total: int) -> None:
    """Remember how many steps `key` took, for the next progress bar."""
    totals = learnt(path)
    totals[key] = total
    from provisioner.laptop.disk import write

    write(path, json.dumps(totals))


def learnt(path: Path) -> dict[str, int]:
    """The remembered totals; empty when there are none or the file is damaged: they only draw a bar."""
    try:
        raw = json.loads(path.read_text())
        return {str(k): int(v) for k, v in raw.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
