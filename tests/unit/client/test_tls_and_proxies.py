"""TLS, private CAs and proxies."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from lreg.client.credentials import Only
from lreg.client.registry import Registry
from lreg.errors import Unavailable, UsageError
from tests.fakes.faults import Fault, Reply
from tests.fakes.upstream import Upstream
from tests.support.certificates import ended_tls, good_tls
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.certificates import CertificateAuthority


def client(host: str, **more: object) -> Registry:
    return Registry(host, credentials=Only(None), patience=HASTE, **more)  # type: ignore[arg-type]


async def ping(host: str, **more: object) -> str:
    async with client(host, **more) as registry:
        return await registry.ping()


async def test_private_ca(secure: Upstream, authority: CertificateAuthority) -> None:
    """A private CA is trusted where it is named, and nothing but TLS is spoken then."""
    assert await ping(secure.host, ca=authority.path) == secure.url
    async with Upstream() as plain:
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await ping(plain.host, ca=authority.path)


async def test_untrusted(secure: Upstream) -> None:
    """A certificate that nobody vouches for is refused, with the ways out."""
    with pytest.raises(Unavailable, match=r"is not trusted .*--ca, or use --insecure"):
        await ping(secure.url)
    assert not secure.seen


async def test_ended(authority: CertificateAuthority) -> None:
    """A certificate whose time is over is refused, and that is said."""
    async with Upstream(tls=ended_tls(authority, "127.0.0.1")) as ended:
        with pytest.raises(Unavailable, match=r"not trusted \(certificate has expired"):
            await ping(ended.host, ca=authority.path)
        assert await ping(ended.url, insecure=True) == ended.url


@pytest.mark.parametrize(
    ("certified", "called", "why"),
    [
        ("localhost", "localhost", None),
        ("127.0.0.1", "127.0.0.1", None),
        ("localhost", "127.0.0.1", "IP address mismatch"),
        ("127.0.0.2", "127.0.0.1", "IP address mismatch"),
        ("127.0.0.1", "localhost", "Hostname mismatch"),
    ],
)
async def test_names(
    authority: CertificateAuthority, certified: str, called: str, why: str | None
) -> None:
    """A certificate is good for the names and addresses in it, and no others."""
    greeted = []
    tls = good_tls(authority, certified)
    tls.sni_callback = lambda _, name, __: greeted.append(name)
    async with (
        Upstream(tls=tls) as upstream,
        client(f"https://{called}:{upstream.port}", ca=authority.path) as registry,
    ):
        if why:
            with pytest.raises(Unavailable, match=rf"is not trusted \({why}"):
                await registry.ping()
            assert not upstream.seen
        else:
            await registry.ping()
    # An address is no server name (RFC 6066, 3).
    assert set(greeted) == {None if called[0].isdigit() else called}


async def test_system_trust(
    authority: CertificateAuthority, secure: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system trusts is trusted, wherever its environment says that this is."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    assert await ping(secure.url) == secure.url


async def test_tls_is_found(secure: Upstream) -> None:
    """On this machine a registry with TLS is found without saying so, and without a pause."""
    began = time.monotonic()
    async with Registry(secure.host, insecure=True, credentials=Only(None)) as registry:
        assert await registry.ping() == secure.url
    async with Registry(secure.host, credentials=Only(None)) as registry:
        with pytest.raises(Unavailable, match="is not trusted"):
            await registry.ping()
    assert time.monotonic() - began < 10


async def test_tls_as_go_tells_it(upstream: Upstream) -> None:
    """A 400 to plain HTTP is the hint of a server that wants TLS, which is tried next."""
    hint = Reply(400, b"Client sent an HTTP request to an HTTPS server.")
    upstream.script.add("GET", "/v2/", Fault(reply=hint))
    with pytest.raises(Unavailable, match="does not speak TLS"):
        await ping(upstream.host)


async def test_blob_over_tls(secure: Upstream, authority: CertificateAuthority) -> None:
    """Large bodies pass through TLS whole."""
    data = bytes(range(256)) * (32 << 10)
    descriptor = secure.put_blob(NAME, data)
    async with client(secure.host, ca=authority.path) as registry:
        repository = registry.repository(secure.repository(NAME))
        got = b"".join([piece async for piece in repository.blob(descriptor)])
        assert got == data
        await repository.push_blob(descriptor, repository.blob(descriptor))


async def test_bad_ca(secure: Upstream, tmp_path: Path) -> None:
    """A CA file that is none is named."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(UsageError, match=name):
            await ping(secure.host, ca=tmp_path / name)


async def test_proxy(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is asked for hosts elsewhere, with its own credentials, and never for loopback."""
    monkeypatch.setenv("http_proxy", f"http://me:s3cret@{upstream.host}")
    assert await ping("http://registry.example:81") == "http://registry.example:81"
    seen = upstream.seen[0]
    assert seen.target == "http://registry.example:81/v2/"
    assert seen.headers["proxy-authorization"] == "Basic bWU6czNjcmV0"
    assert await ping(upstream.host) == upstream.url
    assert upstream.seen[-1].target == "/v2/"
    assert "proxy-authorization" not in upstream.seen[-1].headers


async def test_tunnel(
    secure: Upstream, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over https a proxy gives a tunnel, and does not see what goes through it."""
    asked = bytearray()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", secure.port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{port}")
        url = f"https://registry.example:{secure.port}"
        assert await ping(url, insecure=True) == url
        with pytest.raises(Unavailable, match="is not trusted"):
            await ping(url, ca=authority.path)
        with pytest.raises(Unavailable, match="can't be a name"):
            await ping(f"https://registry..example:{secure.port}", insecure=True)
    assert asked.startswith(f"CONNECT registry.example:{secure.port} HTTP/1.1".encode())
    assert secure.seen[0].headers["host"] == f"registry.example:{secure.port}"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_elsewhere_is_https(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off this machine plain HTTP is spoken where it is asked for, and only after https failed."""
    # 127.0.0.1 under a name that does not say so.
    monkeypatch.setattr("lreg.client.wire.is_loopback", lambda _: False)
    with pytest.raises(Unavailable, match="does not speak TLS"):
        await ping(upstream.host)
    assert not upstream.seen
    assert await ping(upstream.host, insecure=True) == upstream.url
