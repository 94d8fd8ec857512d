"""What can go wrong that an operator can mend: one class per exit code, each with a hint."""

import errno
from collections.abc import Iterable
from typing import ClassVar


class ProvisionerError(Exception):
    """Something the operator can act on: `str()` says what and where, `hint` the command or edit to try.

    `exit_code` follows the table in the README: 2 bad input, 4 a host failed, 5 unreachable, 6 somebody else works
    there, 7 a verification failed, 130 ended before its end.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadInput(ProvisionerError):
    """A file, option or answer that cannot be taken as it is."""


class Missing(BadInput):
    """Something named does not exist, or this laptop lacks a program."""


class Locked(BadInput):
    """A secret is needed and the vault has not been unlocked."""


class HostFailed(ProvisionerError):
    """A host was reached and could not be brought where the dossier wants it."""

    exit_code = 4


class Unreachable(ProvisionerError):
    """A host gave no answer, or refused to let us in."""

    exit_code = 5


class Unreadable(Unreachable):
    """A host gave an answer that cannot be taken: too much, or of another shape than was asked for."""

    exit_code = 4


class Busy(ProvisionerError):
    """Somebody else works on this office now, or has a newer copy of it."""

    exit_code = 6


class Unverified(ProvisionerError):
    """A check or a verification failed: a journal, a plan that no longer holds."""

    exit_code = 7


class HostKeyChanged(Unverified):
    """A host shows another key than the pinned one; nothing was sent to it."""


class Stopped(ProvisionerError):
    """A run was ended before its next task, because this laptop could not go on with it."""

    exit_code = 130


def one_of(names: Iterable[str], otherwise: str) -> str:
    """A hint with the names to choose from; `otherwise` where there is none."""
    known = ", ".join(names)
    return f"one of {known}" if known else otherwise


def described(problem: OSError) -> str:
    """What the system said, and of which file: `No space left on device: /home/…`."""
    return f"{problem.strerror or problem}{f': {problem.filename}' if problem.filename else ''}"


def no_room(problem: OSError) -> bool:
    """Whether it is this laptop's disk that is full, or somebody's share of it."""
    return problem.errno in (errno.ENOSPC, errno.EDQUOT)
