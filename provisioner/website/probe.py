"""A website asked for as a visitor would: by its public name, and at its machine's own address, to know whose answer that is."""

import hashlib
import http.client
import socket
import ssl
from dataclasses import dataclass

from provisioner.inventory.dossier import ACME_HOST
from provisioner.inventory.placement import LAB_INTERNET
from provisioner.inventory.target import Target
from provisioner.secrets import vault

TIMEOUT_S = 10
LIMIT_BYTES = 4 << 20
ROOTS_PORT = 15000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the page's status and SHA-256, the certificate (DER) and whether it is trusted; else the problem."""

    address: str = ""
    status: int = 0
    sha256: str = ""
    certificate: bytes = b""
    trusted: bool = False
    problem: str = ""


def trust(target: Target) -> ssl.SSLContext:
    """Whom a visitor believes: the authorities of this laptop; in a lab the root that its authority drew at its start, too."""
    context = ssl.create_default_context()
    if target.lab:
        inside = ssl.create_default_context(cadata=vault.read(target).lab["provider_authority"])
        try:
            status, root, _ = _get(ACME_HOST, "/roots/0", inside, str(LAB_INTERNET), ROOTS_PORT)
        except (OSError, ValueError, http.client.HTTPException):
            return context  # it is down: its certificates are believed by nobody for now
        if status == 200:
            context.load_verify_locations(cadata=root.decode("ascii"))
    return context


def ask(domain: str, believed: ssl.SSLContext, address: str = "", path: str = "/") -> Answer:
    """Ask for a page by its name; `address` instead of where the name leads."""
    try:
        at = address or socket.getaddrinfo(domain, 443, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return Answer(problem=f"the name {domain} is not in the DNS")
    why = ""
    for context in (believed, _anybody()):
        try:
            status, body, certificate = _get(domain, path, context, str(at))
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message
            continue
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Answer(str(at), problem=f"{domain} leads to {at}, where nothing answers: {error}")
        return Answer(str(at), status, hashlib.sha256(body).hexdigest(), certificate, context is believed, why)
    return Answer(str(at), problem=f"{domain}: {why}")


def _anybody() -> ssl.SSLContext:
    """For a certificate of its own that a site begins with: what it shows is compared, not believed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _get(name: str, path: str, context: ssl.SSLContext, address: str, port: int = 443) -> tuple[int, bytes, bytes]:
    with socket.create_connection((address, port), TIMEOUT_S) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        certificate = tls.getpeercert(binary_form=True) or b""
        connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT_S)
        connection.sock = tls
        connection.request("GET", path, headers={"Host": name, "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(LIMIT_BYTES), certificate
