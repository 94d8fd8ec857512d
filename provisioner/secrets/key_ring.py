"""The inventory's passphrase for one sitting: in the Linux kernel's keyring, in memory only, with a time limit.

Where the keyring is not permitted (containers), in a 0600 file on tmpfs that says when it expires. Never in arguments,
in the environment or on a disk.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import platform
import time
from pathlib import Path

from provisioner.errors import BadInput
from provisioner.inventory.target import runtime_home
from provisioner.laptop import disk

_USER_KEYRING = -4  # KEY_SPEC_USER_KEYRING, <linux/keyctl.h>
_SETPERM, _SEARCH, _READ, _SET_TIMEOUT, _INVALIDATE = 5, 10, 11, 15, 21
# All rights for whoever holds it and for the same user from another session: `lock` there must work as well.
_PERMISSIONS = 0x3F3F0000
# add_key and keyctl by machine: <asm/unistd.h>; glibc has no wrapper, libkeyutils is not everywhere.
_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "armv7l": (309, 311), "i686": (286, 288)}
_SECONDS = 60  # of a minute
_TMPFS, _RAMFS = 0x01021994, 0x858458F6  # statfs(2)


def remember(root: Path, passphrase: str, minutes: int) -> str:
    """Keep the passphrase of this inventory for `minutes`, replacing what was kept; say where it is kept.

    Raises:
        BadInput: neither the keyring nor a tmpfs is there to keep it.
    """
    forget(root)
    content = passphrase.encode()
    key = _add_key(_name(root).encode(), content)
    if key is not None:
        if _keyctl(_SETPERM, key, _PERMISSIONS) == 0 and _keyctl(_SET_TIMEOUT, key, minutes * _SECONDS) == 0:
            return "kernel keyring"
        _keyctl(_INVALIDATE, key)
    path = _file(root)
    if not _in_memory(path.parent):
        raise BadInput(
            f"nowhere in memory to keep the passphrase: no kernel keyring, and {path.parent} is no tmpfs",
            hint="XDG_RUNTIME_DIR on a tmpfs, as systemd-logind gives it",
        )
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + minutes * _SECONDS  # this clock also counts while the laptop sleeps
    disk.write(path, json.dumps({"until": until, "passphrase": passphrase}), mode=0o600)
    return "file in memory"


def recall(root: Path) -> str | None:
    """The passphrase kept for this inventory, or None: never unlocked, locked again, or its time is over."""
    key = _find(root)
    if key is not None:
        size = _keyctl(_READ, key, None, 0)
        if size >= 0:
            room = ctypes.create_string_buffer(size)
            if _keyctl(_READ, key, room, size) == size:
                return room.raw.decode()
    try:
        kept = json.loads(_file(root).read_text())
        if time.clock_gettime(time.CLOCK_BOOTTIME) < kept["until"]:
            return str(kept["passphrase"])
        forget(root)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def forget(root: Path) -> None:
    """Forget the passphrase of this inventory, wherever it was kept."""
    key = _find(root)
    if key is not None:
        _keyctl(_INVALIDATE, key)
    with contextlib.suppress(FileNotFoundError):
        _file(root).unlink()


def _name(root: Path) -> str:
    return "provisioner:" + hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def _file(root: Path) -> Path:
    return runtime_home() / f"unlocked-{_name(root).partition(':')[2]}"


def _syscall(number: int, *words: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *words))


def _keyctl(operation: int, *words: object) -> int:
    """keyctl(2); -1 when refused or unknown here."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return -1
    return _syscall(calls[1], *(ctypes.c_long(w) if isinstance(w, int) else w for w in (operation, *words)))


def _add_key(name: bytes, content: bytes) -> int | None:
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return None
    ring = ctypes.c_long(_USER_KEYRING)
    key = _syscall(calls[0], b"user", name, content, ctypes.c_size_t(len(content)), ring)
    return key if key >= 0 else None


def _find(root: Path) -> int | None:
    key = _keyctl(_SEARCH, _USER_KEYRING, b"user", _name(root).encode(), 0)
    return key if key >= 0 else None


def _in_memory(folder: Path) -> bool:
    """Whether a folder lies on tmpfs: what is written there never reaches a disk (swap apart)."""
    room = ctypes.create_string_buffer(256)
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(folder), room) != 0:
        return False
    return (ctypes.c_long.from_buffer(room).value & 0xFFFFFFFF) in (_TMPFS, _RAMFS)
