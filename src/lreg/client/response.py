"""An answer whose body is still to be read: whole, in pieces, or past the event loop."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11

from lreg.client import pumping
from lreg.client.wire import PIECE
from lreg.errors import ContentTooLarge, TransferBroken
from lreg.network import words

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from concurrent.futures import Executor

    from lreg.client.h1 import Link


class Response:
    """An answer, valid within its `exchange`; its body is read once, in one of these ways.

    Attributes:
        url: that was asked for.
        status: its status.
        headers: its headers, whatever the case of their names.
    """

    def __init__(
        self, url: str, status: int, headers: Mapping[str, str], link: Link, executor: Executor
    ) -> None:
        """Read the body from `link`; what sinks do is done in threads of `executor`."""
        self.url = url
        self.status = status
        self.headers = headers
        self._link = link
        self._executor = executor

    async def read(self, limit: int) -> bytes:
        """Return the body; raise TransferBroken where it breaks off, or ContentTooLarge."""
        body = bytearray()
        async with aclosing(self.arriving()) as arriving:
            async for data in arriving:
                body += data
                if len(body) > limit:
                    raise ContentTooLarge(f"{self.url} sent more than the {limit} bytes expected")
        return bytes(body)

    async def glimpse(self, limit: int) -> bytes:
        """Return the first bytes of the body, at most `limit`, whatever becomes of the rest."""
        body = bytearray()
        with suppress(TransferBroken):
            async with aclosing(self.arriving()) as arriving:
                async for data in arriving:
                    body += data
                    if len(body) >= limit:
                        break
        return bytes(body[:limit])

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in pieces of PIECE bytes or more, the last one smaller.

        Raises:
            TransferBroken: the body ended early, or nothing came for the time of patience. What
                had arrived before that was yielded.
        """
        gathered: list[bytes] = []
        size = 0
        failure: TransferBroken | None = None
        try:
            async with aclosing(self.arriving()) as arriving:
                async for data in arriving:
                    gathered.append(data)
                    size += len(data)
                    if size >= PIECE:
                        yield b"".join(gathered)
                        gathered, size = [], 0
        except TransferBroken as error:
            failure = error
        if gathered:
            yield b"".join(gathered)
        if failure is not None:
            raise failure

    async def arriving(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives, each piece at once; raise TransferBroken as `pieces`."""
        try:
            async with aclosing(self._link.body()) as arriving:
                async for data in arriving:
                    yield data
        except (OSError, h11.RemoteProtocolError) as error:
            raise self._broken(error) from error

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give the body to `sink`, piece after piece, in threads, one call at a time.

        When this returns or raises, and where it is cancelled too, no thread is in `sink` any more.

        Raises:
            TransferBroken: the body ended early, or nothing came for the time of patience; what
                had arrived was given to `sink`.
        """
        link = self._link
        pump = pumping.receive_all if link.is_direct else pumping.hand_over
        await pump(link, sink, self._executor, self._broken)

    def _broken(self, error: Exception) -> TransferBroken:
        place = urlsplit(self.url).netloc
        return TransferBroken(
            f"{place} broke off in the middle of {self.url} ({words(error)}): try again"
        )
