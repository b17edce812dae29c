"""Blobs whose reading is told to who watches a copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from lreg.client.blobs import RemoteBlob
    from lreg.client.progress import Progress
    from lreg.oci.descriptor import Descriptor

# Seconds. Waking the event loop for every piece that threads move makes them wait for each other.
_TELL_EVERY = 0.1


class Content(Protocol):
    """The bytes of a blob in pieces, from its beginning each time it is iterated."""

    def __aiter__(self) -> AsyncGenerator[bytes, None]: ...


class Watched(AsyncIterable[bytes]):
    """A blob whose every reading is told to a Progress."""

    def __init__(self, content: Content, descriptor: Descriptor, progress: Progress) -> None:
        self._content = content
        self._descriptor = descriptor
        self._progress = progress

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._progress.started(self._descriptor)
        # A reader that stops early lets go of the connection at once.
        async with aclosing(aiter(self._content)) as pieces:
            async for piece in pieces:
                yield piece
                self._progress.advanced(self._descriptor, len(piece))


class WatchedBlob(Watched):
    """A registry's, whose pieces may come in threads."""

    def __init__(self, blob: RemoteBlob, descriptor: Descriptor, progress: Progress) -> None:
        super().__init__(blob, descriptor, progress)
        self._blob = blob

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Let it pump into `sink`."""
        loop = asyncio.get_running_loop()
        self._progress.started(self._descriptor)
        untold, due = 0, 0.0

        def counted(piece: memoryview) -> None:
            nonlocal untold, due
            sink(piece)
            untold += len(piece)
            if (now := time.monotonic()) >= due:
                loop.call_soon_threadsafe(self._progress.advanced, self._descriptor, untold)
                untold, due = 0, now + _TELL_EVERY

        await self._blob.pump(counted)
        self._progress.advanced(self._descriptor, untold)
