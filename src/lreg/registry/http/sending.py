"""The sending half of a connection: heads and small bodies at once, files past the transport."""

from __future__ import annotations

import asyncio
from itertools import dropwhile
from typing import TYPE_CHECKING

from lreg.errors import TransferBroken
from lreg.registry.http.tls import TlsLayer, send_sealed
from lreg.registry.http.transfer import send_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from lreg.registry.http.messages import Response


class Outgoing:
    """Sends responses over one transport, at the client's pace."""

    def __init__(self, transport: asyncio.Transport, executor: Executor) -> None:
        """Send over `transport`; files are read and sent in threads of `executor`."""
        self._transport = transport
        self._executor = executor
        self._lost = False
        self._writable: asyncio.Future[None] | None = None
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

    def write(self, head: bytes, response: Response | None = None) -> int:
        """Write a head and what of a body is in memory before any file; return its length."""
        if self._lost:
            return 0
        early = b"".join(_early(response)) if response else b""
        self._transport.write(head + early)
        return len(early)

    async def send_files(self, response: Response, progress: Callable[[int], None]) -> None:
        """Send the body from its first file on.

        Args:
            response: its head and what stands before the first file is written already.
            progress: told how many bytes went out, as they go.

        Raises:
            TransferBroken: the client went away.
        """
        for part in dropwhile(lambda part: isinstance(part, bytes), response.body):
            await self._drained()
            if isinstance(part, bytes):
                self._transport.write(part)
                progress(len(part))
            elif isinstance(self._transport, TlsLayer):
                await send_sealed(self._transport, part, self._executor, progress)
            else:
                await send_file(self._transport, part, self._executor, progress)

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
