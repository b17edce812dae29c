"""The private CA: what clients are asked to trust."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from lreg import certificates
from lreg.certificates import Lifetime, ensure_ca
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ca"


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_client_that_trusts_the_ca_trusts_the_server(folder: Path) -> None:
    """A TLS client with only ca.pem connects by name and by address, and to no other name."""
    ca = ensure_ca(folder)
    cert, key = ca.issue(["registry.local", "127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)

    def hello(name: str) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def answer() -> None:
                try:
                    server.wrap_socket(theirs, server_side=True).close()
                except OSError:
                    theirs.close()

            thread = threading.Thread(target=answer)
            thread.start()
            try:
                client = ssl.create_default_context(cafile=ca.path)
                client.wrap_socket(ours, server_hostname=name).close()
            finally:
                thread.join()

    hello("registry.local")
    hello("127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        hello("other.local")


def test_the_chain_holds_to_the_web_profile(folder: Path) -> None:
    """A strict verifier (RFC 5280, CA/Browser Forum profile) accepts the chain."""
    ca = ensure_ca(folder)
    cert, _ = ca.issue(["registry.local"])
    verifier = (
        PolicyBuilder()
        .store(Store([_read(ca.path)]))
        .build_server_verifier(x509.DNSName("registry.local"))
    )
    assert len(verifier.verify(_read(cert), [])) == 2


def test_what_the_ca_may_do(folder: Path) -> None:
    """The CA signs servers only: no CA below it, ten years, P-256."""
    certificate = ensure_ca(folder).certificate
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    life = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=3640) < life < timedelta(days=3651)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_what_a_server_certificate_says(folder: Path) -> None:
    """A server certificate names each name and address once, lasts a year, and is no CA."""
    cert, _ = ensure_ca(folder).issue(["b.example", "a.example", "::1", "b.example", "10.0.0.1"])
    certificate = _read(cert)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("::1"),
    }
    purpose = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purpose) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    life = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=364) < life < timedelta(days=366)


def test_keys_are_for_the_owner_only(folder: Path) -> None:
    """No other user of the machine reads a private key; everybody may read a certificate."""
    ca = ensure_ca(folder)
    ca.issue(["a.example"])
    keys = list(folder.glob("*.key"))
    assert len(keys) == 2
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.glob("*.pem")} == {0o644}
    assert len(list(folder.iterdir())) == 4


def test_the_ca_outlives_restarts(folder: Path) -> None:
    """Clients trust the CA once: a restart makes no other, nor another server certificate."""
    first = ensure_ca(folder)
    cert, key = first.issue(["a.example"])
    before = cert.read_bytes(), key.read_bytes()
    second = ensure_ca(folder)
    assert second.certificate == first.certificate
    assert second.issue(["a.example"]) == (cert, key)
    assert (cert.read_bytes(), key.read_bytes()) == before


def test_other_names_another_certificate(folder: Path) -> None:
    """A server that listens on a new name gets a certificate with it, of the same CA."""
    ca = ensure_ca(folder)
    first, _ = ca.issue(["a.example"])
    second, _ = ca.issue(["a.example", "b.example"])
    assert first != second
    _read(second).verify_directly_issued_by(ca.certificate)


def test_renewal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate near its end is made anew in the same place."""
    ca = ensure_ca(folder)
    monkeypatch.setattr(certificates, "_LIFE", timedelta(days=29))
    cert, _ = ca.issue(["a.example"])
    old = _read(cert)
    monkeypatch.undo()
    again, _ = ca.issue(["a.example"])
    assert again == cert
    assert _read(cert).not_valid_after_utc > old.not_valid_after_utc


def test_a_damaged_server_certificate_is_replaced(folder: Path) -> None:
    """A file that a power cut of another program spoilt does not stop the start."""
    ca = ensure_ca(folder)
    cert, key = ca.issue(["a.example"])
    key.write_text("")
    assert ca.issue(["a.example"]) == (cert, key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)


def test_a_damaged_ca_is_not_replaced(folder: Path) -> None:
    """A CA that clients trust is never silently made anew: the person is told."""
    ensure_ca(folder)
    (folder / "ca.key").unlink()
    with pytest.raises(LregError, match="no usable CA"):
        ensure_ca(folder)


def test_a_key_of_another_ca(folder: Path, tmp_path: Path) -> None:
    """A key that is not the CA's own is refused, not signed with."""
    ensure_ca(folder)
    ensure_ca(tmp_path / "other")
    (tmp_path / "other" / "ca.key").replace(folder / "ca.key")
    with pytest.raises(LregError, match="is not the key of"):
        ensure_ca(folder)


def test_an_ended_ca(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA past its end is said to be, with what to do."""
    monkeypatch.setattr(certificates, "_CA_LIFE", timedelta(seconds=-1))
    with pytest.raises(LregError, match="has ended: remove"):
        ensure_ca(folder)


def test_outdated_ones_go(folder: Path) -> None:
    """Certificates of sets of names that nobody wants any more go, and nothing else does."""
    ca = ensure_ca(folder)
    kept = ca.issue(["a.example", "b.example"])
    gone = ca.issue(["a.example"])
    (folder / "server-mine.pem").touch()
    ca.keep_only([["b.example", "a.example"], ["never.example"]])
    assert not any(file.exists() for file in gone)
    left = {"ca.pem", "ca.key", "server-mine.pem", *(file.name for file in kept)}
    assert {file.name for file in folder.iterdir()} == left


def test_days_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a CA is still good is told of it, of its file and of its text."""
    monkeypatch.setattr(certificates, "_CA_LIFE", timedelta(days=100, hours=1))
    ca = ensure_ca(folder)
    for form in (ca.certificate, ca.path, ca.path.read_bytes()):
        assert Lifetime.of(form).days_left == 100
    monkeypatch.setattr(certificates, "_CA_LIFE", timedelta(seconds=-1))
    with pytest.raises(LregError):
        ensure_ca(folder.with_name("ended"))
    assert Lifetime.of(folder.with_name("ended") / "ca.pem").days_left == -1


@pytest.mark.parametrize("name", ["", "a b", "a..b/", "host:5000", "[::1]", "bücher.example"])
def test_what_is_no_name(folder: Path, name: str) -> None:
    """What is neither a DNS name nor an address is not signed."""
    with pytest.raises(UsageError):
        ensure_ca(folder).issue([name])


def test_many_at_once_get_one(folder: Path) -> None:
    """Servers started at the same moment share one CA and one certificate."""
    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(lambda _: ensure_ca(folder).issue(["a.example"]), range(16)))
    assert len(set(issued)) == 1
    _read(issued[0][0]).verify_directly_issued_by(_read(folder / "ca.pem"))
