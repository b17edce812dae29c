"""The TLS layer over real sockets: what a client of an encrypted port can do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from lreg.certificates import ensure_ca
from lreg.errors import TransferBroken
from lreg.registry.http.messages import Request, Response
from lreg.registry.http.sessions import TlsContext
from tests.support.processes import in_time
from tests.support.records import DATA, HANDSHAKE, KEY_UPDATE, Keys
from tests.unit.registry.serving import (
    LAST,
    connected,
    digest_body,
    file_app,
    hello,
    serving,
    talk,
)

if TYPE_CHECKING:
    from pathlib import Path

Contexts = tuple[TlsContext, ssl.SSLContext]


@pytest.fixture
def contexts(tmp_path: Path) -> Contexts:
    """The server's side of TLS, and that of a client who trusts it."""
    authority = ensure_ca(tmp_path)
    certificate, key = authority.issue(["localhost"])
    context = TlsContext()
    context.load(certificate, key)
    return context, ssl.create_default_context(cafile=str(authority.path))


async def test_plain_http_on_a_tls_port_is_told(contexts: Contexts) -> None:
    """Who forgets the s of https reads what is wrong, in plain text."""
    async with serving(hello, contexts[0]) as (_, _, port):
        answer = await talk(port, LAST)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"https://" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bodies_in_both_directions(
    tmp_path: Path, contexts: Contexts, version: ssl.TLSVersion
) -> None:
    """Large bodies arrive unchanged over either version, one request after the other."""
    content = os.urandom((3 << 20) + 5)
    (tmp_path / "file").write_bytes(content)
    files = file_app(tmp_path / "file", [(0, len(content))])
    server, client = contexts
    client.minimum_version = client.maximum_version = version
    async with serving(lambda r: digest_body(r) if r.method == "PUT" else files(r), server) as (
        _,
        app,
        port,
    ):
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(content)
        answer = await talk(port, head + content + LAST, client)
        assert answer.endswith(b"[" + content + b"]")
        await in_time(lambda: app.done == [(201, 64), (200, len(content) + 2)])


async def test_a_slow_reader_gets_everything(tmp_path: Path, contexts: Contexts) -> None:
    """A client that reads slowly is waited for, and nothing is lost or sent twice."""
    content = os.urandom(9 << 20)
    (tmp_path / "file").write_bytes(content)
    files = file_app(tmp_path / "file", [(0, len(content))])
    async with (
        serving(files, contexts[0]) as (_, _, port),
        connected(port, contexts[1]) as (reader, writer),
    ):
        writer.write(LAST)
        await asyncio.sleep(0.3)
        answer = bytearray()
        while piece := await reader.read(1 << 20):
            answer += piece
            await asyncio.sleep(0.005)
        assert answer.endswith(b"[" + content + b"]")


async def test_garbage_ends_the_connection_only(contexts: Contexts) -> None:
    """Bytes that are no TLS after a proper beginning drop that client and no other."""
    async with serving(hello, contexts[0]) as (_, _, port):
        assert await talk(port, b"\x16\x03\x01\x00\x05nonsense" * 40) is not None
        assert b"hello" in await talk(port, LAST, contexts[1])


async def test_the_quicker_cipher_is_chosen(contexts: Contexts) -> None:
    """A client that would take either AES gets the one that costs both ends less."""
    async with serving(hello, contexts[0]) as (_, _, port), connected(port, contexts[1]) as ends:
        assert ends[1].get_extra_info("cipher")[0] == "TLS_AES_128_GCM_SHA256"


@pytest.mark.parametrize("end", ["close_notify", "fin", "garbage"])
async def test_an_upload_that_ends_early(contexts: Contexts, end: str) -> None:
    """What had come of a large body is used; its reader is told what went wrong, nobody else is."""
    content = os.urandom(5 << 20)
    taken = bytearray()
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(request: Request) -> Response:
        try:
            await request.body.pump(taken.extend)
        except TransferBroken as error:
            told.set_result(str(error))
            raise
        return Response(201, {})

    async with serving(lambda r: take(r) if r.method == "PUT" else hello(r), contexts[0]) as (
        _,
        _,
        port,
    ):
        client = Client(contexts[1])
        await client.connect(port)
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (len(content) + 9)
        await client.send(head + content)
        match end:
            case "close_notify":
                with pytest.raises(ssl.SSLWantReadError):
                    client.tls.unwrap()
                await client.flush()
            case "fin":
                client.tls.write(b"the rest")
                client.writer.write(client.outgoing.read()[:-3])  # hangs up within a record
                client.writer.write_eof()
            case "garbage":
                client.writer.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        assert "went away" in await asyncio.wait_for(told, 30)
        assert bytes(taken) == content
        client.writer.close()
        assert b"hello" in await talk(port, LAST, contexts[1])


async def test_keys_that_change(tmp_path: Path, contexts: Contexts) -> None:
    """A client may change its keys amid a large upload, and ask for the same (RFC 8446, 4.6.3)."""
    content = os.urandom(3 << 20)
    context = contexts[1]
    context.keylog_filename = str(tmp_path / "keys")
    async with serving(digest_body, contexts[0]) as (_, _, port):
        client = Client(context)
        await client.connect(port)
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        keys = Keys.logged(tmp_path / "keys", "CLIENT")
        sealed = keys.seal(DATA, head % len(content))
        for begin in range(0, len(content), 1 << 20):
            sealed += keys.seal_all(content[begin : begin + (1 << 20)])
            sealed += keys.seal(HANDSHAKE, KEY_UPDATE)
            keys = keys.next()
        client.writer.write(sealed)
        answer = await client.rest()
        assert answer.endswith(hashlib.sha256(content).hexdigest().encode())
        client.writer.close()


def test_renegotiation_is_refused(contexts: Contexts) -> None:
    """A client can't have the handshake made over and over again on one connection."""
    refused = threading.Event()

    def renegotiate(port: int) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        with plain:
            plain.settimeout(None)
            tls = SSL.Connection(SSL.Context(SSL.TLSv1_2_METHOD), plain)
            tls.set_connect_state()
            tls.do_handshake()
            tls.renegotiate()
            with pytest.raises(SSL.Error, match="no renegotiation"):
                tls.do_handshake()
            refused.set()

    async def run() -> None:
        async with serving(hello, contexts[0]) as (_, _, port):
            await asyncio.to_thread(renegotiate, port)
            assert b"hello" in await talk(port, LAST, contexts[1])

    asyncio.run(run())
    assert refused.is_set()


class Client:
    """A TLS client whose records the test can see and change.

    Attributes:
        tls: its session.
        outgoing: the records that are not sent yet.
        writer: where they go.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self.outgoing, server_hostname="localhost")

    async def connect(self, port: int) -> None:
        """Shake hands."""
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                self._incoming.write(await self._reader.read(1 << 16))
            else:
                return await self.flush()

    async def send(self, data: bytes) -> None:
        """Send something encrypted."""
        self.tls.write(data)
        await self.flush()

    async def flush(self) -> None:
        """Send the records that are not sent yet."""
        self.writer.write(self.outgoing.read())
        await self.writer.drain()

    async def rest(self) -> bytes:
        """Return what the server says until it says farewell."""
        said = b""
        while True:
            try:
                piece = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                arrived = await asyncio.wait_for(self._reader.read(1 << 16), 30)
                self._incoming.write(arrived)
                if not arrived:
                    self._incoming.write_eof()
            else:
                if not piece:
                    return said
                said += piece
