"""The courses for users on real hosts, solved at the desktop's screen and in the shares, as their people do."""

import time
from typing import Any

import pytest

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.training import visit
from tests.training.test_solving import Desk, desk

__all__ = ["desk"]
pytestmark = [pytest.mark.lab, pytest.mark.deep]
NEW = "quatre-Mots-sans-rapport-7"


class Come:
    """Côme Lévêque at the desktop of a trainee's office."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("XDG_STATE_HOME", "PROVISIONER_LAB_DIR"):
            monkeypatch.setenv(name, desk.stage.environment[name])
        self.desk = desk
        self.target = Target(desk.home / "inventory", "demo", lab=True)
        self.office = open_inventory(self.target.inventory).office("demo")
        self.password = visit.person(self.target, "come")["password"]

    def sits_down(self, *steps: str) -> dict[str, Any]:
        """Log in at the log-in screen and do these steps; each must go well."""
        said = visit.sit_down(self.target, "come", ["desktop", *steps], password=self.password, new=NEW)
        for step in ("desktop", *steps):
            assert said.get(step, {}).get("ok"), {name: one.get("evidence") for name, one in said.items()}
        return said

    def chooses_a_password(self) -> None:
        """In the window of the menu."""
        self.sits_down("password")
        self.password = NEW

    def does(self, what: str, **more: Any) -> None:
        """One thing of `user_session`, which must go well."""
        asked = {**visit.person(self.target, "come"), "password": self.password, "do": what, **more}
        said = visit.act(self.target, "desktop", "user_session", asked)
        assert said["ok"], said

    def files(self, commands: str, written: str = "") -> None:
        """Work with the common folder's files."""
        server = f"server.{self.office.lan.domain}"
        self.does("work", server=server, share="commun", commands=commands, written=written)

    def waits_until(self, step: str, timeout_s: float = 150) -> None:
        """Until a step holds: what is saved in the site's folder is online within a minute."""
        until = time.monotonic() + timeout_s
        while not self.desk.steps()[step]:
            assert time.monotonic() < until, self.desk.on("server", "sudo cat '/srv/share/commun/Site web/_état.txt' || true")
            time.sleep(5)


@pytest.mark.parametrize("desk", ["premier-jour"], indirect=True)
def test_the_first_day_goes_as_its_course_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password at the screen, a document in the common folder, a page on paper, an appointment: passed."""
    come = Come(desk, monkeypatch)
    come.chooses_a_password()
    assert [step for step, holds in desk.steps().items() if holds] == ["password"]
    come.sits_down("document")
    come.files('put out.txt "bonjour.txt"', written="Bonjour à toute la boutique.\n")
    about = {"at": f"calendar.{come.office.lan.domain}", "name": "agenda", "token": "course", "today": True, "there": True}
    come.does("calendar", text="Bienvenue", **about)
    assert all(desk.steps().values())

    said = desk.training("finish").data

    assert (said["passed"], said["broken"]) == (True, [])


@pytest.mark.parametrize("desk", ["mots-de-passe"], indirect=True)
def test_passwords_and_messages_go_as_their_course_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long password, a safe, the three false messages put aside; a true one put aside is no longer right."""
    come = Come(desk, monkeypatch)
    come.chooses_a_password()
    make = "printf 'une longue phrase\\nune longue phrase\\n' | keepassxc-cli db-create -p /home/come/coffre.kdbx"
    desk.on("desktop", f'sudo runuser -u come -- sh -c "{make}"')
    for name in ("2-livraison", "4-banque", "6-cartes", "1-fournisseur"):
        come.files(f'rename "Formation\\messages\\{name}.eml" "Formation\\Faux\\{name}.eml"')
    assert desk.steps() == {"password": True, "safe": True, "phishing": False}
    come.files('rename "Formation\\Faux\\1-fournisseur.eml" "Formation\\messages\\1-fournisseur.eml"')

    said = desk.training("finish").data

    assert (said["passed"], said["broken"]) == (True, [])


PROMO = "---\ntitre: Semaine des fromages\nmenu: 7\n---\nToute la semaine, trois fromages à goûter. [Nos horaires](horaires.md)\n"
NEWS = "---\ntitre: Fermeture exceptionnelle\ndate: 2026-12-01\n---\nLe 24 décembre, nous fermons à midi.\n"


@pytest.mark.parametrize("desk", ["site-a-jour"], indirect=True)
def test_the_website_is_kept_up_to_date_as_its_course_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link mended, a piece of news, a changed text: online within a minute each, from the common folder alone."""
    come = Come(desk, monkeypatch)
    come.files('put out.txt "Site web/promo.md"', written=PROMO)
    come.waits_until("mend")
    services = (desk.home / "inventory/offices/demo/website/services.md").read_text()
    come.files('put out.txt "Site web/actualites/fermeture.md"', written=NEWS)
    come.files('put out.txt "Site web/services.md"', written=f"{services}\nNous livrons le samedi jusqu'à 18 heures.\n")
    come.waits_until("news")
    come.waits_until("text")

    said = desk.training("finish").data

    assert (said["passed"], said["broken"]) == (True, [])
