"""What the program sees on a machine of websites and services, with folders and sockets of this one."""

import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner.hosts.programs import answering
from provisioner.website.builder.release import name_of


@pytest.mark.parametrize("ends", [(), (".gz",), (".gz", ".br")], ids=str)
def test_a_release_is_unchanged_while_its_files_are_those_it_is_named_by(tmp_path: Path, ends: tuple[str, ...]) -> None:
    """What the server pressed beside them is none of it, while it is the same; a word, a file more or less is seen.

    The builder presses with gzip itself (as `ends` says), and the server with what is left.
    """
    content = {"index.html": b"<p>bonjour", "news/index.html": b"<p>rien", "a.png": b"\x89PNG"}
    content |= {f"index.html{end}": press(content["index.html"], end) for end in ends}
    name = name_of({path: hashlib.sha256(data).hexdigest() for path, data in content.items()})
    folder = tmp_path / name
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for end in {".gz", ".br"} - set(ends):
        for page in ("index.html", "news/index.html"):
            (folder / f"{page}{end}").write_bytes(press(content[page], end))
    assert answering._unchanged(str(folder), name) is True

    for path, other in (("a.png", b"\x89PNH"), ("index.html.br", press(b"<p>evil", ".br")), ("index.html.gz", b"\x1f\x8b"),
                        ("more.html", b""), ("more.html.br", b"")):  # fmt: skip
        before = (folder / path).read_bytes() if (folder / path).exists() else None
        (folder / path).write_bytes(other)
        assert answering._unchanged(str(folder), name) is False, path
        (folder / path).write_bytes(before) if before is not None else (folder / path).unlink()
    assert answering._unchanged(str(folder), name) is True
    assert answering._unchanged(str(folder), "by-hand") is None


def press(data: bytes, end: str) -> bytes:
    """As gzip or brotli packs it."""
    return subprocess.run([answering.UNPRESS[end], "-c"], input=data, capture_output=True, check=True).stdout


@contextmanager
def server(said: bytes | None) -> Iterator[int]:
    """A port that answers this, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            way, _ = door.accept()
            with way:
                heard = way.recv(4096)
                if said is not None and heard:
                    way.sendall(said)
                way.recv(4096)

        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (bytes.fromhex("300c020101640704000000000000"), ""),
        (b"HTTP/1.1 400", "it answers with something else"),
        (b"", "timed out"),
    ],
)
def test_a_service_answers_or_says_why_not(monkeypatch: pytest.MonkeyPatch, said: bytes, why: str) -> None:
    """One that takes the connection and stays silent is as bad as none."""
    _, question, word, at, within = answering.QUESTIONS["directory"]
    monkeypatch.setattr(answering, "PATIENCE_S", 1)
    with server(said) as port:
        monkeypatch.setitem(answering.QUESTIONS, "directory", (port, question, word, at, within))
        assert answering.answering(["directory"]) == {"directory": why}
    assert "refused" in answering.answering(["directory"])["directory"]
