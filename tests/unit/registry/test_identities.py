"""Certificates by TLS server name, over real sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from lreg import certificates
from lreg.certificates import CertificateAuthority, ensure_ca
from lreg.oci.reference import DOCKER_HUB_ALIASES
from lreg.registry import identities
from lreg.registry.http.messages import Request, Response
from lreg.registry.http.sessions import TlsContext
from lreg.registry.identities import Identities
from tests.support.processes import eventually
from tests.support.registries import start_lreg
from tests.unit.registry.serving import LAST, hello, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

OWN = ("localhost", "127.0.0.1", "registry.lan", "*.nodes.lan")
UPSTREAMS = ("docker.io", "quay.io")


class Signing:
    """A CA that counts what it is asked to sign, and can be held up.

    Attributes:
        asked: the names of each certificate that was asked for.
        go: it waits for this.
        trouble: what it raises instead of signing, once each.
    """

    def __init__(self, issue: Callable[[Iterable[str]], tuple[Path, Path]]) -> None:
        self._issue = issue
        self.asked: list[tuple[str, ...]] = []
        self.go = threading.Event()
        self.go.set()
        self.trouble: list[OSError] = []

    def issue(self, names: Iterable[str]) -> tuple[Path, Path]:
        """Sign, as a CA does."""
        self.asked.append(tuple(sorted(names)))
        assert self.go.wait(30)
        if self.trouble:
            raise self.trouble.pop()
        return self._issue(self.asked[-1])


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return ensure_ca(tmp_path / "ca")


@pytest.fixture
def signing(ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> Signing:
    made = Signing(partial(CertificateAuthority.issue, ca))
    monkeypatch.setattr(CertificateAuthority, "issue", lambda _, names: made.issue(names))
    return made


@asynccontextmanager
async def server(ca: CertificateAuthority, own: Sequence[str] = OWN) -> AsyncIterator[int]:
    """Serve with the certificates of a CA; the port."""
    shown = Identities(ca, lambda: set(own), UPSTREAMS)
    async with serving(told, shown.context) as (_, _, port):
        yield port


def told(request: Request) -> Response:
    """Answer what the client called us."""
    return Response(200, {"X-Name": request.server_name}, (b"hello",))


async def ask(
    ca: CertificateAuthority, port: int, name: str, version: ssl.TLSVersion | None = None
) -> tuple[x509.Certificate, bytes]:
    """Return the certificate that a client gets who wants to talk to `name`, and the answer."""
    context = ssl.create_default_context(cafile=str(ca.path))
    if version:
        context.minimum_version = context.maximum_version = version
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        raw = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.write(LAST)
        answer = await asyncio.wait_for(reader.read(), 30)
        return x509.load_der_x509_certificate(raw), answer
    finally:
        writer.close()


def names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_each_name_has_its_certificate(
    ca: CertificateAuthority, version: ssl.TLSVersion
) -> None:
    """A client of an upstream's name, of our own, or of our address can verify what it gets."""
    hub = {"docker.io", *DOCKER_HUB_ALIASES}
    expected = {
        "quay.io": {"quay.io"},
        "docker.io": hub,
        "registry-1.docker.io": hub,
        "index.docker.io": hub,
        "localhost": set(OWN),
        "registry.lan": set(OWN),
        "a.nodes.lan": set(OWN),
        "127.0.0.1": set(OWN),
    }
    async with server(ca) as port:
        for name, wanted in expected.items():
            certificate, answer = await ask(ca, port, name, version)
            assert names(certificate) == wanted, name
            heard = "" if name == "127.0.0.1" else name
            assert f"X-Name: {heard}\r\n".encode() in answer


@pytest.mark.parametrize("name", ["gcr.io", "quay.io.evil.example", "lan", "a.b.nodes.lan"])
async def test_a_name_off_the_list_gets_none(
    ca: CertificateAuthority, signing: Signing, name: str
) -> None:
    """For a name that is neither ours nor an upstream's the hello is refused; nothing is signed."""
    async with server(ca) as port:
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            await ask(ca, port, name)
        assert signing.asked == [tuple(sorted(OWN))]


async def test_an_address_that_nobody_knew_of(ca: CertificateAuthority, signing: Signing) -> None:
    """A client that comes to another address of this machine can verify that one as well."""
    async with server(ca, ["registry.lan"]) as port:
        certificate, _ = await ask(ca, port, "127.0.0.1")
        assert names(certificate) == {"registry.lan", "127.0.0.1"}
        await ask(ca, port, "registry.lan")
        await ask(ca, port, "127.0.0.1")
        assert signing.asked == [("registry.lan",), ("127.0.0.1", "registry.lan")]


