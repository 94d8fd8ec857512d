"""A third language is one file: its catalog beside the others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import provisioner

SPANISH = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: es\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "try:"
msgstr "pruebe:"

msgid "no office {office} in the inventory {root}"
msgstr "ninguna oficina {office} en el inventario {root}"

msgid "yes"
msgstr "sí"
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one file more."""
    root = tmp_path_factory.mktemp("third")
    ours = Path(provisioner.__file__).parent
    shutil.copytree(ours, root / "provisioner", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "provisioner" / "language" / "es.po").write_text(SPANISH.lstrip())
    return root


def python(package: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if name not in ("PROVISIONER_LANG", "LC_ALL", "LC_MESSAGES")}
    return subprocess.run(
        [sys.executable, *words], env={**given, "PYTHONPATH": str(package), **environment}, cwd=package,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_terminal_speaks_it(package: Path) -> None:
    """LANG or --lang chooses it; what it has not is English, and its own yes is a yes."""
    inventory = package / "net"
    for name in ("offices", "resellers", "packs"):
        (inventory / name).mkdir(parents=True, exist_ok=True)
    words = ("-m", "provisioner.cli", "office", "show", "x", "--inventory", str(inventory))

    for said in (python(package, *words, LANG="es_ES.UTF-8"), python(package, *words, "--lang", "es")):
        assert said.returncode == 2
        assert f"ninguna oficina 'x' en el inventario {inventory}" in said.stderr
        assert "error:" in said.stderr, "has no translation here"
    assert python(package, *words, "--lang", "xx").returncode == 2
    assert python(package, *words, "--lang", "xx").stderr.count("ninguna") == 0
    agreed = "from provisioner.language.terminal import agreed; print([agreed(text) for text in ('sí', 's', 'oui', 'y', 'no')])"
    assert python(package, "-c", agreed).stdout == "[True, True, True, True, False]\n"


def test_documents_are_written_in_it(package: Path) -> None:
    """A Spanish office gets its days and lists as Spain writes them, our sentences as far as the file goes."""
    script = """
from datetime import date
from provisioner.language import of_locale, translator
say = translator(of_locale("es_ES.UTF-8"))
print(say("no office {office} in the inventory {root}", office="x", root="y"))
hosts = say.ngettext("{number} host", "{number} hosts", 2)
print(say("What was tried"), say.day(date(2026, 11, 23)), say.listed(["a", "b"]), say.number(1.5), hosts)
"""
    said = python(package, "-c", script).stdout.splitlines()
    assert said == ["ninguna oficina x en el inventario y", "What was tried 23 de noviembre de 2026 a y b 1,5 2 hosts"]
    help_text = python(package, "-m", "provisioner.cli", "record", "new", "--help").stdout
    assert "[es|fr|en]" in help_text
