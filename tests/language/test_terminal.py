"""The terminal speaks the operator's language; what is kept stays English."""

import json
import os
import re

import pytest

from provisioner.cli.__main__ import VERBS, main
from provisioner.language.terminal import spoken, told


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "C"}, "en"),
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "fr_BE@euro", "LANG": "C"}, "fr"),
        ({"PROVISIONER_LANG": "fr", "LC_ALL": "C"}, "fr"),
        ({"LC_ALL": "", "LANG": "fr"}, "fr"),
    ],
)
def test_the_environment_says_which_language(environment: dict[str, str], language: str) -> None:
    """Ours first, then LC_ALL, LC_MESSAGES and LANG, as every program of the system reads them."""
    assert spoken(environment) == language


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("no office 'nix' in the inventory /srv/inv", "aucun bureau « nix » dans l’inventaire /srv/inv"),
        ("server: {x} {{ 7*7 }} does not answer: no answer", None),
        ("réserve: Bureau l'Épicerie", "réserve: Bureau l'Épicerie"),
        ("[3/9] Restart the directory", "[3/9] Restart the directory"),
        ("server", "server"),
        ("1 office, 0 problems", "1 bureau, 0 problèmes"),
        ("2 offices, 1 problem", "2 bureaux, 1 problème"),
    ],
)
def test_a_sentence_is_found_and_names_are_kept(english: str, french: str | None) -> None:
    """Our words are translated; a name, a path and what a host said stay as they are."""
    french_told = told(english, "fr").replace("\u00a0", " ").replace("\u202f", " ")
    if french is None:
        assert "{x} {{ 7*7 }}" in french_told
    else:
        assert french_told in (french, french.replace("Restart the directory", "Redémarrer l’annuaire"))
    assert told(english, "en") == english


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    with pytest.raises(SystemExit):
        main(list(words))
    return capsys.readouterr()


def test_an_error_and_help_are_french_and_json_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LANG decides, --lang decides over it, and what a program reads is English whatever they say."""
    for name in ("PROVISIONER_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(os.environ, "LANG", "fr_FR.UTF-8")

    assert "aucun bureau" in call(capsys, "office", "show", "nix")[1]
    assert "no office" in call(capsys, "office", "show", "nix", "--lang", "en")[1]
    assert json.loads(call(capsys, "--json", "office", "show", "nix")[0])["error"].startswith("no office 'nix'")
    assert "Les bureaux" in call(capsys, "--help")[0]
    assert "Offices: new" in call(capsys, "--lang", "en", "--help")[0]


def test_words_that_stand_alone_are_french_and_names_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads of columns, titles and exit codes are told; a host's or role's name beside them stays, and columns stay aligned."""
    monkeypatch.setenv("PROVISIONER_LANG", "fr")

    offices = call(capsys, "office", "list")[0].splitlines()
    assert offices[0].startswith("bureau  ")
    assert len({line.index(end) for line, end in zip(offices, ("revendeur", "breizh", "scop-", "garrigue"), strict=True)}) == 1
    shown = call(capsys, "office", "show", "demo")[0]
    assert "\nmachine  sorte    adresse " in shown
    assert "\nrouter   router   192.168.1.1 " in shown
    assert "Ce que reçoit : server" in call(capsys, "pack", "show", "standard-2026.1")[0].replace("\u00a0", " ")
    assert "130 interrompu" in call(capsys, "--help")[0]
    assert told("printer: office", "fr") == "printer: office"


def test_every_verb_s_line_of_help_is_french(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of verbs shows no English line, wherever click cut it."""
    monkeypatch.setenv("PROVISIONER_LANG", "fr")
    english = []
    for group in VERBS:
        lines = call(capsys, group, "--help")[0].partition("Commandes :")[2].replace("\u00a0", " ").splitlines()
        english += [f"{group}: {line}" for line in lines if re.search(r"\b(the|of an|whether|what|every)\b", line, re.IGNORECASE)]

    assert english == []
