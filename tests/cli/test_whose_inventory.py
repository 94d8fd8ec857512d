"""Whose files a verb writes: never the tool's own example, and a name that is not there is said with the inventory's folder."""

from pathlib import Path

import pytest

from provisioner.laptop.installed import example
from tests.verbs import Run, status

WRITING = (
    ("person", "add", "demo", "luc", "--name", "Luc"),
    ("person", "remove", "demo", "paul", "--yes"),
    ("person", "password", "demo", "paul"),
    ("office", "new", "cafe"),
    ("office", "replace-host", "demo", "server", "--mac", "02:00:5e:00:00:01"),
    ("office", "remove", "demo", "--yes", "--force"),
    ("secrets", "set", "demo", "mail.password"),
    ("secrets", "show", "demo", "--complete"),
    ("inventory", "schema", "--write"),
    ("adopt", "demo", "server"),
    ("apply", "demo", "--yes"),
    ("verify", "demo"),
    ("record", "new", "demo"),
    ("backup", "run", "demo"),
    ("access", "revoke", "paul", "--yes"),
    ("access", "admit", "paul", "--yes"),
    ("router", "push", "demo"),
)


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(words[:2]))
def test_verbs_that_write_leave_the_example_alone(words: tuple[str, ...], run: Run) -> None:
    """Outside any inventory: one sentence that names the folder, exit 2, and not a byte is changed."""
    shipped = example()
    assert shipped
    before = status(shipped)

    said = run(*words)

    assert said.code == 2, said
    assert f"{shipped} is the example that comes with provisioner: nothing is written there" in said.err
    assert "provisioner init DIR" in said.err
    assert status(shipped) == before


@pytest.mark.parametrize(
    "words", [("office", "show", "nowhere"), ("person", "list", "nowhere"), ("office", "remove", "nowhere"), ("plan", "nowhere")]
)
def test_an_office_that_is_not_there_is_said_with_the_folder(words: tuple[str, ...], run: Run, net: Path) -> None:
    """Whoever stands in the wrong inventory sees which one was read."""
    said = run(*words)

    assert said.code == 2
    assert f"no office 'nowhere' in the inventory {net}" in said.err
