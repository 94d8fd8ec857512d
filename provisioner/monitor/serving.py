"""`monitor serve`: Prometheus' text and the status page, from one process that contacts nobody.

Where it is reached, and by whom, is `provisioner/endpoint.py`'s; open to all are `/-/healthy` and the clients' pages, each behind
a key of its own.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.endpoint import Endpoint, language, middleware
from provisioner.errors import BadInput
from provisioner.inventory.target import Target, state_home
from provisioner.laptop import disk
from provisioner.monitor import exporter, pages
from provisioner.monitor.watch import Watch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

OPEN = ("/-/healthy", "/client/")


def client_key(office: str) -> str:
    """What opens an office's page for its client. Without `monitor.key` in the state folder all get new ones."""
    path = state_home() / "monitor.key"
    if not path.exists():
        disk.write(path, secrets.token_bytes(32))
    return hmac.new(path.read_bytes(), office.encode(), hashlib.sha256).hexdigest()[:32]


def application(inventory: Path, where: Endpoint) -> "Starlette":
    """The pages, as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    watch = Watch(inventory)

    def html(text: str | None) -> "Response":
        return HTMLResponse(text) if text is not None else PlainTextResponse("not found\n", 404)

    def metrics(_: "Request") -> "Response":
        watch.refresh()

        async def pieces() -> AsyncIterator[bytes]:
            for piece in watch.metrics():
                yield piece
            yield exporter.process()

        return StreamingResponse(pieces(), media_type=exporter.CONTENT_TYPE)

    def probe(request: "Request") -> "Response":
        watch.refresh()
        name = request.query_params.get("target", "")
        if not watch.office(name):
            return PlainTextResponse("no such office\n", 404)
        return PlainTextResponse(b"".join(watch.metrics(name)), media_type=exporter.CONTENT_TYPE)

    def healthy(_: "Request") -> "Response":
        watch.refresh()
        return PlainTextResponse("healthy\n")

    def status(request: "Request") -> "Response":
        watch.refresh()
        asked = request.query_params
        return html(
            pages.status(
                watch.rows(),
                watch.worst,
                language=language(request),
                search=asked.get("q", "")[:80],
                still="still" in asked,
                now=time.time(),
            )
        )

    def office(request: "Request") -> "Response":
        watch.refresh()
        one = watch.office(request.path_params["name"])
        if not one:
            return html(None)
        link = f"/client/{one.name}/{client_key(one.name)}"
        history = pages.history(Target(inventory, one.name))
        return html(pages.office(one, watch.report(one.name), history, language=language(request), client=link, now=time.time()))

    def client(request: "Request") -> "Response":
        name = request.path_params["name"]
        if not hmac.compare_digest(request.path_params["key"].encode(), client_key(name).encode()):
            return html(None)
        watch.refresh()
        one = watch.office(name)
        if not one:
            return html(None)
        history = pages.history(Target(inventory, name))
        return html(pages.client(one, watch.report(name), history, language=language(request), now=time.time()))

    def runbook(request: "Request") -> "Response":
        return html(pages.runbook(request.path_params["subject"], language(request)))

    def broken(_: "Request", problem: Exception) -> "Response":
        return PlainTextResponse(f"{problem}\n{getattr(problem, 'hint', '')}\n", 503)

    routes = [
        Route("/metrics", metrics), Route("/probe", probe), Route("/-/healthy", healthy), Route("/", status),
        Route("/office/{name}", office), Route("/client/{name}/{key}", client), Route("/runbooks/{subject}", runbook),
    ]  # fmt: skip
    return Starlette(routes=routes, middleware=middleware(where, OPEN), exception_handlers={BadInput: broken})
