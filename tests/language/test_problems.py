"""A dossier's problems are told in French whole: no word of the English sentence is left beside the client's own."""

import re
from pathlib import Path

import pytest

from provisioner.language.terminal import told

# Each is what `inventory check` says of one dossier, line by line.
WRONG = sorted((Path(__file__).parents[1] / "inventory/wrong").glob("*.txt"))
ENGLISH = re.compile(r"(?<!['\w.])(the|is|an|of|not|and|with|are|where|this|at|has|try|small|large|nothing)(?![\w'.-])")


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_problem_is_told_in_french_whole(path: Path) -> None:
    """Its file, line and field as they are; what is wrong and what to try in French."""
    for line in path.read_text().splitlines():
        french = told(line, "fr")
        place = re.match(r"(?:[^\s:]+(?::\d+)?: ){1,2}", line)
        assert place, line
        assert french.startswith(place[0])
        assert not ENGLISH.search(french.removeprefix(place[0])), french
