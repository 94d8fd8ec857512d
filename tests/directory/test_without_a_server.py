"""An office without a server: the same dossier, its people's accounts on their machines."""

from pathlib import Path

import pytest
import yaml

from tests.directory.people import asked, changes_password, logs_in, passwords
from tests.lab.light import light
from tests.stage import Stage

pytestmark = pytest.mark.lab

CHANGED = "Ma-propre-clef-7"


def again(stage: Stage) -> str:
    """What one more apply did."""
    said = stage.json("apply", "demo", "--lab", "--yes")
    assert said.code == 0, said
    return str(said.data["status"])


@pytest.mark.deep
def test_people_come_stay_and_leave(tmp_path: Path) -> None:
    """First passwords are set once, renewed ones too. Who left is shut out, their files are the successor's.

    Who comes back is let in.
    """
    stage = light(tmp_path, {"desktop": ["base"], "router": ["base"]}, hosts=("router", "desktop"))
    try:
        for words in (("lab", "up", "demo"), ("adopt", "demo", "--lab", "--yes")):
            assert stage.run(*words).code == 0
        assert again(stage) == "changed"
        assert again(stage) == "unchanged"

        known = passwords(stage)
        for login, password in known.items():
            assert logs_in(stage, login, password), login
            assert stage.on("desktop", f"stat -c '%U %a' /home/{login}").split() == [login, "700"]
        assert not asked(stage, "zoe", known["come"])
        assert set(stage.on("desktop", "id -nG come").split()) == {"come", "office", "boutique"}
        assert changes_password(stage, "zoe", known["zoe"], CHANGED)
        assert stage.run("person", "password", "demo", "aicha", "--lab").code == 0
        assert again(stage) == "changed"
        assert not asked(stage, "aicha", known["aicha"])
        assert logs_in(stage, "aicha", passwords(stage)["aicha"])
        stage.on("desktop", "echo bonjour | sudo -u come tee /home/come/lettre >/dev/null")

        assert stage.run("person", "remove", "demo", "come", "--successor", "zoe", "--yes").code == 0
        plan = stage.json("plan", "demo", "--lab")
        assert (plan.code, len(plan.data["changes"]["desktop"])) == (3, 1), plan
        assert again(stage) == "changed"
        assert not asked(stage, "come", known["come"])
        assert stage.on("desktop", "id -nG come").split() == ["come"]
        assert stage.on("desktop", "sudo sh -c 'stat -c %U /home/zoe/come/lettre; cat /home/zoe/come/lettre'").split() == [
            "zoe",
            "bonjour",
        ]
        assert logs_in(stage, "zoe", CHANGED)
        assert again(stage) == "unchanged"

        dossier = yaml.safe_load(stage.dossier.read_text())
        dossier["people"]["come"] = {"name": dossier.pop("former")["come"]["name"], "groups": ["boutique"]}
        stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
        stage.git("commit", "-q", "-a", "-m", "back")
        assert again(stage) == "changed"
        assert logs_in(stage, "come", passwords(stage)["come"])
        assert set(stage.on("desktop", "id -nG come").split()) == {"come", "office", "boutique"}
        assert again(stage) == "unchanged"
    finally:
        stage.run("lab", "down", "demo")
