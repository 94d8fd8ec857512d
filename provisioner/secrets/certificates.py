"""Key pairs and certificates made for an office: its own small authority, and the certificate of its server.

The authority stays in the vault, so a server that was lost and built again shows what the office's machines already trust.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioner.inventory.dossier import Office
from provisioner.inventory.models import Kind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

AUTHORITY_DAYS = 3652
CERTIFICATE_DAYS = 730  # Apple refuses a private authority's beyond 825
RENEWED_DAYS = 365  # before its end: an office is applied to at least once a year


def pair(name: str, comment: str) -> dict[str, str]:
    """A new Ed25519 pair in OpenSSH's form: `name` (private) and `name_public` (`type base64 comment`)."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return {name: private.decode(), f"{name}_public": f"{public.decode()} {comment}"}


def tunnel(kept: str = "") -> dict[str, str]:
    """A pair for WireGuard (wg(8), genkey and pubkey): `key` and `key_public`; a new one, or that of the key that was kept.

    Raises:
        ValueError: the key is none.
    """
    old = x25519.X25519PrivateKey.from_private_bytes(base64.b64decode(kept, validate=True)) if kept else None
    key = old or x25519.X25519PrivateKey.generate()
    raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"key": base64.b64encode(raw).decode(), "key_public": base64.b64encode(public).decode()}


def names(office: Office) -> list[str]:
    """What the office's server is called: its full and short names, the services' and the domain's own."""
    domain = office.lan.domain
    servers = [name for name, host in office.hosts.items() if host.kind is Kind.SERVER]
    return [*(f"{name}.{domain}" for name in servers), *servers, f"calendar.{domain}", domain]


def certified(old: Mapping[str, str], office: Office) -> dict[str, str]:
    """`old` with what it lacks: `authority`, `authority_key`, `certificate` and `key` (PEM).

    The certificate is made anew a year before it ends, or when the office's names or its authority are others; both are, when
    they begin only in the future: a laptop with a wrong clock made them.
    """
    return renewed(old, office.name, names(office), [office.lan.domain, *office.hosts])


def renewed(old: Mapping[str, str], owner: str, called: list[str], allowed: list[str]) -> dict[str, str]:
    """The same for any owner: a certificate that is `called` so, from an authority that may speak for `allowed`."""
    tls = dict(old)
    if "authority" not in tls or not _holds(tls["authority"]):
        tls["authority"], tls["authority_key"] = _authority(f"{owner} {datetime.now(UTC):%Y}", allowed)
        tls.pop("certificate", None)
    if "certificate" not in tls or not _holds(tls["certificate"]) or _names(tls["certificate"]) != called:
        tls["certificate"], tls["key"] = issue(tls["authority"], tls["authority_key"], called)
    return tls


def issue(authority: str, authority_key: str, called: list[str]) -> tuple[str, str]:
    """A server's certificate for these names, and its key, both PEM."""
    ca = x509.load_pem_x509_certificate(authority.encode())
    signer = serialization.load_pem_private_key(authority_key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called[0][:64])])
    made = (
        _builder(subject, ca.subject, key.public_key(), CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in called]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)


def provider(called: list[str]) -> dict[str, str]:
    """What the lab's stand-in for all providers shows: an SSH host key, and a certificate for these names."""
    authority, authority_key = _authority("lab providers", called)
    certificate, key = issue(authority, authority_key, called)
    tls = {"authority": authority, "certificate": certificate, "key": key}
    return pair("provider_host_key", "the lab's provider") | {f"provider_{name}": text for name, text in tls.items()}


def _authority(called: str, allowed: list[str]) -> tuple[str, str]:
    """A self-signed authority that may speak for these names and what is below them, and for nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called[:64])])
    usage = {f"{word}": word in ("key_cert_sign", "crl_sign", "digital_signature") for word in _USAGES}
    made = (
        _builder(subject, subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        # an authority that anybody's browser trusts must not be able to speak for the world
        .add_extension(x509.NameConstraints([x509.DNSName(name) for name in allowed], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _builder(subject: x509.Name, issuer: x509.Name, key: "CertificatePublicKeyTypes", days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))  # a client's clock may be a little behind
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(kind, form, serialization.NoEncryption()).decode()


def _holds(certificate: str) -> bool:
    """Whether it is valid now, and for a year to come."""
    found, now = x509.load_pem_x509_certificate(certificate.encode()), datetime.now(UTC)
    return found.not_valid_before_utc <= now and found.not_valid_after_utc >= now + timedelta(days=RENEWED_DAYS)


def _names(certificate: str) -> list[str]:
    found = x509.load_pem_x509_certificate(certificate.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)
