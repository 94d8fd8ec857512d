"""Opens and closes the way to an office again and again, killed at what it writes; run in a network and mounts of its own.

killed.py FOLDER STEP: at every STEPth thing. The office's server is a stand-in at its own address: it shows the pinned key,
tells the time and keeps notes. All else is real: OpenSSH, git, WireGuard, the link, its routes. One line of JSON for each kill.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paramiko
import yaml
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from provisioner.inventory import way_in
from provisioner.inventory.target import Target
from provisioner.operation.from_afar import laptop_key, read
from provisioner.remote import announce, close_way, open_way
from tests.remote.network import HUB, network

ME, BECAUSE = "c.lefevre", "mises à jour"
WRITES = {"os.rename", "os.link", "os.remove", "os.mkdir", "subprocess.Popen"}


class Server(paramiko.ServerInterface):
    """Takes the one key, tells the time, and keeps the note it is given."""

    def __init__(self, log: Path) -> None:
        """Its notes go to this file."""
        self.log = log

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 - paramiko's signature
        """Whoever comes."""
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's signature
        """By key."""
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        """A session."""
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """One command."""
        threading.Thread(target=self._do, args=(channel, command), daemon=True).start()
        return True

    def _do(self, channel: paramiko.Channel, command: bytes) -> None:
        if b"note" in command:
            line = channel.makefile("rb").readline()
            with self.log.open("ab") as file:
                file.write(line)
        channel.sendall(f"{int(time.time())}\n".encode())
        channel.send_exit_status(0)
        channel.close()


def serve(address: str, key: paramiko.PKey, log: Path) -> None:
    """Whoever calls is answered, one thread a connection."""
    with socket.create_server((address, 22), family=socket.AF_INET6) as server:
        while True:
            connection, _ = server.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.start_server(event=threading.Event(), server=Server(log))


def stage(folder: Path) -> Target:
    """The office as a real one, with all that `remote open` asks of the inventory."""
    made = network(folder)["demo"]
    target = Target(made.inventory, "demo")
    reseller = made.inventory / "resellers/scop-lumiere.yml"
    said = yaml.safe_load(reseller.read_text())
    said["technicians"][ME]["tunnel_key"] = laptop_key(read(target))[1]
    reseller.write_text(yaml.safe_dump(said, allow_unicode=True))
    (made.inventory / f"offices/{HUB}/remote.pub").write_text(laptop_key(read(target))[1] + "\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    for word, value in (("technician", ME), ("reseller", "scop-lumiere"), ("key", str(folder / "key"))):
        made.git("config", f"provisioner.{word}", value)
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "the way in")
    return target


def counted(at: int) -> None:
    """From here on this process is killed at the thing it writes that has this number; 0: never."""
    seen = 0

    def heard(what: str, words: tuple[Any, ...]) -> None:
        nonlocal seen
        if what in WRITES or (what == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)


def child(do: str, target: Target, at: int) -> int:
    """Do it in a process that is killed there; its end."""
    pid = os.fork()
    if not pid:
        try:
            sys.stdout = io.StringIO()
            counted(at)
            if do == "open":
                open_way(target, BECAUSE)
                announce(target, say=lambda _: None)
            else:
                close_way(target)
            os._exit(0)
        except BaseException as problem:
            os.write(2, f"{do} {at}: {type(problem).__name__}: {problem}\n".encode())
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def left(target: Target, log: Path) -> dict[str, Any]:
    """How it is now: marked open or not; what the office and the audit have; whether the office is led into the link."""
    link = way_in.link(Target(target.inventory, HUB))
    routes = subprocess.run(["ip", "-6", "route", "show", "dev", link], capture_output=True, text=True, check=False).stdout
    return {
        "open": way_in.opened(target) is not None,
        "noted": len(log.read_text().splitlines()) if log.exists() else 0,
        "kept": len(list(target.summaries.glob("*.json"))),
        "led": "fd5c:81e7:2b94::/48" in routes,
        "link": way_in.linked(link),
    }


def main() -> None:
    """Open and close, each killed once at every place."""
    folder, step = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["XDG_STATE_HOME"] = str(folder / "home")
    target, log = stage(folder), folder / "notes"
    way = read(target)
    address = way.address(way.gate)
    key = paramiko.RSAKey.generate(2048)
    target.known_hosts.write_text(f"{target.alias(way.gate)} {key.get_name()} {key.get_base64()}\n")
    for words in (["link", "set", "lo", "up"], ["address", "add", f"{address}/128", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    pid = os.fork()
    if not pid:
        serve(address, key, log)
    try:
        for do in ("open", "close"):
            number, ended = 1 - step, signal.SIGKILL.value
            while os.WIFSIGNALED(ended):
                number += step
                if do == "close":
                    child("open", target, 0)
                before = left(target, log)
                ended = child(do, target, number)
                after = left(target, log)
                again = child("close", target, 0)
                print(json.dumps({"do": do, "at": number, "ended": ended, "before": before, "after": after, "again": again,
                                  "closed": left(target, log)}), flush=True)  # fmt: skip
    finally:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
