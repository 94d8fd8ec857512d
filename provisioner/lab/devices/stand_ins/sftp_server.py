"""The files of a stand-in by SFTP, for systems that have them (`files`): what lies where is the system's own business."""

import os
from pathlib import Path
from typing import Protocol

import paramiko


class Files(Protocol):
    """A system's files."""

    def files(self) -> dict[str, Path]:
        """All of them, by the names that the system gives them."""

    def place(self, name: str) -> Path:
        """Where one lies, or would."""


class Folder(paramiko.SFTPServerInterface):
    """One session."""

    def __init__(self, _server: paramiko.ServerInterface, files: Files) -> None:
        super().__init__(_server)
        self.all = files

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        """What lies in a folder."""
        inside = path.strip("/")
        if inside and inside not in self.all.files():
            return paramiko.sftp.SFTP_NO_SUCH_FILE
        found = []
        for name, place in self.all.files().items():
            if name.rpartition("/")[0] == inside:
                found.append(paramiko.SFTPAttributes.from_stat(place.stat(), name.rpartition("/")[2]))
        return found

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        """What a file is."""
        try:
            return paramiko.SFTPAttributes.from_stat(self.all.place(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        """A file to read or write."""
        del attr
        try:
            number = os.open(self.all.place(path), flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        file = os.fdopen(number, "wb" if flags & os.O_WRONLY else "r+b" if flags & os.O_RDWR else "rb")
        handle.readfile = handle.writefile = file  # type: ignore[attr-defined]
        return handle

    def remove(self, path: str) -> int:
        """Remove a file."""
        try:
            self.all.place(path).unlink()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return paramiko.sftp.SFTP_OK


__all__ = ["Files", "Folder"]
