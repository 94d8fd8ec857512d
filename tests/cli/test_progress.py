"""What a running play shows, on terminals of any width."""

import pytest
from rich.cells import cell_len

from provisioner.cli.progress import line

TASK = "base: The technicians get in by their keys, and nobody else does"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("title", ["plan demo", "apply association-les-hirondelles", "apply 商店"])
@pytest.mark.parametrize("count", ["0", "112/112"])
def test_name_count_bar_and_time_always_fit(width: int, title: str, count: str) -> None:
    """Only the task's name is cut; a second line is opened before it would be cut to nothing."""
    text = "".join(part for part, _ in line(title, count, 0.5, "0:12:31", TASK, width))

    assert all(cell_len(one) < width for one in text.split("\n"))
    assert all(word in text for word in (title, f" {count} ", "0:12:31", "━━━━", "╌╌╌╌"))
    shown = text.partition("0:12:31 ")[2]
    assert TASK.startswith(shown.removesuffix("…"))
    assert len(shown) >= min(len(TASK), 10)


def test_a_name_that_is_wider_than_the_terminal_is_cut() -> None:
    """Rather than wrapped: each redraw would leave a line behind."""
    text = "".join(part for part, _ in line("apply " + "x" * 63, "1/2", 0.5, "0:00:01", TASK, 60))

    assert [cell_len(one) < 60 for one in text.split("\n")] == [True, True]


def test_a_task_of_several_lines_stays_on_one() -> None:
    """A name from a file of ours or not, with breaks and escapes in it."""
    assert "".join(part for part, _ in line("plan demo", "1", 0, "0:00:01", "a\nb\x1b[2J", 120)).endswith("a b\\u001b[2J")
