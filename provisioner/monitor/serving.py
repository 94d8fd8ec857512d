"""`monitor serve`: Prometheus' text and the status page, from one process that contacts nobody.

On this machine's own address nobody is asked for a password, and only a browser that called it by that address is answered (a
page of the Internet cannot make a visitor's browser read it). Elsewhere there is TLS, and a password for all but `/-/healthy` and
the clients' pages, each behind a key of its own.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target, state_home
from provisioner.laptop import disk
from provisioner.monitor import exporter, pages
from provisioner.monitor.watch import Watch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a client's key is in the address
    "Cache-Control": "no-store",
}
OPEN = ("/-/healthy", "/client/")
SHORTEST = 12  # signs of a password


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where it is served: `certificate` and `key` are PEM files, `password` is empty on this machine's own address."""

    address: str = "127.0.0.1"
    port: int = 9810
    certificate: Path | None = None
    key: Path | None = None
    password: str = ""

    @property
    def own(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.address).is_loopback


def endpoint(address: str, port: int, certificate: Path | None, key: Path | None, password_file: Path | None) -> Endpoint:
    """Those options, judged together.

    Raises:
        BadInput: no address, or one that others reach without TLS and a password.
    """
    try:
        own = ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise BadInput(f"{address[:80]!r} is no address of this machine", hint="as 127.0.0.1, 0.0.0.0 or ::") from None
    if not own and not (certificate and key and password_file):
        what = f"others reach {address}: it is served there only over TLS and with a password"
        raise BadInput(what, hint="--certificate FILE --key FILE --password-file FILE")
    if bool(certificate) != bool(key):
        raise BadInput("a certificate and its key go together", hint="--certificate FILE --key FILE")
    for path in filter(None, (certificate, key)):
        if not os.access(path, os.R_OK):
            raise Missing(f"{path} cannot be read", hint=f"ls -l {path}")
    return Endpoint(address, port, certificate, key, _password(password_file) if password_file else "")


def _password(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise BadInput(f"anybody on this machine can read {path}", hint=f"chmod 600 {path}")
        said = path.read_text(encoding="utf-8").strip("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path} cannot be read: {problem}", hint=f"ls -l {path}") from None
    if len(said) < SHORTEST:
        raise BadInput(f"the password in {path} is shorter than {SHORTEST} signs", hint=f"openssl rand -base64 24 > {path}")
    return said


def client_key(office: str) -> str:
    """What opens an office's page for its client. Without `monitor.key` in the state folder all get new ones."""
    path = state_home() / "monitor.key"
    if not path.exists():
        disk.write(path, secrets.token_bytes(32))
    return hmac.new(path.read_bytes(), office.encode(), hashlib.sha256).hexdigest()[:32]


def serve(inventory: Path, where: Endpoint) -> None:
    """Serve until a signal ends it.

    Raises:
        BadInput: the address is taken, or the certificate is none.
    """
    import uvicorn

    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((where.address, where.port))
        config = uvicorn.Config(
            application(inventory, where), log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none",
            ssl_certfile=where.certificate, ssl_keyfile=str(where.key) if where.key else None,
        )  # fmt: skip
        config.load()
    except OSError as problem:  # of the TLS library too
        listening.close()
        what = f"nothing can be served on {where.address}, port {where.port}: {problem.strerror or problem}"
        raise BadInput(what, hint="--port, or another --certificate") from None
    uvicorn.Server(config).run(sockets=[listening])


def application(inventory: Path, where: Endpoint) -> "Starlette":
    """The pages, as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
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
                language=_language(request),
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
        return html(pages.office(one, watch.report(one.name), history, language=_language(request), client=link, now=time.time()))

    def client(request: "Request") -> "Response":
        name = request.path_params["name"]
        if not hmac.compare_digest(request.path_params["key"].encode(), client_key(name).encode()):
            return html(None)
        watch.refresh()
        one = watch.office(name)
        if not one:
            return html(None)
        history = pages.history(Target(inventory, name))
        return html(pages.client(one, watch.report(name), history, language=_language(request), now=time.time()))

    def runbook(request: "Request") -> "Response":
        return html(pages.runbook(request.path_params["subject"], _language(request)))

    def broken(_: "Request", problem: Exception) -> "Response":
        return PlainTextResponse(f"{problem}\n{getattr(problem, 'hint', '')}\n", 503)

    routes = [
        Route("/metrics", metrics), Route("/probe", probe), Route("/-/healthy", healthy), Route("/", status),
        Route("/office/{name}", office), Route("/client/{name}/{key}", client), Route("/runbooks/{subject}", runbook),
    ]  # fmt: skip
    hosts = ["127.0.0.1", "localhost", "[::1]", where.address] if where.own else ["*"]
    middleware = [Middleware(_Guard, password=where.password), Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={BadInput: broken})


def _language(request: "Request") -> str:
    """The first language that a browser prefers and we speak; `?lang=` before it."""
    wanted = [request.query_params.get("lang", ""), *request.headers.get("accept-language", "").split(",")]
    return next((word for one in wanted if (word := one.strip()[:2].lower()) in ("fr", "en")), "en")


class _Guard:
    """Asks for the password, where there is one, and says in each answer what a browser may do with it."""

    def __init__(self, app: "ASGIApp", password: str) -> None:
        self.app = app
        self.password = password.encode()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        async def answer(message: "dict[str, object] | object") -> None:
            if isinstance(message, dict) and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)  # type: ignore[arg-type]

        if (
            self.password
            and not scope["path"].startswith(OPEN)
            and not self._knows(Headers(scope=scope).get("authorization", ""))
        ):
            asked = {"WWW-Authenticate": 'Basic realm="provisioner", charset="UTF-8"'}
            await PlainTextResponse("a password is needed\n", 401, asked)(scope, receive, answer)
            return
        await self.app(scope, receive, answer)

    def _knows(self, said: str) -> bool:
        scheme, _, encoded = said.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).partition(b":")[2] if scheme.lower() == "basic" else b""
        except binascii.Error:
            given = b""
        return hmac.compare_digest(given, self.password)
