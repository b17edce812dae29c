"""The HTTP engine over real sockets, with a small application instead of the registry."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lreg.errors import BadRequest, TransferBroken
from lreg.registry.http.messages import Endpoint, FileSlice, Request, Response
from lreg.registry.http.server import HttpServer

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from lreg.registry.http.sessions import TlsContext

Handler = Callable[[Request], Response | Awaitable[Response]]


class App:
    """Answers by one function and remembers what was finished."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.done: list[tuple[int, int]] = []

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answer."""
        return self.handler(request)

    def finished(self, request: Request, response: Response, sent: int) -> None:
        """Remember."""
        self.done.append((response.status, sent))


@asynccontextmanager
async def serving(
    handler: Handler, context: TlsContext | None = None
) -> AsyncIterator[tuple[HttpServer, App, int]]:
    app = App(handler)
    server = HttpServer(app)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    endpoint = Endpoint("https://test" if context else "http://test", bool(context), trusted=True)
    await server.listen(sock, endpoint, context)
    try:
        yield server, app, port
    finally:
        await server.close(1)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def talk(port: int, data: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send `data` and return all that comes back until the server closes."""
    async with connected(port, context) as (reader, writer):
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)


def hello(request: Request) -> Response:
    return Response(200, {"X-Path": request.path}, (b"hello",))


async def digest_body(request: Request) -> Response:
    seen = hashlib.sha256()
    try:
        await request.body.pump(seen.update)
    except (TransferBroken, BadRequest) as error:
        return Response(400, {}, (str(error).encode(),))
    return Response(201, {}, (seen.hexdigest().encode(),))


def file_app(path: Path, parts: list[tuple[int, int]]) -> Handler:
    def handler(request: Request) -> Response:
        fd = os.open(path, os.O_RDONLY)
        body = tuple(FileSlice(fd, start, size) for start, size in parts)
        return Response(200, {}, (b"[", *body, b"]"), release=lambda: os.close(fd))

    return handler


GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