async def test_what_is_outdated_goes(ca: CertificateAuthority) -> None:
    """Of the certificates on the disk those stay that somebody may still be shown."""
    ca.issue(["an.old.address"])
    async with server(ca, ["registry.lan"]) as port:
        await ask(ca, port, "quay.io")
        await ask(ca, port, "127.0.0.1")
        await ask(ca, port, "registry.lan")
        found = [names(x509.load_pem_x509_certificate(each.read_bytes())) for each in issued(ca)]
        assert sorted(map(sorted, found)) == [["127.0.0.1", "registry.lan"], ["quay.io"]]
        assert len(list(ca.folder.glob("server-*.key"))) == len(found)


def issued(ca: CertificateAuthority) -> list[Path]:
    """The certificates that lie there."""
    return sorted(ca.folder.glob("server-*.pem"))


@pytest.mark.parametrize(("days", "said"), [(100, 1), (400, 0)])
async def test_a_ca_that_ends(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    days: int,
    said: int,
) -> None:
    """A server says at its start, and once a day, that its CA ends within half a year."""
    monkeypatch.setattr(certificates, "_CA_LIFE", timedelta(days=days, hours=1))
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(identities, "time", clock)
    ca = ensure_ca(tmp_path / "ending")
    async with server(ca) as port:
        for day in (1, 2):
            for _ in range(3):
                await ask(ca, port, "localhost")
            told = [each for each in caplog.records if each.message == "tls.ca_ends"]
            assert len(told) == day * said
            assert all(vars(each)["days"] == days for each in told)
            clock.monotonic = lambda: time.monotonic() + 86400


async def test_a_certificate_is_made_once(
    tmp_path: Path, ca: CertificateAuthority, signing: Signing
) -> None:
    """Many nodes that ask at once wait for one certificate; after a restart it is the same."""
    async with server(ca) as port:
        signing.go.clear()
        asking = [asyncio.create_task(ask(ca, port, "quay.io")) for _ in range(20)]
        await asyncio.to_thread(eventually, lambda: ("quay.io",) in signing.asked)
        # Others are served meanwhile: the loop waits for no disk.
        assert names((await ask(ca, port, "localhost"))[0]) == set(OWN)
        signing.go.set()
        found = {certificate.serial_number for certificate, _ in await asyncio.gather(*asking)}
        assert len(found) == 1
        assert signing.asked.count(("quay.io",)) == 1
    async with server(ensure_ca(tmp_path / "ca")) as port:
        again, _ = await ask(ca, port, "quay.io")
        assert {again.serial_number} == found


@pytest.mark.parametrize(
    ("part", "value"),
    [("_LIFE", timedelta(seconds=-1)), ("_BACKDATE", timedelta(hours=-1))],
    ids=["past its end", "before its beginning"],
)
async def test_a_clock_that_jumped(
    ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, part: str, value: timedelta
) -> None:
    """A certificate that is not good now is made anew before it is shown, without a restart."""
    with monkeypatch.context() as clock:
        clock.setattr(certificates, part, value)
        running = server(ca)
        port = await running.__aenter__()
    try:
        certificate, answer = await ask(ca, port, "localhost")
        assert certificates.Lifetime.of(certificate).covers(
            certificate.not_valid_before_utc.timestamp() + 1
        )
        assert answer.endswith(b"hello")
    finally:
        await running.__aexit__(None, None, None)


