"""What a dossier may say and should not: a warning with what to do, which stops nothing."""

from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory import open_inventory
from tests import network
from tests.verbs import Run

BESIDE = (  # of an office whose website is cafe.example
    "mail: {host: smtp.provider.example, user: m@cafe.example, sender: m@cafe.example}\n"
    "website: {domain: cafe.example, title: Café}\n"
)


def _office(root: Path, domain: str, beside: str = "") -> Path:
    text = network.dossier(0).partition("website:")[0].replace("  dhcp_first", f"  domain: {domain}\n  dhcp_first", 1)
    network.empty(root)
    (root / "offices/cafe").mkdir()
    (root / "offices/cafe/dossier.yml").write_text(text + beside)
    return root


@pytest.mark.parametrize(
    ("domain", "beside", "said"),
    [
        ("cafe.internal", BESIDE, ""),
        ("home.arpa", BESIDE, ""),
        ("cafe.home.arpa", BESIDE, ""),
        ("office.cafe.example", BESIDE, ""),
        ("cafe.lan", BESIDE, ".lan is nobody's"),
        ("cafe.home", "", ".home is nobody's"),
        ("cafe.corp", "", ".corp is nobody's"),
        ("cafe.fr", BESIDE, "'cafe.fr' is a public name, and nothing in this dossier is at it: is it the client's?"),
        ("bureau.arpa", BESIDE, "'bureau.arpa' is a public name"),
        ("bureau.cafe.fr", 'website: {domain: www.cafe.fr, title: Café}\n', ""),
        ("cafe.example", BESIDE, "answers for 'cafe.example' alone, so cafe.example (website.domain) is not found from there"),
        ("cafe.fr", 'website: {domain: www.cafe.fr, title: Café}\n', "so www.cafe.fr (website.domain) is not found"),
        (
            "cafe.fr",
            "mail: {host: smtp.cafe.fr, user: m@cafe.fr, sender: m@cafe.fr, imap: imap.cafe.fr}\n",
            "so imap.cafe.fr (mail.imap) is not found|so smtp.cafe.fr (mail.host) is not found",
        ),
    ],
)  # fmt: skip
def test_the_networks_domain(domain: str, beside: str, said: str, tmp_path: Path) -> None:
    """A domain that hides something from the office, or may be somebody else's, is a warning that stops nothing."""
    inventory = open_inventory(_office(tmp_path / "net", domain, beside))

    found = inventory.check()

    wanted = said.split("|") if said else []
    assert len(found) == len(wanted), found
    for sentence, problem in zip(wanted, found, strict=True):
        assert problem.warning
        assert sentence in str(problem)
        assert str(problem).startswith("offices/cafe/dossier.yml:14: lan.domain: warning: ")
        assert "office.internal" in problem.hint
    assert inventory.office("cafe").lan.domain == domain


def test_an_office_without_a_server_is_told_what_nobody_does(tmp_path: Path) -> None:
    """Printers and a second place for backups are the server's work: without one a warning says so, and nothing is refused."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    beside = f"backup: {{host: box.example, user: cafe, host_key: {key}}}\nprinters:\n  hp: {{address: 192.168.1.30}}\n"
    root = _office(tmp_path / "net", "cafe.internal", beside)
    dossier = root / "offices/cafe/dossier.yml"
    whole = dossier.read_text()
    assert open_inventory(root).check() == []
    dossier.write_text(whole.replace("kind: server", "kind: desktop"))

    said = [str(problem).partition("dossier.yml:")[2].partition(": ")[2] for problem in open_inventory(root).check()]

    assert [line.partition(";")[0] for line in said] == [
        "backup: warning: the office has no server, so nothing is backed up",
        "printers: warning: the office has no server, so nobody prints on them through the office",
    ]
    assert open_inventory(root).office("cafe").printers


def test_check_counts_warnings_apart(run: Run, tmp_path: Path) -> None:
    """Warnings alone leave exit code 0, and are counted for themselves."""
    root = _office(tmp_path / "net", "cafe.lan")

    said = run("--inventory", root, "inventory", "check")
    data: dict[str, Any] = run("--inventory", root, "--json", "inventory", "check").data

    assert said.code == 0, said
    assert said.out.endswith("1 office, 0 problems, 1 warning\n")
    assert [problem["warning"] for problem in data["problems"]] == [True]


@pytest.mark.parametrize("user", ["backup", "root", "u123456-sub1", "_cafe"])
def test_an_account_elsewhere_may_bear_any_name(user: str, tmp_path: Path) -> None:
    """What the account of the second place is called is the provider's affair."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    root = _office(tmp_path / "net", "cafe.internal", f"backup: {{host: box.example, user: {user}, host_key: {key}}}\n")

    assert not open_inventory(root).check()
    assert open_inventory(root).office("cafe").backup


def test_a_group_and_the_share_for_all_have_two_names(tmp_path: Path) -> None:
    """A group called like the pack's share for all would have its files in it."""
    root = network.with_office(tmp_path / "net")
    pack = root / "packs/standard-2026.1.yml"
    lines = pack.read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("    file_share:"))
    lines.insert(at + 1, "      settings: {common: boutique}\n")
    pack.write_text("".join(lines))

    assert [problem.what for problem in open_inventory(root).check()] == ["is the name of the share for all too"]
