"""The command line itself: what every verb promises, whatever it does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from provisioner import __version__
from provisioner.cli.__main__ import VERBS, provisioner
from provisioner.cli.common import plug, shown
from provisioner.inventory.target import Target

ROOT = Path(__file__).parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "provisioner.cli", *words], capture_output=True, text=True, check=False,
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def commands() -> list[tuple[str, click.Command]]:
    """Every verb with its full name."""
    context = click.Context(provisioner)
    found: list[tuple[str, click.Command]] = []
    for name in VERBS:
        command = provisioner.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", command.commands[sub]) for sub in command.commands]
        else:
            found.append((name, command))
    return found


def test_every_verb_takes_json_and_inventory_and_says_what_it_does() -> None:
    """`--json` and `--inventory` may stand after any verb; each has a sentence of help."""
    for name, command in commands():
        options = {opt for param in command.params for opt in param.opts}
        assert {"--json", "--inventory"} <= options, name
        assert command.help, name


def test_help_lists_the_verbs_without_importing_them() -> None:
    """`provisioner --help` is quick: no verb, no model, no Ansible is loaded for it."""
    code = (
        "import sys; from provisioner.cli.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith(('provisioner.cli.a', 'pydantic', 'rich', 'ansible', 'paramiko'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    for verb in VERBS:
        assert re.search(rf"^\s+{verb} ", done.stdout, re.MULTILINE), verb


def test_version() -> None:
    """`--version` prints the name and the version."""
    assert run("--version").stdout == f"provisioner {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("plan", "nowhere"),
        ("nonsense",),
        ("plan", "demo", "--wat"),
        ("office", "show", "../x"),
        ("apply", "demo", "--yes"),
    ],
    ids=" ".join,
)
def test_errors_are_objects_too_and_nothing_is_a_traceback(words: tuple[str, ...], tmp_path: Path) -> None:
    """Exit 2, `{"error", "hint"}` on stdout with --json, a plain sentence without, never a traceback."""
    environment = {"PROVISIONER_INVENTORY": str(ROOT / "inventory"), "XDG_STATE_HOME": str(tmp_path)}
    spoken, said = run(*words, **environment), run("--json", *words, **environment)

    assert spoken.returncode == said.returncode == 2
    assert set(json.loads(said.stdout)) == {"error", "hint"}
    assert spoken.stdout == "" or "Usage" in spoken.stdout
    assert "Traceback" not in spoken.stderr + said.stderr


def test_apply_asks_nothing_without_a_terminal(tmp_path: Path) -> None:
    """Nobody is there: exit 2, and the option that answers is named."""
    said = run("--json", "apply", "demo", "--lab", PROVISIONER_INVENTORY=str(ROOT / "inventory"), XDG_STATE_HOME=str(tmp_path))

    assert said.returncode == 2
    assert "--yes" in json.loads(said.stdout)["hint"]


def complete(*words: str, **more: str) -> str:
    """What the Tab key offers after these words."""
    line = " ".join(("provisioner", *words))
    environment = {
        "_PROVISIONER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words)),
        "PROVISIONER_INVENTORY": str(ROOT / "inventory"), **more,
    }  # fmt: skip
    code = "from provisioner.cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("adopt", "demo", "ser"), "server"),
        (("ssh", "demo", "rou"), "router"),
        (("apply", "demo", "--host", "ser"), "server"),
        (("office", "replace-host", "demo", "ser"), "server"),
        (("backup", "restore", "demo", "--host", "ser"), "server"),
        (("verify", "demo", "--only", "prin"), "printing"),
        (("plan", "demo", "--variant", "li"), "light"),
        (("pack", "show", "standard-2026.1", "--variant", "li"), "light"),
        (("plan", "demo", "--pack", "stand"), "standard-2026.1"),
        (("person", "add", "demo", "x", "--group", "bou"), "boutique"),
        (("person", "remove", "demo", "zo"), "zoe"),
        (("record", "sheet", "demo", "zo"), "zoe"),
        (("reseller", "show", "scop"), "scop-lumiere"),
        (("runs", "show", "demo", "--lab", "2026"), "20261128-1200-abcd"),
        (("adopt", "nowhere", "s"), ""),
        (("runs", "show", "nowhere", "2"), ""),
    ],
    ids=" ".join,
)
def test_completion_knows_what_is_there(words: tuple[str, ...], offered: str, tmp_path: Path) -> None:
    """Hosts, people, groups, checks, variants, packs, resellers, runs; nothing where nothing is known, and never an error."""
    from unittest.mock import patch

    with patch.dict(os.environ, XDG_STATE_HOME=str(tmp_path)):
        (Target(ROOT / "inventory", "demo", lab=True).journals / "20261128-1200-abcd.jsonl").touch()

    said = complete(*words, XDG_STATE_HOME=str(tmp_path))

    assert said.split() == ([f"plain,{offered}"] if offered else [])


def test_completion_knows_verbs_and_offices() -> None:
    """Tab after a verb offers the offices of the inventory."""
    assert "plain,apply" in complete("ap")
    assert "plain,demo" in complete("plan", "de")
    assert "plain,demo" in complete("office", "show", "d")


def test_what_cannot_be_seen_is_shown() -> None:
    """Terminal escapes and right-to-left marks are printed as escapes; letters of any script are left alone."""
    assert shown("a\x1b[31mb\u202ec\u200fd é 日本 \t\n") == "a\\u001b[31mb\\u202ec\\u200fd é 日本 \t\n"


def test_a_verb_plugs_into_a_lab_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An ordinary user's call becomes the plugged one even when sudo hands over none of its variables."""
    target = Target(tmp_path, "demo", lab=True)
    became: list[list[str]] = []

    def through_sudo(_: Target, command: list[str], *, from_afar: bool) -> list[str]:  # noqa: ARG001 - as `lab.plugged` is called
        return ["env", "-i", f"PATH={os.environ['PATH']}", *command]

    monkeypatch.setattr("provisioner.lab.plugged", through_sudo)
    monkeypatch.setattr(os, "execvp", lambda _, words: became.append(words))
    plug(target)
    (words,) = became
    asked = [*words[: words.index("-m")], "-c", "import os; print(os.environ.get('PROVISIONER_PLUGGED'))"]

    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == target.id
    monkeypatch.setenv("PROVISIONER_PLUGGED", target.id)
    plug(target)
    assert len(became) == 1
