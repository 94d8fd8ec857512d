"""Which commands bring a host's accounts to what is wanted; the module itself, without a host."""

import importlib.util
import pwd
from pathlib import Path
from types import ModuleType

import pytest

MODULE = Path(__file__).parents[2] / "playbooks/plugins/modules/accounts.py"
ZOE = {"login": "zoe", "name": "Zoé N'Diaye", "shell": "/bin/bash", "groups": ["office", "caisse"], "home": True}


@pytest.fixture(scope="module")
def accounts() -> ModuleType:
    """`accounts` as Python has it."""
    spec = importlib.util.spec_from_file_location("accounts", MODULE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def known(name: str = "Zoé N'Diaye", shell: str = "/bin/bash") -> pwd.struct_passwd:
    """Her entry in /etc/passwd."""
    return pwd.struct_passwd(("zoe", "x", 1001, 1001, name, "/home/zoe", shell))


def test_one_who_is_as_wanted_is_left_alone(accounts: ModuleType) -> None:
    """Further groups that she is in stay hers."""
    assert accounts.changed(ZOE, known(), {"zoe", "office", "caisse", "lp"}, "") == ([], [])


@pytest.mark.parametrize(
    ("entry", "groups", "ends", "words"),
    [
        (known(name="zoe"), {"office", "caisse"}, "", ["-c", "Zoé N'Diaye"]),
        (known(shell="/usr/sbin/nologin"), {"office", "caisse"}, "", ["-s", "/bin/bash"]),
        (known(), {"office"}, "", ["-a", "-G", "caisse"]),
        (known(), {"office", "caisse"}, "1", ["-e", ""]),
    ],
    ids=["name", "shell", "group", "expired"],
)
def test_what_differs_alone_is_changed(
    accounts: ModuleType, entry: pwd.struct_passwd, groups: set[str], ends: str, words: list[str]
) -> None:
    """usermod gets what differs and nothing else, and the plan says it in a sentence."""
    found, said = accounts.changed(ZOE, entry, groups, ends)

    assert found == words
    assert len(said) == 1


def test_a_new_one_gets_what_was_asked(accounts: ModuleType) -> None:
    """A login is never taken for an option; a system without homes makes none."""
    assert accounts.made(ZOE, own_group=False) == [
        "useradd", "-s", "/bin/bash", "-c", "Zoé N'Diaye", "-m", "-G", "office,caisse", "--", "zoe",
    ]  # fmt: skip
    assert "-M" in accounts.made({**ZOE, "home": False}, own_group=True)
    assert "-N" in accounts.made({**ZOE, "home": False}, own_group=True)


def test_a_name_cannot_break_the_line_it_stands_in(accounts: ModuleType) -> None:
    """What a client typed lands as it is but for what ends a field of /etc/passwd."""
    assert accounts.gecos("Zoé:0:0,x\n{{ 7*7 }}") == "Zoé 0 0 x {{ 7*7 }}"


def test_an_account_closed_by_a_date_is_seen(accounts: ModuleType) -> None:
    """As revoking a technician leaves it; an empty field and -1 mean never."""
    shadow = "root:*:1:0:99999:7:::\nzoe:!:20000:0:99999:7::1:\nzoeli:!:20000:0:99999:7:::\n"

    assert accounts.expiry("zoe", shadow) == "1"
    assert accounts.expiry("zoeli", shadow) == ""
    assert accounts.expiry("nobody", shadow) == ""
