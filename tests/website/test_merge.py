"""The technician's pages and the client's: nothing of either is lost."""

import hashlib
from collections.abc import Mapping

import pytest

from provisioner.website.merge import Keep, Merged, merge

PAGE = b"# Horaires\n\nLundi : 9 h\n\nMardi : 9 h\n\nMercredi : 9 h\n"


def met(base: Mapping[str, bytes], ours: Mapping[str, bytes], theirs: Mapping[str, bytes], keep: Keep = "") -> Merged:
    contents = {hashlib.sha1(data).hexdigest(): data for side in (base, ours, theirs) for data in side.values()}
    named = [{name: hashlib.sha1(data).hexdigest() for name, data in side.items()} for side in (base, ours, theirs)]
    return merge(named[0], named[1], named[2], contents.__getitem__, keep)


def test_each_side_keeps_what_it_changed() -> None:
    """A page of either, a new one, a deleted one, a picture, and two changes in one page: all there."""
    base = {"a.md": PAGE, "b.md": b"b", "gone-here.md": b"x", "gone-there.md": b"y", "c.jpg": b"\xff\0old"}
    ours = {"a.md": PAGE.replace(b"Lundi : 9", b"Lundi : 8"), "b.md": b"b", "gone-there.md": b"y", "c.jpg": b"\xff\0old",
            "new.md": b"n"}  # fmt: skip
    theirs = {"a.md": PAGE.replace(b"Mercredi : 9", b"Mercredi : 10"), "b.md": b"B", "gone-here.md": b"x", "c.jpg": b"\xff\0new",
              "photo.png": b"\x89PNG\0"}  # fmt: skip

    found = met(base, ours, theirs)

    assert found.conflicts == ()
    assert found.files == {
        "a.md": PAGE.replace(b"Lundi : 9", b"Lundi : 8").replace(b"Mercredi : 9", b"Mercredi : 10"),
        "b.md": b"B", "c.jpg": b"\xff\0new", "new.md": b"n", "photo.png": b"\x89PNG\0",
    }  # fmt: skip
    assert found.theirs == ("a.md", "b.md", "c.jpg", "gone-there.md", "photo.png")


@pytest.mark.parametrize(
    ("was", "mine", "other"),
    [
        (PAGE, PAGE.replace(b"Lundi : 9", b"Lundi : 8"), PAGE.replace(b"Lundi : 9", b"Lundi : 7")),
        (PAGE, None, PAGE + b"x"), (PAGE, PAGE + b"x", None), (None, b"one", b"two"),
        (b"\0old", b"\0a", b"\0b"),
    ],
    ids=["lines", "deleted-here", "deleted-there", "both-new", "picture"],
)  # fmt: skip
def test_a_conflict_is_named_and_either_side_can_be_kept(was: bytes | None, mine: bytes | None, other: bytes | None) -> None:
    """The same lines, a file deleted on one side, two new ones, a picture of each: never chosen unasked."""
    sides: list[dict[str, bytes]] = [{"p.md": one} if one is not None else {} for one in (was, mine, other)]

    assert met(sides[0], sides[1], sides[2]).conflicts == ("p.md",)
    assert met(sides[0], sides[1], sides[2], "inventory").files == sides[1]
    assert met(sides[0], sides[1], sides[2], "folder").files == sides[2]


def test_line_ends_of_an_editor_are_no_change_of_every_line() -> None:
    """Windows' Notepad gave the page back with its own: the technician's change in another line stays."""
    found = met({"a.md": PAGE}, {"a.md": PAGE.replace(b"Lundi", b"lundi")}, {"a.md": PAGE.replace(b"\n", b"\r\n") + b"fin\r\n"})

    assert found.conflicts == ()
    assert found.files["a.md"] == PAGE.replace(b"Lundi", b"lundi") + b"fin\n"


def test_the_same_change_on_both_sides_is_one() -> None:
    """And what both deleted is gone."""
    found = met({"a.md": b"a", "b.md": b"b"}, {"a.md": b"c"}, {"a.md": b"c"})

    assert (found.files, found.conflicts, found.theirs) == ({"a.md": b"c"}, (), ())


def test_what_an_interrupted_meeting_left_is_met_again() -> None:
    """A lab's inventory never gets the client's edits: base is what the inventory had, so they are no deletions."""
    found = met({"a.md": PAGE}, {"a.md": PAGE}, {"a.md": PAGE + b"client\n", "new.md": b"n"})

    assert found.files == {"a.md": PAGE + b"client\n", "new.md": b"n"}
