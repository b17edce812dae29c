"""The sending half of a connection: heads and small bodies at once, files past the transport."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.errors import TransferBroken
from lreg.registry.http.messages import FileSlice
from lreg.registry.http.tls import send_sealed
from lreg.registry.http.transfer import send_file
from lreg.tls import TlsLayer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from concurrent.futures import Executor

    from lreg.registry.http.messages import Response

T = TypeVar("T")


class Outgoing:
    """Sends responses over one transport, at the client's pace.

    Attributes:
        waits_for_us: whether the client waits for bytes that are not here yet.
    """

    def __init__(self, transport: asyncio.Transport, executor: Executor) -> None:
        """Send over `transport`; files are read and sent in threads of `executor`."""
        self._transport = transport
        self._executor = executor
        self.waits_for_us = False
        self._lost = False
        self._writable: asyncio.Future[None] | None = None
        self._arriving: asyncio.Future[Any] | None = None
        # A file may only be sent when all that was written before is out.
        transport.set_write_buffer_limits(high=0)

    def pause(self) -> None:
        """Make the next writer wait until what was written is out."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Let the writer go on."""
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def lose(self) -> None:
        """Let the writer find that the client is gone."""
        self._lost = True
        self.resume()
        if self._arriving:
            self._arriving.cancel()

    def write(self, head: bytes, response: Response | None = None) -> int:
        """Write a head and what of a body is in memory before any file; return its length."""
        if self._lost:
            return 0
        early = b"".join(_early(response)) if response else b""
        self._transport.write(head + early)
        return len(early)

    async def send_rest(
        self, response: Response, progress: Callable[[int], None], *, chunks: bool
    ) -> None:
        """Send the body from its first part on that is not in memory.

        Args:
            response: its head and what stands before that part is written already.
            progress: told how many bytes went out, as they go.
            chunks: whether what has no known length is sent in chunks.

        Raises:
            TransferBroken: the client went away, or the rest of the body will never come.
        """
        for part in dropwhile(lambda part: isinstance(part, bytes), response.body):
            await self._drained()
            if isinstance(part, bytes):
                self._transport.write(part)
                progress(len(part))
            elif isinstance(part, FileSlice):
                await self._send_file(part, progress)
            else:
                await self._send_pieces(part, progress, chunks=chunks)

    async def _send_file(self, part: FileSlice, progress: Callable[[int], None]) -> None:
        reach, end = part.reach, part.offset + part.size
        while part.size:
            here = end if reach is None else min(end, await self._arrival(reach(part.offset)))
            progress(0)
            piece = replace(part, size=here - part.offset)
            if isinstance(self._transport, TlsLayer):
                await send_sealed(self._transport, piece, self._executor, progress)
            else:
                await send_file(self._transport, piece, self._executor, progress)
            part = replace(part, offset=here, size=end - here)

    async def _send_pieces(
        self,
        pieces: AsyncGenerator[bytes, None],
        progress: Callable[[int], None],
        *,
        chunks: bool,
    ) -> None:
        """Send what an iterator yields, in chunks (RFC 9112, 7.1) or as it is."""
        async with aclosing(pieces):
            while (piece := await self._arrival(anext(pieces, None))) is not None:
                await self._drained()
                if piece:
                    chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if chunks else piece
                    self._transport.write(chunk)
                progress(len(piece))
        await self._drained()
        if chunks:
            self._transport.write(b"0\r\n\r\n")

    async def _arrival(self, awaitable: Awaitable[T]) -> T:
        """Wait for bytes of ours; raise TransferBroken where the client goes away meanwhile."""
        self._arriving = arriving = asyncio.ensure_future(awaitable)
        self.waits_for_us = True
        try:
            return await arriving
        except asyncio.CancelledError:
            if self._lost:
                raise TransferBroken("the client went away") from None
            raise
        finally:
            self._arriving, self.waits_for_us = None, False

    async def _drained(self) -> None:
        """Wait until what was written is out; raise TransferBroken where the client is gone."""
        if self._writable:
            await self._writable
        if self._lost:
            raise TransferBroken("the client went away")


def _early(response: Response) -> Iterator[bytes]:
    """Yield the parts of the body before its first file."""
    for part in response.body:
        if not isinstance(part, bytes):
            return
        yield part
