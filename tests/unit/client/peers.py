"""Servers of TLS whose every record a test decides on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Peer:
    """The server's end of one connection.

    Attributes:
        tls: its session.
        writer: where records go.
    """

    def __init__(
        self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._reader, self.writer = reader, writer

    async def shake(self) -> None:
        """Shake hands."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                await self._hear()
            else:
                return await self.flush()

    async def request(self) -> bytes:
        """Return the next request's head, and what else came by then."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += await self.read()
        return head

    async def read(self) -> bytes:
        """Return some of what the client says."""
        while True:
            try:
                return self.tls.read(1 << 20)
            except ssl.SSLWantReadError:
                await self._hear()

    async def _hear(self) -> None:
        arrived = await self._reader.read(1 << 20)
        if not arrived:
            raise ConnectionResetError
        self._incoming.write(arrived)

    async def say(self, data: bytes) -> None:
        """Send something encrypted."""
        self.tls.write(data)
        await self.flush()

    async def flush(self) -> None:
        """Send the session's records."""
        await self.put(self._outgoing.read())

    async def put(self, records: bytes) -> None:
        """Send records as they are."""
        self.writer.write(records)
        await self.writer.drain()

    async def farewell(self) -> None:
        """Say that nothing more comes."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.flush()


@asynccontextmanager
async def peer(
    context: ssl.SSLContext, talk: Callable[[Peer], Awaitable[None]]
) -> AsyncIterator[str]:
    """Give the URL of a server that does with each client, after the handshake, what `talk` does.

    What goes wrong in `talk`, other than the client going away, is raised here.
    """
    talks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            one = Peer(context, reader, writer)
            with contextlib.suppress(OSError):  # the client went away, or wants nothing of this
                await one.shake()
                await talk(one)
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(serve(reader, writer)))

    sock = socket.create_server(("127.0.0.1", 0))
    # Senders of much have to wait for who reads.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    server = await asyncio.start_server(begin, sock=sock)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for each in talks:
            each.cancel()
        ends = await asyncio.gather(*talks, return_exceptions=True)
    wrong = [end for end in ends if isinstance(end, Exception)]
    assert not wrong
