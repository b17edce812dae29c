"""TLS for fakes, with a certificate that is good, or one that has ended; and for clients."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.certificates import CertificateAuthority


def good_tls(authority: CertificateAuthority, *names: str) -> ssl.SSLContext:
    """Return what a server of those names speaks TLS with."""
    return _context(*authority.issue(names))


def ended_tls(authority: CertificateAuthority, address: str) -> ssl.SSLContext:
    """Return what a server at an address speaks TLS with whose certificate ended yesterday."""
    cert, key = authority.folder / "ended.pem", authority.folder / "ended.key"
    named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    _sign(authority, address, named, timedelta(days=-1), cert, key)
    return _context(cert, key)


def client_files(authority: CertificateAuthority, folder: Path) -> Path:
    """Write what a client of Docker has: ca.pem, cert.pem and key.pem; return the folder."""
    folder.mkdir()
    (folder / "ca.pem").write_bytes(authority.path.read_bytes())
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    files = folder / "cert.pem", folder / "key.pem"
    _sign(authority, "client", client, timedelta(days=1), *files)
    return folder


def _sign(
    authority: CertificateAuthority,
    name: str,
    extension: x509.ExtensionType,
    lasts: timedelta,
    cert: Path,
    key: Path,
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + lasts)
        .add_extension(extension, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
