"""The private CA and the certificates it signs, kept in a folder of the caller.

`ca.pem` is what clients trust (RFC 5280); `ca.key` never leaves the folder. A server certificate
and its key are made for a set of names, and made anew when that set changes or the end is near.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lreg.config import CA_FILE
from lreg.errors import LregError, UsageError
from lreg.kinds import HOST_NAME
from lreg.locks import alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_CA_LIFE = timedelta(days=3650)
_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
# Clocks of nodes are off by a little; of freshly booted boards by more.
_BACKDATE = timedelta(days=1)
# From so many days before a CA's end on it is time to say so: all who trust it need another.
NOTICE_DAYS = 180
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a certificate is good, in seconds since 1970.

    Attributes:
        begins: from when on.
        renew: when it should be made anew.
        ends: when it is good no more.
    """

    begins: float
    renew: float
    ends: float

    @classmethod
    def of(cls, certificate: x509.Certificate | bytes | Path) -> Lifetime:
        """Return that of a certificate, or of the first one in PEM or in a file of it.

        Raises:
            OSError, ValueError: the file can't be read, or holds none.
        """
        if not isinstance(certificate, x509.Certificate):
            pem = certificate if isinstance(certificate, bytes) else certificate.read_bytes()
            certificate = x509.load_pem_x509_certificate(pem)
        end = certificate.not_valid_after_utc
        begin = certificate.not_valid_before_utc
        return cls(begin.timestamp(), (end - _RENEW_BEFORE).timestamp(), end.timestamp())

    @property
    def days_left(self) -> int:
        """How many whole days it is still good; less than 0 once it is no more."""
        return int((self.ends - time.time()) // _DAY)

    def covers(self, moment: float) -> bool:
        """Return whether it is good at a moment."""
        return self.begins <= moment < self.ends


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A CA that can sign.

    Attributes:
        folder: where it and what it signed lie.
        certificate: its own, self-signed.
        key: its private key.
    """

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def path(self) -> Path:
        """The PEM file with its certificate: what clients are to trust."""
        return self.folder / CA_FILE

    def issue(self, names: Iterable[str]) -> tuple[Path, Path]:
        """Return the files of a certificate for exactly these names, and of its key, both PEM.

        The one made before is returned as long as it is good for another 30 days. The certificate's
        file holds the chain: itself, then the CA.

        Args:
            names: DNS names and IP addresses (no brackets, no port), at least one.

        Raises:
            UsageError: one of them is neither.
            OSError: the files can't be written.
        """
        wanted = sorted(set(names))
        alternative = [_general_name(name) for name in wanted]
        stem = _stem(wanted)
        cert, key = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        with alone(self.folder):
            if not self._is_good(cert, key, alternative):
                self._make(cert, key, wanted, alternative)
        return cert, key

    def keep_only(self, sets: Iterable[Iterable[str]]) -> None:
        """Remove the certificates that were issued for any other set of names, and their keys."""
        kept = {_stem(sorted(set(names))) for names in sets}
        with alone(self.folder):
            for file in self.folder.iterdir():
                if _ISSUED.fullmatch(file.name) and file.stem not in kept:
                    # What can't go is in nobody's way.
                    with contextlib.suppress(OSError):
                        file.unlink()

    def _is_good(self, cert: Path, key: Path, alternative: Sequence[x509.GeneralName]) -> bool:
        try:
            old = x509.load_pem_x509_certificate(cert.read_bytes())
            private = serialization.load_pem_private_key(key.read_bytes(), password=None)
            old.verify_directly_issued_by(self.certificate)
            named = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # noqa: BLE001 -- whatever is wrong with it, a new one mends it
            return False
        life, now = Lifetime.of(old), time.time()
        return (
            life.covers(now)
            and now < life.renew
            and set(named) == set(alternative)
            and private.public_key() == old.public_key()
        )

    def _make(
        self, cert: Path, key: Path, names: Sequence[str], alternative: Sequence[x509.GeneralName]
    ) -> None:
        private = ec.generate_private_key(ec.SECP256R1())
        # A common name is 64 characters at most (RFC 5280, A.1); clients read the SANs.
        builder = _builder(_name(names[0][:64]), self.certificate.subject, private, _LIFE)
        builder = (
            builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        signed = builder.sign(self.key, hashes.SHA256())
        _write(key, _private_pem(private), 0o600)
        _write(cert, _pem(signed) + _pem(self.certificate), 0o644)


_ISSUED = re.compile(r"server-[0-9a-f]{16}\.(pem|key)")


def _stem(names: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return f"server-{digest[:16]}"


def ensure_ca(folder: Path) -> CertificateAuthority:
    """Return the CA of `folder`, made now if there is none; several callers get the same one.

    Raises:
        LregError: there is one that can't be read, or that has ended.
        OSError: the folder can't be made or written.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    cert, key = folder / CA_FILE, folder / "ca.key"
    with alone(folder):
        if not cert.exists():
            _make_ca(cert, key)
        return _load_ca(folder, cert, key)


def _load_ca(folder: Path, cert: Path, key: Path) -> CertificateAuthority:
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError, OSError) as error:
        raise LregError(f"{folder} holds no usable CA: {error}") from None
    if (
        not isinstance(private, ec.EllipticCurvePrivateKey)
        or private.public_key() != certificate.public_key()
    ):
        raise LregError(f"{key} is not the key of {cert}")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise LregError(f"{cert} has ended: remove {folder}, restart, and give clients the new CA")
    return CertificateAuthority(folder, certificate, private)


def _make_ca(cert: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    # Two CAs of one name would confuse clients that trust both.
    subject = _name(f"lreg private CA {x509.random_serial_number():x}"[:32])
    certificate = (
        _builder(subject, subject, private, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(private, hashes.SHA256())
    )
    # The certificate last: it is what says that there is a CA.
    _write(key, _private_pem(private), 0o600)
    _write(cert, _pem(certificate), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        pass
    ascii_name = name.encode("ascii", "replace").decode()
    if not HOST_NAME.fullmatch(ascii_name.removeprefix("*.")):
        raise UsageError(f"{name!r} is neither a DNS name nor an IP address")
    return x509.DNSName(ascii_name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put `data` at `path`, whole and durable or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
