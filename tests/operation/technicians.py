"""Two technicians of one reseller at one real office: a lab stands in for it, each has a laptop of their own.

The verbs run plugged into the lab's LAN, without --lab, from two copies of one inventory with a state folder each.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.secrets import passphrase
from tests.lab.light import Technician, light

PASSPHRASE = "une phrase assez longue"
FIRST, SECOND = "c.lefevre", "n.petit"


@contextmanager
def pair(folder: Path) -> Iterator[tuple[Technician, Technician]]:
    """Two technicians who both have adopted the office's two machines."""
    stage = light(folder, {})
    reseller = stage.inventory / "resellers/scop-lumiere.yml"
    technicians = []
    for login in (FIRST, SECOND):
        key = folder / login
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", str(key)], check=True)
        technicians.append(Technician(login, stage, folder / f"copy-{login}", folder / f"state-{login}", key))
        text = reseller.read_text()
        at = text.index("keys:", text.index(f"  {login}:"))
        line = text[at : text.index("\n", at)]
        reseller.write_text(
            text.replace(line, f"keys: ['{' '.join(key.with_suffix(key.suffix + '.pub').read_text().split()[:2])}']")
        )
    one, two = technicians
    stage.git("commit", "-q", "-a", "-m", "our keys")
    passphrase.create(stage.inventory, PASSPHRASE)
    try:
        up = stage.json("lab", "up", "demo")
        assert up.code == 0, up
        login = up.data["login"]

        def take_in(technician: Technician, source: Path) -> None:
            subprocess.run(["git", "clone", "-q", str(source), str(technician.clone)], check=True)
            technician.git("config", "provisioner.technician", technician.login)
            technician.git("config", "provisioner.reseller", "scop-lumiere")
            technician.git("config", "provisioner.key", str(technician.key))
            if not (technician.clone / "network.key").exists():
                shutil.copy(stage.inventory / "network.key", technician.clone)
            technician.home.mkdir()
            assert technician.run("unlock", "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 0
            adopted = technician.run(
                "adopt", "demo", "--yes", "--user", login["user"], "--password-stdin", stdin=login["password"] + "\n"
            )
            assert adopted.code == 0, adopted

        take_in(one, stage.inventory)
        assert one.run("secrets", "show", "demo", "--complete").code == 0
        one.git("add", "-A")
        one.git("commit", "-q", "-m", "adopted")
        take_in(two, one.clone)
        for host in ("router", "server"):
            # a lab's hosts reach packages through its own proxy only
            one.on(host, f"echo 'Acquire::http::Proxy \"{up.data['proxy']}\";' | sudo tee /etc/apt/apt.conf.d/99lab >/dev/null")
            one.on(host, "sudo apt-get -qq update && sudo touch /var/lib/apt/lists")
        yield one, two
    finally:
        for technician in technicians:
            if technician.clone.exists():
                technician.run("lock")
        stage.run("lab", "down", "demo")
