"""From the event loop, in which clients live, to a thread that unpacks and packs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from lreg.client.blobs import RemoteBlob

T = TypeVar("T")


async def in_thread(work: Callable[[Bridge], T]) -> T:
    """Return what `work` makes of a bridge in a thread; whoever is cancelled waits for it."""
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    turn = loop.run_in_executor(None, work, bridge)
    try:
        return await asyncio.shield(turn)
    finally:
        await bridge.close(turn)


class Bridge:
    """Gives a thread what comes through the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._closed = False
        self._open: list[AsyncGenerator[bytes, None]] = []

    def pieces(self, blob: RemoteBlob) -> Iterator[bytes]:
        """Yield a blob's bytes; raise what reading it raises."""
        pieces = aiter(blob)
        self._open.append(pieces)

        async def following() -> bytes:
            return await anext(pieces, b"")

        while not self._closed:
            piece = asyncio.run_coroutine_threadsafe(following(), self._loop).result()
            if not piece:
                self._open.remove(pieces)
                return
            yield piece
        raise LregError("it was interrupted")

    async def close(self, work: asyncio.Future[T]) -> None:
        """Let the thread end, then go of what it did not read to the end."""
        self._closed = True
        await asyncio.wait([work])
        for pieces in self._open:
            await pieces.aclose()
