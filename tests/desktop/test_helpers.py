"""The desktop's own small programs, without a desktop: who changes a password, and who asks for it at the lock screen."""

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILES = Path(__file__).parents[2] / "playbooks/roles/desktop/files"
# passwd(1) as it speaks on a terminal, by the machine's PAM: pwquality asks again where it refuses.
PASSWD = """
import getpass, sys
if getpass.getpass("Mot de passe actuel : ") != "old-secret":
    sys.exit("passwd: Erreur de manipulation du jeton d'authentification")
new = getpass.getpass("Nouveau mot de passe : ")
if len(new) < 8:
    print("MOT DE PASSE INCORRECT : trop court")
    getpass.getpass("Nouveau mot de passe : ")
if getpass.getpass("Retapez : ") != new:
    sys.exit("passwd: ?")
print("passwd: mot de passe mis à jour")
"""


def program(name: str) -> ModuleType:
    """One of the role's programs."""
    spec = importlib.util.spec_from_file_location(f"desktop_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [
        ("old-secret", "un-deux-trois-quatre", []),
        ("wrong", "un-deux-trois-quatre", ["Le mot de passe actuel n’est pas le bon."]),
        ("old-secret", "court", ["Le nouveau a été refusé.", "MOT DE PASSE INCORRECT : trop court"]),
    ],
)
def test_a_password_is_changed_or_the_reason_is_said(
    current: str, new: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the session's language, and never a word of what was typed."""
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)

    found = program("password").change(current, new, (sys.executable, "-c", PASSWD), 30)

    assert found == said


def test_the_lock_screen_asks_in_french_and_passes_on_what_it_does_not_know() -> None:
    """Lengths are those of the new text; an unknown text comes through byte for byte."""
    source = io.BytesIO(b"P 10\nPassword: \ne 22\nAuthentication failure\ni 9\n\xc3\xa9 {0} \nx\n")
    target = io.BytesIO()

    program("authproto").packets(source, target)

    asked = b"Mot de passe : "
    wrong = b"Mot de passe incorrect"
    assert target.getvalue() == (b"P %d\n%s\ne %d\n%s\ni 9\n\xc3\xa9 {0} \nx\n" % (len(asked), asked, len(wrong), wrong))
