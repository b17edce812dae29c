"""The TLS layer over real sockets: what a client of an encrypted port can do."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from lreg.registry.http.messages import Endpoint, FileSlice, Request, Response
from lreg.registry.http.server import HttpServer
from tests.unit.registry.test_connection import App, digest_body, hello

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.registry.test_connection import Handler

LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving(handler: Handler, folder: Path) -> AsyncIterator[tuple[App, int, ssl.SSLContext]]:
    authority = ensure_ca(folder)
    certificate, key = authority.issue(["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(authority.path))
    app = App(handler)
    server = HttpServer(app)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await server.listen(sock, Endpoint("https://test", tls=True, trusted=True), context)
    try:
        yield app, port, trusting
    finally:
        await server.close(1)


async def talk(port: int, context: ssl.SSLContext | None, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def file_app(path: Path) -> Handler:
    def handler(request: Request) -> Response:
        fd = os.open(path, os.O_RDONLY)
        part = FileSlice(fd, 0, os.fstat(fd).st_size)
        return Response(200, {}, (b"[", part, b"]"), release=lambda: os.close(fd))

    return handler


async def test_plain_http_on_a_tls_port_is_told(tmp_path: Path) -> None:
    """Who forgets the s of https reads what is wrong, in plain text."""
    async with serving(hello, tmp_path) as (_, port, _):
        answer = await talk(port, None, LAST)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"https://" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bodies_in_both_directions(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Large bodies arrive unchanged over either version, one request after the other."""
    content = os.urandom((3 << 20) + 5)
    (tmp_path / "file").write_bytes(content)
    files = file_app(tmp_path / "file")

    def handler(request: Request) -> object:
        return digest_body(request) if request.method == "PUT" else files(request)

    async with serving(handler, tmp_path) as (app, port, context):  # type: ignore[arg-type]
        context.minimum_version = context.maximum_version = version
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(content)
        answer = await talk(port, context, head + content + LAST)
        assert answer.endswith(b"[" + content + b"]")
        assert app.done == [(201, 64), (200, len(content) + 2)]


async def test_a_slow_reader_gets_everything(tmp_path: Path) -> None:
    """A client that reads slowly is waited for, and nothing is lost or sent twice."""
    content = os.urandom(9 << 20)
    (tmp_path / "file").write_bytes(content)
    async with serving(file_app(tmp_path / "file"), tmp_path) as (_, port, context):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost", limit=1 << 14
        )
        writer.write(LAST)
        await asyncio.sleep(0.3)
        answer = bytearray()
        while piece := await reader.read(1 << 20):
            answer += piece
            await asyncio.sleep(0.005)
        assert answer.endswith(b"[" + content + b"]")
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_garbage_ends_the_connection_only(tmp_path: Path) -> None:
    """Bytes that are no TLS after a proper beginning drop that client and no other."""
    async with serving(hello, tmp_path) as (_, port, context):
        assert await talk(port, None, b"\x16\x03\x01\x00\x05nonsense" * 40) is not None
        assert b"hello" in await talk(port, context, LAST)
