"""A class: an office each, and a page that says who is where and who asks for help; what needs a lab is at the end."""

import http.client
import re
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.training import classroom, find, trainee
from tests.monitor.test_serving import free_port
from tests.training.test_trainee import COURSE, OFFICE, start
from tests.verbs import Run


class Page:
    """The class page, asked as a browser asks."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """One request; (status, text)."""
        there = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            there.request(method, path, urllib.parse.urlencode(form or {}), headers)
            said = there.getresponse()
            return said.status, said.read().decode()
        finally:
            there.close()

    def act(self, name: str, do: str, **more: str) -> int:
        """Press a button of the page as it is now."""
        token = re.findall(r'name="token" value="([^"]+)"', self.ask("GET", "/")[1])[0]
        return self.ask("POST", "/act", {"token": token, "trainee": name, "do": do, **more})[0]

    def wait(self, true: Callable[[str], bool], timeout_s: float = 60) -> str:
        """The page, once it is so."""
        until = time.monotonic() + timeout_s
        while not true(page := self.ask("GET", "/")[1]):
            assert time.monotonic() < until, page
            time.sleep(0.3)
        return page


Serve = Callable[..., Page]


@pytest.fixture
def serve(run: Run) -> Iterator[Serve]:
    """`training class` with these words, once its page answers; ended with the test."""
    del run  # its folders are set
    running = []

    def served(*words: str) -> Page:
        port = free_port()
        command = [sys.executable, "-m", "provisioner.cli", "training", "class", *words, "--port", str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        page = Page(port)
        for _ in range(300):
            try:
                page.ask("GET", "/")
            except OSError:
                assert running[-1].poll() is None, "it ended"
                time.sleep(0.2)
            else:
                return page
        raise AssertionError("it does not answer")

    yield served
    for one in running:
        one.terminate()
        one.wait(20)


def test_the_page_says_who_is_where_and_who_asks_for_help(run: Run, serve: Serve) -> None:
    """Each has an inventory of their own; who asks stands first, in their words, until help was given."""
    page = serve(COURSE, "--name", "anna", "--name", "bea")
    assert run("training", "help", COURSE, "--trainee", "bea", "--about", "<b>lost</b> {{ 7*7 }}").code == 0
    assert run("office", "new", "atelier", *OFFICE, "--inventory", find(COURSE, "anna").inventory).code == 0
    assert run("training", "check", COURSE, "--trainee", "anna").code == 7

    shown = page.ask("GET", "/")[1]
    assert re.findall(r'<th scope="row">([a-z]+)', shown) == ["bea", "anna"]
    assert "&lt;b&gt;lost&lt;/b&gt; {{ 7*7 }}" in shown
    assert "1 of 4 steps hold" in shown
    assert "The machines are adopted" in shown  # where anna is
    assert 'lang="fr"' in page.ask("GET", "/", None, **{"Accept-Language": "fr"})[1]

    assert page.act("bea", "answered") == 303
    page.wait(lambda now: "Help was given" not in now)
    assert find(COURSE, "bea").asked == ""


def test_the_trainer_resets_one_and_the_others_stay(run: Run, serve: Serve) -> None:
    """A reset from the page undoes what one did and nobody else's; who is in the class already stays when it begins anew."""
    start(run, "anna")
    page = serve(COURSE, "--name", "anna", "--name", "bea")
    for name in ("anna", "bea"):
        assert run("office", "new", "atelier", *OFFICE, "--inventory", find(COURSE, name).inventory).code == 0

    assert page.act("bea", "reset") == 303
    page.wait(lambda now: "is being reset" not in now)

    assert not (find(COURSE, "bea").inventory / "offices/atelier").exists()
    assert (find(COURSE, "anna").inventory / "offices/atelier/dossier.yml").exists()


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"trainee": "anna", "do": "reset"}, 403),
        ({"trainee": "anna", "do": "reset", "token": "guessed"}, 403),
        ({"trainee": "x" * 5000, "do": "reset"}, 413),
    ],
    ids=["no token", "another token", "too long"],
)
def test_a_form_of_another_page_does_nothing(serve: Serve, form: dict[str, str], code: int) -> None:
    """What another page makes a browser send is refused; so is a name that is none, and another host's name for us."""
    page = serve(COURSE, "--name", "anna")
    (find(COURSE, "anna").inventory / "mark").touch()

    assert page.ask("POST", "/act", form)[0] == code
    assert page.act("../anna", "reset") == 404
    assert page.act("nobody", "reset") == 404
    assert page.act("anna", "wipe") == 404
    assert page.ask("GET", "/", None, Host="page.example")[0] == 400
    assert (find(COURSE, "anna").inventory / "mark").exists()