async def test_renewal_in_a_running_server(
    ca: CertificateAuthority, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate near its end is still shown, while another one is made for the next clients."""
    with monkeypatch.context() as clock:
        clock.setattr(certificates, "_LIFE", timedelta(days=29))
        running = server(ca)
        port = await running.__aenter__()
    try:
        signing.go.clear()
        old, _ = await ask(ca, port, "localhost")
        signing.go.set()
        await asyncio.to_thread(eventually, lambda: len(signing.asked) == 2)
        shown = {(await ask(ca, port, "localhost"))[0].serial_number for _ in range(50)}
        assert shown - {old.serial_number}
    finally:
        await running.__aexit__(None, None, None)


async def test_a_full_disk(ca: CertificateAuthority, signing: Signing) -> None:
    """Where no certificate can be made the client is told so at once; the next one can get it."""
    async with server(ca) as port:
        signing.trouble.append(OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
            await ask(ca, port, "quay.io")
        assert names((await ask(ca, port, "quay.io"))[0]) == {"quay.io"}


async def test_a_full_disk_and_a_new_address(
    ca: CertificateAuthority, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that could not be added is so a minute later; what is there serves till then."""
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(identities, "time", clock)
    async with server(ca, ["registry.lan"]) as port:
        signing.trouble.append(OSError(errno.EROFS, "Read-only file system"))
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await ask(ca, port, "127.0.0.1")
        assert names((await ask(ca, port, "registry.lan"))[0]) == {"registry.lan"}
        clock.monotonic = lambda: time.monotonic() + 61
        assert names((await ask(ca, port, "127.0.0.1"))[0]) == {"registry.lan", "127.0.0.1"}


async def test_a_full_disk_and_a_clock_that_jumped(
    ca: CertificateAuthority, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing better can be made the old certificate is shown: some clients take it."""
    with monkeypatch.context() as clock:
        clock.setattr(certificates, "_BACKDATE", timedelta(hours=-1))
        running = server(ca)
        port = await running.__aenter__()
    try:
        signing.trouble.append(OSError(errno.ENOSPC, "No space left on device"))
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
                await ask(ca, port, "localhost")
        assert len(signing.asked) == 2
    finally:
        await running.__aexit__(None, None, None)


async def test_a_hello_in_pieces(ca: CertificateAuthority) -> None:
    """A hello that arrives byte by byte is as good, also where its certificate is not made yet."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(ca.path))
    client = context.wrap_bio(incoming, outgoing, server_hostname="quay.io")
    async with server(ca) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        for byte in outgoing.read():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            while client.version() is None or not client.cipher():
                incoming.write(await reader.read(1 << 16))
                try:
                    client.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert (client.getpeercert() or {})["subjectAltName"] == (("DNS", "quay.io"),)
        writer.close()


def test_a_name_that_is_no_ascii(tmp_path: Path) -> None:
    """A hello with such a server name is refused and logged as any other name; nothing is printed.

    A line on stderr that is no event would be in the way of who reads the log.
    """
    running = start_lreg(tmp_path, tls=True)
    try:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="aaaaaa")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        said = outgoing.read().replace(b"aaaaaa", "äöü".encode())
        with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0)) as plain:
            plain.sendall(said)
            incoming.write(plain.recv(1 << 16))
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            client.do_handshake()
        eventually(lambda: "tls.name_refused" in running.process.log)
    finally:
        running.stop()
    lines = [line for line in running.process.log.splitlines() if "name_refused" in line]
    assert ["äöü" in line for line in lines] == [True]
    assert "Exception ignored" not in running.process.log
    assert "UnicodeDecodeError" not in running.process.log


async def test_a_client_that_leaves_while_it_waits(
    ca: CertificateAuthority, signing: Signing
) -> None:
    """Who hangs up before the certificate is made disturbs nobody."""
    async with server(ca) as port:
        signing.go.clear()
        leaving = asyncio.create_task(ask(ca, port, "quay.io"))
        await asyncio.to_thread(eventually, lambda: ("quay.io",) in signing.asked)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        staying = asyncio.create_task(ask(ca, port, "quay.io"))
        signing.go.set()
        assert names((await staying)[0]) == {"quay.io"}


async def test_a_stop_while_clients_wait(ca: CertificateAuthority, signing: Signing) -> None:
    """A server that stops leaves who waits for a certificate, and begins to make no other one."""
    async with server(ca) as port:
        signing.go.clear()
        asking = asyncio.create_task(ask(ca, port, "quay.io"))
        await asyncio.to_thread(eventually, lambda: ("quay.io",) in signing.asked)
        # As asyncio.run does at the end.
        (making,) = (each for each in asyncio.all_tasks() if "_replace" in repr(each.get_coro()))
        making.cancel()
        with pytest.raises(ConnectionError):
            await asking
        signing.go.set()
        assert signing.asked.count(("quay.io",)) == 1


async def test_a_bare_context(tmp_path: Path) -> None:
    """A listener with a certificate of one's own shows that to whoever asks."""
    cert, key = ensure_ca(tmp_path / "other").issue(["localhost"])
    context = TlsContext()
    context.load(cert, key)
    async with serving(hello, context) as (_, _, port):
        assert (await ask(ensure_ca(tmp_path / "other"), port, "localhost"))[1].endswith(b"hello")
