"""A server that pretends to be a host: shows a key of its own, takes any login, and writes down all it is given.

impostor.py ADDRESS LOG [ed25519|ecdsa|silent]; `silent` accepts connections and never says a word.
"""

import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

log = Path(sys.argv[2])
how = sys.argv[3] if len(sys.argv) > 3 else "ed25519"


def note(what: str, **more: Any) -> None:
    """Write down one thing that came in."""
    with log.open("a") as file:
        file.write(json.dumps({"what": what, **more}, default=repr) + "\n")


class Greedy(paramiko.ServerInterface):
    """Takes whatever it is offered."""

    def get_allowed_auths(self, username: str) -> str:
        """Ask for everything."""
        note("auth", user=username)
        return "password,publickey,keyboard-interactive"

    def check_auth_none(self, username: str) -> int:
        """Somebody tells who they are."""
        note("none", user=username)
        return AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        """The jackpot."""
        note("password", user=username, password=password)
        return AUTH_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """A key's name is given away; its holder can be asked to sign."""
        note("publickey", user=username, key=key.get_base64())
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        """Somebody believes that they are in."""
        note("session", kind=kind)
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """And tells what they want."""
        note("exec", command=command)
        threading.Timer(0.5, channel.close).start()
        return True


def speak(connection: socket.socket, key: paramiko.PKey) -> None:
    """One conversation."""
    transport = paramiko.Transport(connection)
    transport.add_server_key(key)
    try:
        transport.start_server(server=Greedy())
        transport.join(60)
    except (paramiko.SSHException, OSError, EOFError):
        pass


def new_key() -> paramiko.PKey:
    """A host key nobody has pinned."""
    if how == "ecdsa":
        return paramiko.ECDSAKey.generate()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = log.with_suffix(".key")
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def main() -> None:
    """Listen until ended."""
    key = new_key()
    kept = []
    with socket.create_server((sys.argv[1], 22)) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            note("connected")
            kept.append(connection)
            if how != "silent":
                threading.Thread(target=speak, args=(connection, key), daemon=True).start()


main()
