"""One office at a time on this laptop, for whatever changes it; who only reads holds nothing up and waits for nobody."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime

from provisioner.errors import Busy
from provisioner.inventory.target import Target


@contextlib.contextmanager
def alone(target: Target) -> Iterator[None]:
    """Hold the office on this laptop: the kernel gives the lock back when we die, however we die.

    Raises:
        Busy: another process of ours works on it.
    """
    with (target.state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise Busy(
                f"another provisioner on this laptop works on {target.office} ({lock.read().strip() or 'just started'})",
                hint="wait for it to end",
            ) from error
        lock.seek(0)
        lock.truncate()
        with contextlib.suppress(OSError):  # the words have no room; the lock needs none
            os.write(lock.fileno(), f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode())
        try:
            yield
        finally:
            lock.seek(0)
            lock.truncate()


def held(target: Target) -> str:
    """Who works on the office from this laptop now, in words; empty when nobody does. No lock is asked for: it may be wanted."""
    import psutil

    try:
        words = (target.state / "lock").read_text()
        line = psutil.Process(int(words.split()[1])).cmdline()
    except (OSError, IndexError, ValueError, psutil.Error):
        return ""
    return words if "provisioner" in " ".join(line) else ""