def test_what_fails_for_one_is_said_on_the_page(serve: Serve) -> None:
    """A fault that the course has not, asked for by hand, is one sentence in that trainee's line; the page goes on."""
    page = serve(COURSE, "--name", "anna", "--name", "bea")

    assert page.act("anna", "plant", fault="cable") == 303

    shown = page.wait(lambda now: "it failed" in now)
    assert "the course premier-bureau has no fault &#39;cable&#39;" in shown
    assert shown.count("it failed") == 1


def test_for_whom_it_cannot_begin_is_said_and_the_others_go_on(run: Run, serve: Serve) -> None:
    """Something in the way of one trainee's folder: their line says so, the others have their office."""
    start(run, "anna")
    (trainee.home() / COURSE / "bea").write_text("in the way")

    page = serve(COURSE, "--name", "bea", "--name", "cleo")

    shown = page.ask("GET", "/")[1]
    assert re.findall(r'<th scope="row">([a-z]+)', shown) == ["anna", "cleo", "bea"]
    assert "has no office" in shown
    assert (find(COURSE, "cleo").inventory / "offices").is_dir()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", "anna", "--name", "anna"), "two trainees are called anna"),
        (("--trainees", "3", "--name", "anna"), "3 trainees, but 1 names"),
        (("--trainees", "99"), "a class of 99 is more than one machine carries"),
        (("--trainees", "2", "--listen", "0.0.0.0"), "only over TLS and with a password"),
        (("--name", "Anna"), "is no name for a trainee"),
        ((), "nobody is in this course"),
    ],
)
def test_a_class_that_cannot_be_is_one_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    """Two with one name, more than a machine carries, a page that anybody could read: said, and nobody is in the course."""
    told = run("training", "class", COURSE, *words)

    assert told.code in (2, 4)
    assert said in told.err + told.out
    assert trainee.every() == []


def test_the_end_of_a_class_takes_every_office_away(run: Run) -> None:
    """`--end` leaves nobody in the course, and nothing of theirs."""
    start(run, "anna")
    start(run, "bea")

    told = run("training", "class", COURSE, "--end", "--json")

    assert (told.code, sorted(told.data["gone"])) == (0, ["anna", "bea"])
    assert trainee.every() == []


def test_names_are_by_number_unless_given() -> None:
    """Eight trainees without names have eight different ones."""
    assert classroom.names(8, ()) == [f"trainee-{number}" for number in range(1, 9)]
    assert classroom.names(2, ("anna", "bea")) == ["anna", "bea"]


def test_help_is_asked_by_who_is_in_the_course(run: Run) -> None:
    """Who is not in it is told so; a long text is cut, and control characters are shown, not sent."""
    assert run("training", "help", COURSE, "--trainee", "anna").code == 2
    start(run, "anna")
    assert run("training", "help", COURSE, "--trainee", "anna", "--about", "\x1b[31m" + "x" * 900).code == 0

    asks = find(COURSE, "anna").asks
    assert len(asks) == 500
    assert "\x1b" not in asks
    assert Path(find(COURSE, "anna").folder / "trainee.json").stat().st_mode & 0o077 == 0
