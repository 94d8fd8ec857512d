"""A network of one's own with a bakery in it, made by the verbs, its secrets open: for what happens to its files."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.inventory.target import Target
from provisioner.runs import audit
from tests.record import handover
from tests.verbs import BAKERY, ME, PASSPHRASE


@dataclass
class Bakery:
    """Its folders, all below `home`: what a laptop has on its disk is in `now`, what it has in memory in `run`."""

    home: Path

    @property
    def root(self) -> Path:
        """The inventory."""
        return self.home / "now/net"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.home / "now/state"

    @property
    def target(self) -> Target:
        """The bakery."""
        return Target(self.root, "bakery")

    @property
    def environment(self) -> dict[str, str]:
        """The verbs' environment: nothing of the caller's."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROVISIONER_")},
            "HOME": str(self.home), "XDG_STATE_HOME": str(self.state), "XDG_CACHE_HOME": str(self.home / "now/cache"),
            "XDG_RUNTIME_DIR": str(self.home / "run"), "GIT_CONFIG_GLOBAL": os.devnull, "PROVISIONER_INVENTORY": str(self.root),
            "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(Path(__file__).parents[1]),
            "PROVISIONER_LANG": "en",
        }  # fmt: skip

    def call(self, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A verb, not watched."""
        command = [sys.executable, "-m", "provisioner.cli", *map(str, words)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=self.environment, cwd="/")


@contextmanager
def bakery() -> Iterator[Bakery]:
    """The bakery, its machines adopted and verified; on tmpfs, where no flush waits for a disk."""
    home = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="provisioner-test-"))
    place = Bakery(home)
    try:
        for folder in (".ssh", "run", "now"):
            (home / folder).mkdir(mode=0o700)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "jo", "-f", str(home / ".ssh/id_ed25519")]
        subprocess.run(keygen, check=True)
        said = place.call("init", place.root, *ME, "--passphrase-stdin", stdin=f"{PASSPHRASE}\n")
        assert said.returncode == 0, said
        handover.git(place.root, "config", "user.name", "Jo")
        handover.git(place.root, "config", "user.email", "jo@example.org")
        member = place.root / "resellers/ma-scop.yml"
        key = (home / ".ssh/id_ed25519.pub").read_text().strip()
        other = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'B' * 43}"
        people = {"jo": ("Jo L'Hôte", key), "li": ("Li", other)}
        lines = [f'  {login}: {{name: "{name}", keys: ["{one}"]}}\n' for login, (name, one) in people.items()]
        member.write_text(member.read_text().partition("technicians:\n")[0] + "technicians:\n" + "".join(lines))
        said = place.call("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé")
        assert said.returncode == 0, said
        pins = [f"{host}.bakery {' '.join(key.split()[:2])}\n" for host in ("desktop", "router", "server")]
        place.target.known_hosts.write_text("".join(pins))
        audit.keep(place.target.summaries, handover.summary(place.target))
        handover.save(place.root, "adopted and verified")
        yield place
    finally:
        place.call("lock")
        shutil.rmtree(home)
