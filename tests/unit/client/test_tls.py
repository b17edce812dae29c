"""Servers that speak TLS strangely, wrongly, or not to the end."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from lreg.client.patience import Patience
from lreg.client.transport import Transport
from lreg.client.wire import Request
from lreg.errors import TlsFailed, TransferBroken
from tests.support.certificates import good_tls
from tests.support.processes import in_time
from tests.support.records import DATA, HANDSHAKE, KEY_UPDATE, TICKET, Keys
from tests.unit.client.peers import HEAD, Peer, peer
from tests.unit.client.sinks import BLOB, Sink, descriptors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from lreg.certificates import CertificateAuthority

MIB = 1 << 20


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """Where the secrets of a connection are told."""
    return tmp_path / "keys"


@pytest.fixture
def tls(authority: CertificateAuthority, keys_file: Path) -> ssl.SSLContext:
    """What a server at 127.0.0.1 speaks TLS with; it gives no tickets, and tells its secrets."""
    context = good_tls(authority, "127.0.0.1")
    context.num_tickets = 0
    context.keylog_filename = str(keys_file)
    return context


@pytest.fixture
async def transport(authority: CertificateAuthority) -> AsyncIterator[Transport]:
    """A client that trusts it."""
    async with Transport(ca=authority.path, patience=Patience(backoff=0.01)) as made:
        yield made


@pytest.fixture
async def hasty(authority: CertificateAuthority) -> AsyncIterator[Transport]:
    """The same, with less patience."""
    async with Transport(ca=authority.path, patience=Patience(stall=4, backoff=0.01)) as made:
        yield made


async def get(transport: Transport, url: str, sink: Sink | None = None) -> bytes:
    """Return the body of an answer as it came into a sink."""
    sink = sink or Sink()
    async with transport.exchange(Request("GET", url)) as response:
        await response.pump(sink)
    return bytes(sink.data)


async def test_records_amid_a_body(
    transport: Transport, tls: ssl.SSLContext, keys_file: Path
) -> None:
    """Tickets and new keys may come amid a body, and the connection serves the next request."""

    async def talk(one: Peer) -> None:
        await one.request()
        keys = Keys.logged(keys_file, "SERVER")
        await one.put(keys.seal(DATA, HEAD % len(BLOB)))
        for begin in range(0, len(BLOB), MIB):
            await one.put(keys.seal_all(BLOB[begin : begin + MIB]))
            await one.put(keys.seal(HANDSHAKE, TICKET) + keys.seal(HANDSHAKE, KEY_UPDATE))
            keys = keys.next()
        await one.request()
        await one.put(keys.seal_all(HEAD % 5 + b"small"))

    async with peer(tls, talk) as url:
        assert await get(transport, url) == BLOB
        assert await get(transport, url) == b"small"


async def test_keys_that_change_amid_an_upload(
    transport: Transport, tls: ssl.SSLContext, keys_file: Path
) -> None:
    """A server may ask for new keys while it takes a large body, and answers with its own."""

    class Source:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield BLOB

        async def pump(self, sink: Callable[[memoryview], None]) -> None:
            for begin in range(0, len(BLOB), MIB):
                await asyncio.to_thread(sink, memoryview(BLOB)[begin : begin + MIB])

    async def talk(one: Peer) -> None:
        keys = Keys.logged(keys_file, "SERVER")
        body = (await one.request()).partition(b"\r\n\r\n")[2]
        while len(body) < len(BLOB):
            await asyncio.sleep(0.05)  # until the client's thread is stuck within a piece
            for _ in range(2):  # OpenSSL answers the first one with the next data, two at once
                await one.put(keys.seal(HANDSHAKE, KEY_UPDATE))
                keys = keys.next()
            await asyncio.sleep(0.05)
            wanted = min(len(BLOB), len(body) + MIB)
            while len(body) < wanted:
                body += await one.read()
        assert body == BLOB
        await one.put(keys.seal_all(HEAD % 2 + b"ok"))

    async with peer(tls, talk) as url:
        upload = Request("PUT", url, body=Source(), size=len(BLOB))
        async with transport.exchange(upload) as response:
            assert await response.read(9) == b"ok"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions(transport: Transport, tls: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    """Large bodies come over either version of TLS, and HTTP/1.1 is agreed on."""
    tls.minimum_version = tls.maximum_version = version
    tls.set_alpn_protocols(["h2", "http/1.1"])

    async def talk(one: Peer) -> None:
        assert one.tls.selected_alpn_protocol() == "http/1.1"
        assert one.tls.version() == version.name.replace("_", ".")
        for _ in range(2):
            await one.request()
            await one.say(HEAD % len(BLOB))
            for begin in range(0, len(BLOB), MIB):
                await one.say(BLOB[begin : begin + MIB])

    async with peer(tls, talk) as url:
        for _ in range(2):
            assert await get(transport, url) == BLOB


@pytest.mark.parametrize("farewell", [True, False])
async def test_the_end_of_a_body(transport: Transport, tls: ssl.SSLContext, farewell: bool) -> None:
    """A body of unstated length is whole where its server said so, not where the line was cut."""

    async def talk(one: Peer) -> None:
        await one.request()
        await one.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BLOB)
        if farewell:
            await one.farewell()

    async with peer(tls, talk) as url:
        sink = Sink()
        if farewell:
            assert await get(transport, url, sink) == BLOB
        else:
            with pytest.raises(TransferBroken, match="without the farewell"):
                await get(transport, url, sink)
            assert BLOB.startswith(bytes(sink.data))


@pytest.mark.parametrize("length", [len(BLOB), 500_000])
async def test_a_body_that_is_complete_needs_no_farewell(
    transport: Transport, tls: ssl.SSLContext, length: int
) -> None:
    """A server may hang up behind the last byte of a body whose length it stated."""

    async def talk(one: Peer) -> None:
        await one.request()
        await one.say(HEAD % length + BLOB[:length])

    async with peer(tls, talk) as url:
        for _ in range(2):
            assert await get(transport, url) == BLOB[:length]


@pytest.mark.parametrize("end", ["farewell", "cut", "garbage", "alert"])
async def test_a_large_body_that_ends_early(
    transport: Transport, tls: ssl.SSLContext, keys_file: Path, end: str
) -> None:
    """What had come is kept, nothing wrong is added, and it is told that the rest is missing."""
    size = 3 * MIB

    async def talk(one: Peer) -> None:
        await one.request()
        keys = Keys.logged(keys_file, "SERVER")
        await one.put(keys.seal_all(HEAD % len(BLOB)) + keys.seal_all(BLOB[:size]))
        match end:
            case "cut":
                await one.put(keys.seal(DATA, b"the rest")[:-3])
            case "garbage":
                await one.put(b"\x17\x03\x03\x00\x20" + bytes(32))
            case "farewell":
                await one.put(keys.seal(0x15, b"\x01\x00"))
            case "alert":
                await one.put(keys.seal(0x15, b"\x02\x50"))

    async with peer(tls, talk) as url:
        sink = Sink()
        with pytest.raises(TransferBroken, match="broke off in the middle"):
            await get(transport, url, sink)
        assert sink.data == BLOB[:size]


async def test_records_without_data(hasty: Transport, tls: ssl.SSLContext, keys_file: Path) -> None:
    """A server that sends records for ever, and no byte of the body, is one that stalls."""

    async def talk(one: Peer) -> None:
        await one.request()
        keys = Keys.logged(keys_file, "SERVER")
        await one.put(keys.seal_all(HEAD % len(BLOB)) + keys.seal_all(BLOB[:MIB]))
        while True:
            await one.put(b"".join(keys.seal(HANDSHAKE, TICKET) for _ in range(100)))
            await asyncio.sleep(0)

    async with peer(tls, talk) as url:
        sink = Sink()
        with pytest.raises(TransferBroken, match="nothing came in time"):
            await asyncio.wait_for(get(hasty, url, sink), 60)
        assert sink.data == BLOB[:MIB]


async def test_a_server_that_renegotiates(
    transport: Transport, authority: CertificateAuthority
) -> None:
    """A server of TLS 1.2 that wants another handshake amid a body gets none; the body comes."""
    openssl = SSL.Context(SSL.TLS_SERVER_METHOD)
    openssl.set_max_proto_version(SSL.TLS1_2_VERSION)
    cert, key = authority.issue(["127.0.0.1"])
    openssl.use_certificate_chain_file(str(cert))
    openssl.use_privatekey_file(str(key))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = SSL.Connection(openssl, None)
        session.set_accept_state()

        async def until(step: Callable[[], object]) -> None:
            done = False
            while not done:
                try:
                    step()
                    done = True
                except SSL.WantReadError:
                    flush(session, writer)
                    session.bio_write(await reader.read(MIB))

        await until(session.do_handshake)
        await until(lambda: session.recv(MIB))
        session.sendall(HEAD % len(BLOB) + BLOB[: 3 * MIB])
        session.renegotiate()
        session.do_handshake()
        session.sendall(BLOB[3 * MIB :])
        flush(session, writer)
        with pytest.raises(SSL.Error, match="no renegotiation"):
            await until(lambda: session.recv(MIB))
        writer.close()
        refused.set()

    refused = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await get(transport, url) == BLOB
        await asyncio.wait_for(refused.wait(), 60)


def flush(session: SSL.Connection, writer: asyncio.StreamWriter) -> None:
    """Send what a session has to say."""
    try:
        while True:
            writer.write(session.bio_read(MIB))
    except SSL.WantReadError:
        pass


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
async def test_a_handshake_that_fails(
    authority: CertificateAuthority, answer: bytes | None
) -> None:
    """A server that hangs up, speaks plain HTTP or says nothing is said to speak no TLS."""
    before = descriptors()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer or b"")
        while answer is None and await reader.read(MIB):
            pass
        writer.close()

    patience = Patience(connect=20 if answer is not None else 3)
    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        Transport(ca=authority.path, patience=patience) as transport,
    ):
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(TlsFailed, match="does not speak TLS"):
            await get(transport, url)
        asking = asyncio.create_task(get(transport, url))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await in_time(lambda: descriptors() <= before)
