"""What a change amounts to in short: one line a new file or program, small changes whole, big ones counted."""

import difflib

import pytest

from provisioner.plays.results import diff_text
from provisioner.runs.diffs import files, in_short


def change(before: str, after: str, name: str = "/etc/hosts") -> str:
    """The diff of a file as the journal has it."""
    return diff_text({"diff": [{"before": before, "after": after, "before_header": name, "after_header": name}]})


PROGRAM = "#!/usr/bin/python3\n" + "pass\n" * 1217
LOCALES = "".join(f"# {n:03}_XX.UTF-8 UTF-8\n" for n in range(500))


@pytest.mark.parametrize(
    ("diff", "words", "below"),
    [
        (change("", PROGRAM, "/usr/local/sbin/office"), "new program /usr/local/sbin/office, 1,218 lines", []),
        (change("", "one\n"), "new file /etc/hosts, 1 line", []),
        (change("", "a\nb\n", "/etc/a") + "\n" + change("", "c\n", "/etc/b"), "2 new files, 3 lines", []),
        (change("", "#!/usr/sbin/nft -f\n", "/etc/nftables.conf"), "new file /etc/nftables.conf, 1 line", []),
        (change("a\n", "b\n"), "", ["/etc/hosts  +1 -1", "  @@ -1 +1 @@", "  -a", "  +b"]),
        (change(LOCALES, "fr_FR.UTF-8 UTF-8\n", "/etc/locale.gen"), "", ["/etc/locale.gen  +1 -500"]),
        (change("a\n", ""), "/etc/hosts removed", []),
        ("", "", []),
        (diff_text({"diff": {"before": {"path": "/a", "state": "file"}, "after": {"path": "/a", "state": "absent"}}}),
         "state: file → absent", []),
        (diff_text({"diff": [{"before": "", "after": "x.timer: enabled\nx.timer: started\n"}]}), "x.timer: enabled, started", []),
        (diff_text({"diff": [{"before": "", "after": "".join(f"{n} made\n" for n in range(9))}]}), "9 lines", []),
        (
            "The following NEW packages will be installed:\n  a\n1 upgraded, 3 newly installed, 0 to remove and 2 not upgraded.",
            "3 packages new, 1 package upgraded",
            [],
        ),
    ],
)  # fmt: skip
def test_a_change_in_short(diff: str, words: str, below: list[str]) -> None:
    """A program's source is never in the way of what matters, and what is there already is shown where it changes."""
    assert in_short(diff) == (words, below)


def test_a_file_that_the_task_names_is_not_named_twice() -> None:
    """The router's parts are called by their files."""
    assert in_short(change("", "a\n", "/etc/x.conf"), "router: /etc/x.conf") == ("new file, 1 line", [])


def test_lines_that_look_like_headers_are_content() -> None:
    """A hunk ends by its own count: `-- a` taken away reads `--- a`, and starts no other file."""
    text = change("-- a\n++ b\nkeep\n", "keep\n++ c\n")

    assert [(part.name, part.added, part.removed) for part in files(text)] == [("/etc/hosts", 1, 2)]


def test_what_a_router_writes_is_read_too() -> None:
    """Python's own unified diff from /dev/null, each line with its end, is a new file."""
    text = "".join(difflib.unified_diff([], ["a\n", "b\n"], "/dev/null", "/etc/dnsmasq.d/office.conf"))

    assert in_short(text) == ("new file /etc/dnsmasq.d/office.conf, 2 lines", [])
