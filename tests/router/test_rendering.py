"""What a dossier makes of a router: each folder of a platform is a case, `dossier.yml` in, what the router is given out.

`python -m tests.router.test_rendering` writes what comes out now, to be read before it is kept.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from provisioner.inventory import open_inventory
from provisioner.inventory.models import Kind
from provisioner.router.description import Description, describe
from provisioner.router.platforms import rendering
from provisioner.secrets.models import Secrets
from tests import network

ROOM = Path(__file__).parent
CASES = sorted(path.parent for path in ROOM.glob("*/*/dossier.yml"))
SECRETS = Secrets(
    wan={"password": 'm"d\\p de la ligne'},
    wifi={"staff": "cle-du-personnel {{ 7*7 }}", "guests": "cle-des-invites"},
    tunnel={"key": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="},
)


def description(case: Path, folder: Path) -> Description:
    """The description of the router of a case."""
    root = network.empty(folder / "net")
    (root / "offices/shop").mkdir()
    shutil.copy(case / "dossier.yml", root / "offices/shop/dossier.yml")
    inventory = open_inventory(root)
    office = inventory.office("shop")
    router = next(name for name, host in office.hosts.items() if host.kind is Kind.ROUTER)
    return describe(office, inventory.pack(office.pack), SECRETS, router)


def rendered(case: Path, folder: Path) -> dict[str, str]:
    """What the router of a case is given, by a name that a file may bear."""
    wanted = description(case, folder)
    platform = rendering(case.parent.name)
    found = {path.strip("/").replace("/", "_"): file.content for path, file in platform.render(wanted).items()}
    if said := platform.cannot(wanted):
        found["cannot.txt"] = "\n".join(said) + "\n"
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_dossier_makes_the_router_s_configuration(case: Path, tmp_path: Path) -> None:
    """Equal dossiers give equal bytes, and these."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in case.iterdir() if path.name != "dossier.yml"}

    assert rendered(case, tmp_path) == kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_no_secret_is_in_a_file_that_is_shown(case: Path, tmp_path: Path) -> None:
    """What holds a secret is marked so, and only root reads it, or the program that needs it."""
    secrets = [*SECRETS.wan.values(), *SECRETS.wifi.values(), SECRETS.tunnel["key"], 'm\\"d\\\\p']
    for path, file in rendering(case.parent.name).render(description(case, tmp_path)).items():
        assert file.secret or not any(secret in file.content for secret in secrets), path
        assert not file.secret or file.mode in ("0600", "0640"), path


def test_cases_name_every_word_of_the_network() -> None:
    """A word of the dossier that no case uses would be rendered unseen."""
    words = {"wan", "guests", "wifi", "forwards", "reserved", "time", "syslog", "tunnel"}
    used = {word for case in CASES for word in yaml.safe_load((case / "dossier.yml").read_text())}
    assert words <= used


if __name__ == "__main__":
    import tempfile

    for one in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            for old in one.iterdir():
                if old.name != "dossier.yml":
                    old.unlink()
            for name, text in rendered(one, Path(scratch)).items():
                (one / name).write_text(text, encoding="utf-8")
