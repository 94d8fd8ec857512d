"""What the program sees on a machine of websites and services, with folders and sockets of this one."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner.hosts.programs import answering
from provisioner.website.builder.release import name_of


def test_a_release_is_unchanged_while_its_files_are_those_it_is_named_by(tmp_path: Path) -> None:
    """What the server pressed beside them is none of it; a word, a file more or less is seen; another name says nothing."""
    content = {"index.html": b"<p>bonjour", "news/index.html": b"<p>rien", "a.png": b"\x89PNG"}
    name = name_of({path: hashlib.sha256(data).hexdigest() for path, data in content.items()})
    folder = tmp_path / name
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "index.html.gz").write_bytes(b"pressed")
    assert answering._unchanged(str(folder), name) is True
    (folder / "a.png").write_bytes(b"\x89PNH")
    assert answering._unchanged(str(folder), name) is False
    (folder / "a.png").write_bytes(b"\x89PNG")
    (folder / "more.html").write_bytes(b"")
    assert answering._unchanged(str(folder), name) is False
    assert answering._unchanged(str(folder), "by-hand") is None


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
