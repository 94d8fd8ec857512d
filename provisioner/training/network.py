"""The network that a trainee works in: a copy of the course's own, with the course's office alone, as a git repository."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provisioner.inventory.courses import Course
from provisioner.laptop import git
from provisioner.secrets import passphrase

PASSPHRASE = "les copeaux volent bas"  # noqa: S105 - of an inventory that holds nobody's secrets
# The same commit each time: an office that starts from a checkpoint was applied from the very copy it is worked on with.
_WHEN = "2026-01-01T00:00:00Z"


def copy(root: Path, course: Course, to: Path) -> None:
    """Make it at `to`, where nothing is yet."""
    for folder in ("resellers", "packs", "schema"):
        if (root / folder).is_dir():
            shutil.copytree(root / folder, to / folder)
    (to / "offices").mkdir(parents=True)
    if course.start != "nothing":
        office = to / "offices" / course.office
        office.mkdir()
        for name in ("dossier.yml", "website"):
            there = root / "offices" / course.office / name
            if there.is_dir():
                shutil.copytree(there, office / name)
            elif there.exists():
                shutil.copy2(there, office / name)
        if course.hosts:
            keep_hosts(office / "dossier.yml", course.hosts)
    else:
        (to / "offices/.gitkeep").touch()
        passphrase.create(to, PASSPHRASE)  # what a new office's secrets are locked with
        passphrase.unlock(to, PASSPHRASE)
    git.create(to)
    for words in (["add", "-A"], ["commit", "-q", "-m", f"the course {course.name}"]):
        _git(to, *words)
    # who works here and signs what is committed
    _git(to, "config", "user.name", "trainee")
    _git(to, "config", "user.email", "trainee@course.example")


def _git(root: Path, *words: str) -> None:
    identity = {"GIT_AUTHOR_NAME": "course", "GIT_AUTHOR_EMAIL": "course@course.example"}
    committer = {name.replace("AUTHOR", "COMMITTER"): value for name, value in identity.items()}
    environment = {
        **{"PATH": "/usr/bin:/bin", "HOME": str(root), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
        **identity, **committer, "GIT_AUTHOR_DATE": _WHEN, "GIT_COMMITTER_DATE": _WHEN,
    }  # fmt: skip
    subprocess.run(["git", *words], cwd=root, env=environment, check=True, capture_output=True)


def keep_hosts(dossier: Path, hosts: Sequence[str]) -> None:
    """Leave only these hosts in a dossier; without a router its guests go too."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    data = yaml.load(dossier)
    for name in list(data["hosts"]):
        if name not in hosts:
            del data["hosts"][name]
    if not any(host["kind"] == "router" for host in data["hosts"].values()):
        data.pop("guests", None)  # whom nobody would lead out
    with dossier.open("w") as file:
        yaml.dump(data, file)
