"""Bad days of an office server: restarted under an apply, its packages held back."""

import pytest

from tests.lab.light import power, soon
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab

_NEW = (
    "  come: {name: Côme Lévêque, groups: [boutique]}",
    '  come: {name: Côme Lévêque, groups: [boutique]}\n  lea: {name: "Léa L\'Été {{ 7*7 }}", groups: [boutique, compta]}',
)


def again(stage: Stage) -> CommandResult:
    """The plain command once more; it must do."""
    said = stage.json("apply", "demo", "--lab", "--yes")
    assert said.code == 0, said
    return said


def knows(stage: Stage, login: str) -> str:
    """What the desktop knows of a person; nothing when it does not."""
    return stage.on("desktop", f"sudo sss_cache -E; getent passwd {login} || true")


@pytest.mark.deep
def test_a_server_restarted_in_the_middle_of_an_apply(own_office: Stage) -> None:
    """The run says the server failed or was lost, nothing hangs; the next plain apply brings it where the dossier wants it."""
    stage = own_office
    stage.edit(_NEW)
    running = stage.start("--json", "apply", "demo", "--lab", "--yes")
    journals = stage.home / "provisioner/labs" / f"demo-{stage.target.id}" / "journals"
    known = set(journals.glob("*.jsonl"))
    assert soon(lambda: any('"directory: ' in path.read_text() for path in set(journals.glob("*.jsonl")) - known), 90)
    power(stage, "off", "server")
    power(stage, "on", "server")
    out, err = running.communicate(timeout=300)

    assert running.returncode in (4, 5), out + err
    assert again(stage).data["hosts"]["server"]["failed"] == 0
    assert again(stage).data["status"] == "unchanged"
    assert "Léa L'Été {{ 7*7 }}" in knows(stage, "lea")


@pytest.mark.deep
def test_packages_held_back_are_said_and_stop_nothing(own_office: Stage) -> None:
    """Somebody held a package on purpose: apply changes nothing, verify warns with its name and passes."""
    own_office.on("server", "sudo apt-mark hold samba-libs")
    assert again(own_office).data["status"] == "unchanged"
    said = own_office.json("verify", "demo", "--lab", "--only", "updates")

    assert said.code == 0, [f for f in said.data["findings"] if f["level"] != "ok"]
    warned = [finding for finding in said.data["findings"] if finding["level"] == "warning"]
    assert [(finding["check"], finding["about"]) for finding in warned] == [("updates", "server")]
    assert "samba-libs" in warned[0]["values"]["held"]
