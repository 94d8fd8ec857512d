"""Words of apt, dpkg and the kernel, as seen on Debian 12 and 13, and the cause that a technician reads for them."""

from pathlib import Path

import pytest

from provisioner.errors import Unreachable
from provisioner.explain import cause, corrupt
from provisioner.hosts.access import explain
from provisioner.plays.results import problem_text

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_words_have_a_cause(case: Path) -> None:
    """Each file: the words, a line of dashes, what must be said."""
    words, _, wanted = case.read_text().partition("\n----\n")

    assert cause(words) == wanted.strip()


def test_words_that_nobody_knows_have_none() -> None:
    """No cause is invented."""
    assert cause("E: Something else") == ""


def test_a_failure_is_told_by_its_cause_first() -> None:
    """Of a command that failed: the cause, then its own words; not that its exit code was not zero."""
    said = problem_text({"msg": "non-zero return code", "stderr": "cp: /etc/x: No space left on device", "rc": 1})

    assert said.splitlines()[0].startswith("no room is left on its disk")
    assert said.splitlines()[1:] == ["cp: /etc/x: No space left on device"]
    assert problem_text({"msg": "non-zero return code", "rc": 1}) == "non-zero return code"


def test_a_host_that_fell_silent_is_no_mirror_without_an_answer() -> None:
    """What ssh says of a pulled cable names the cable, not the package mirror; a refused key is no cable."""
    words = "Task failed: Data could not be sent to remote host: ssh: connect to host 192.168.1.10 port 22: No route to host"

    assert problem_text({"msg": words}, silent=True).startswith("it fell silent in the middle of this task")
    assert "mirror" not in problem_text({"msg": words}, silent=True)
    assert problem_text({"msg": "Permission denied (publickey)"}, silent=True) == "Permission denied (publickey)"


def test_a_laptop_without_room_for_a_connection_is_no_silent_host() -> None:
    """What ssh says of its own socket is this laptop's trouble, before a run (an error of ours) and in the middle of one."""
    words = "unix_listener: cannot bind to path /run/user/1000/provisioner/ssh-0/a5.Vq8G: No space left on device"

    assert problem_text({"msg": words}, silent=True) == words
    with pytest.raises(Unreachable, match=r"no room is left on this laptop's disk: .*/a5\.Vq8G$") as raised:
        explain("server", "192.168.1.10", "me", f"{words}\n")  # to the lease, in the middle of a run: no answer came
    assert raised.value.exit_code == 2


def test_a_host_that_fell_silent_in_a_loop_is_told_once() -> None:
    """Not once an item, and not by the item: the host is gone, whoever's account was at hand."""
    words = "Task failed: Data could not be sent to remote host: ssh: connect to host 192.168.1.10 port 22: No route to host"
    loop = [{"unreachable": True, "msg": words, "_ansible_item_label": login} for login in ("a.b", "p.x")]
    said = problem_text({"msg": "One or more items are unreachable", "results": loop}, silent=True)

    assert said.startswith("it fell silent in the middle of this task")
    assert said.count("No route to host") == 1


def test_every_corrupt_package_is_known_however_many() -> None:
    """All that apt names, though only the end of its words is kept for a reader."""
    lines = [f"E: Failed to fetch http://x/pool/p{n}_1%7edeb13_all.deb  File has unexpected size (107 != 9)" for n in range(99)]
    result = {"msg": "E: Unable to fetch some archives", "stderr": "\n".join([*lines, "E: Failed to fetch http://x/y.deb  404"])}

    assert len(corrupt(str(result))) == 99
    assert len(problem_text(result)) < 5000
