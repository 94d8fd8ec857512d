"""A look at a site while it is written: on this machine's own address, built again whenever a file was saved."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput, Missing
from provisioner.website import build, pages
from provisioner.website.builder import source

if TYPE_CHECKING:
    from provisioner.inventory.target import Target

EVERY_S = 0.5


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves what `current` names at the moment of each request."""

    def __init__(self, *args: Any, current: Callable[[], Path], **kwargs: Any) -> None:
        super().__init__(*args, directory=str(current()), **kwargs)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there."""
        lost = Path(self.directory) / "404.html"
        if code != http.HTTPStatus.NOT_FOUND or not lost.is_file():
            super().send_error(code, message, explain)
            return
        content = lost.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Each request is nobody's concern here."""


class Preview:
    """A site as it is now; `address` is where to look."""

    def __init__(self, target: "Target", language: str, port: int) -> None:
        self.target, self.language = target, language
        self.folder = build(target, language).folder
        self.state = self._state()
        handler = partial(_Handler, current=lambda: self.folder)
        try:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise BadInput(f"port {port} cannot be used here: {error.strerror}", hint="--port 0 takes any that is free") from None
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def _state(self) -> list[Any]:
        """Of each file that the site is made from, what changes when it is saved."""
        files = [self.target.folder / "dossier.yml", *(self.target.inventory / "resellers").glob("*.yml")]
        stats = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files if path.exists()]
        folder = pages(self.target)
        entries, wrong = source.walk(folder) if folder.is_dir() else ([], [])
        return [*stats, *entries, *wrong]

    def look(self) -> str | None:
        """Build again if a file was saved since the last look: None when none was, else what was wrong (empty: nothing)."""
        state = self._state()
        if state == self.state:
            return None
        self.state = state
        try:
            self.folder = build(self.target, self.language).folder
        except (BadInput, Missing) as error:
            return str(error)
        return ""


@contextmanager
def preview(target: "Target", language: str, port: int) -> Iterator[Preview]:
    """Serve an office's site on loopback as long as the context lasts.

    Raises:
        BadInput: it cannot be built, or the port is taken.
    """
    shown = Preview(target, language, port)
    thread = threading.Thread(target=shown.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        shown.server.shutdown()
        thread.join()
        shown.server.server_close()
