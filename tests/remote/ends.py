"""Both ends of a way in, the office's program as it is on its machine, in a network and mounts of its own.

ends.py FOLDER: a hub and an office meet; the hub gets a new key; the office learns of it; each time the office is asked whether
the hub answers. One line of JSON each. What is not there: the firewall's rules, where this machine has no nft.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioner.secrets import certificates
from tests.remote.test_way_in import program

TECHNICIANS = "fd0b:7a11:90c3:1::/64"


def end(folder: Path) -> None:
    """Be an end: what systemd runs, its files in a folder of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)  # wireguard-go's socket bears the link's name
    module = program("remote")
    for name, file in (("CONFIG", "config.json"), ("CLOSED", "closed"), ("LOG", "log"), ("SOCKET", "socket")):
        setattr(module, name, str(folder / file))
    real = module.tunnel.call

    def call(*words: str, **more: Any) -> str:
        return "" if words[0] == "nft" and not shutil.which("nft") else str(real(*words, **more))

    module.tunnel.call = call
    asyncio.run(module.Service().serve())


def config(own: dict[str, str], other: dict[str, str], *, hub: bool) -> dict[str, Any]:
    """What an end is set to."""
    allowed = "fd5c:81e7:2b94::/48" if hub else TECHNICIANS
    peer = {"name": "demo" if hub else "lumiere", "key": other["key_public"], "allowed": [allowed]}
    listen = {"host": "server", "listen": "fd0b:7a11:90c3::1" if hub else "fd5c:81e7:2b94::1", "to": "127.0.0.1"}
    return {
        "port": 51820 if hub else 0, "peers": [{**peer, "endpoint": "" if hub else "127.0.0.1:51820"}], "relays": [listen],
        "technicians": {}, "technicians_from": TECHNICIANS, "offices": ["fd5c:81e7:2b94::/48"] if hub else [],
        "key": own["key"], "language": "en", "switch": 0,
    }  # fmt: skip


def asked(folder: Path) -> dict[str, Any]:
    """Whether the hub answers, as the office's machine says, and how long it took to say so."""
    module = program("remote")
    vars(module)["SOCKET"] = str(folder / "socket")
    began = time.monotonic()
    said = module.ask("try")
    heard = said["peers"][0]["heard"]
    return {"answered": said["answered"], "took_s": time.monotonic() - began, "heard_s": said["now"] - heard if heard else None}


def main(words: Sequence[str]) -> None:
    """The two ends, and what is asked of one."""
    folder = Path(words[0])
    if len(words) > 1:
        end(folder)
        return
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    keys = {name: certificates.tunnel() for name in ("hub", "office", "new")}
    ends: dict[str, subprocess.Popen[bytes]] = {}

    def have(name: str, own: str, other: str) -> None:
        place = folder / name
        place.mkdir(exist_ok=True)
        (place / "config.json").write_text(json.dumps(config(keys[own], keys[other], hub=name == "hub")))
        if name in ends:
            os.kill(ends[name].pid, signal.SIGHUP)
        else:
            words = ["unshare", "--mount", sys.executable, "-m", "tests.remote.ends", str(place), "serve"]
            ends[name] = subprocess.Popen(words)
            while not (place / "socket").exists():
                time.sleep(0.1)

    try:
        have("hub", "hub", "office")
        have("office", "office", "hub")
        for change in ((), ("hub", "new", "office"), ("office", "office", "new")):
            if change:
                have(*change)
                time.sleep(1)
            print(json.dumps(asked(folder / "office")), flush=True)
    finally:
        for one in ends.values():
            one.terminate()
        for one in ends.values():
            one.wait(30)


if __name__ == "__main__":
    main(sys.argv[1:])
