"""Where pages for a browser are served by a process of ours, and to whom.

On this machine's own address nobody is asked for a password, and only a browser that called it by that address is answered (a
page of the Internet cannot make a visitor's browser read it). Elsewhere there is TLS, and a password for all but what is open.
"""

import base64
import binascii
import hmac
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, Missing

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may hold a key
    "Cache-Control": "no-store",
}
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

    @property
    def url(self) -> str:
        """What a browser is given."""
        at = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.certificate else 'http'}://{at}:{self.port}/"


def judge(address: str, port: int, certificate: Path | None, key: Path | None, password_file: Path | None) -> Endpoint:
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


@cache
def environment(templates: Path) -> "Environment":
    """The templates of a room's pages, which may extend `base.html`: nothing of them runs in a browser."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = [templates, Path(__file__).parent / "templates"]
    return Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def middleware(where: Endpoint, open_to_all: Sequence[str] = ()) -> "list[Middleware]":
    """What stands before an application's routes; paths that begin with one of `open_to_all` ask for no password."""
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    hosts = ["127.0.0.1", "localhost", "[::1]", where.address] if where.own else ["*"]
    return [
        Middleware(Guard, password=where.password, open_to_all=tuple(open_to_all)),
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
    ]


def serve(application: "ASGIApp", where: Endpoint) -> None:
    """Serve an ASGI application until a signal ends it.

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
            application, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none",
            ssl_certfile=where.certificate, ssl_keyfile=str(where.key) if where.key else None,
        )  # fmt: skip
        config.load()
    except OSError as problem:  # of the TLS library too
        listening.close()
        what = f"nothing can be served on {where.address}, port {where.port}: {problem.strerror or problem}"
        raise BadInput(what, hint="--port, or another --certificate") from None
    uvicorn.Server(config).run(sockets=[listening])


def language(request: "Request") -> str:
    """The first language that a browser prefers and we speak; `?lang=` before it."""
    wanted = [request.query_params.get("lang", ""), *request.headers.get("accept-language", "").split(",")]
    return next((word for one in wanted if (word := one.strip()[:2].lower()) in ("fr", "en")), "en")


class Guard:
    """Asks for the password, where there is one, and says in each answer what a browser may do with it."""

    def __init__(self, app: "ASGIApp", password: str, open_to_all: tuple[str, ...] = ()) -> None:
        self.app = app
        self.password = password.encode()
        self.open_to_all = open_to_all

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer, or hand on; see the class."""
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        async def answer(message: "dict[str, object] | object") -> None:
            if isinstance(message, dict) and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)  # type: ignore[arg-type]

        asks = self.password and not (self.open_to_all and scope["path"].startswith(self.open_to_all))
        if asks and not self._knows(Headers(scope=scope).get("authorization", "")):
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
