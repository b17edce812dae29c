"""From the event loop, in which clients live, to a thread that unpacks and packs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from lreg.client.blobs import RemoteBlob

T = TypeVar("T")
# So long a thread has to take away what it began, when it is not wanted any more: one that waits
# for a pipe may never end.
GRACE = 2.0


async def aside(work: Callable[[], T]) -> T:
    """Return what `work` returns in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(setter: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else setter())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 -- raised by who waits
            reason = error
            tell(lambda: done.set_exception(reason))
        else:
            tell(lambda: done.set_result(result))

    threading.Thread(target=run, daemon=True).start()
    return await done


async def in_thread(work: Callable[[Bridge], T]) -> T:
    """Return what `work` makes of a bridge in a thread; cancelled, it lets that end, for GRACE."""
    bridge = Bridge(asyncio.get_running_loop())
    turn = asyncio.ensure_future(aside(lambda: work(bridge)))
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
        self._asked: concurrent.futures.Future[Any] | None = None

    def pieces(self, blob: RemoteBlob) -> Iterator[bytes]:
        """Yield a blob's bytes; raise what reading it raises."""
        pieces = aiter(blob)
        self._open.append(pieces)

        async def following() -> bytes:
            return await anext(pieces, b"")

        while piece := self.ask(following()):
            yield piece
        self._open.remove(pieces)

    def ask(self, coming: Coroutine[Any, Any, T]) -> T:
        """Return what the loop makes of `coming`; raise what it raises."""
        if self._closed:
            coming.close()
        self.go_on()
        self._asked = asked = asyncio.run_coroutine_threadsafe(coming, self._loop)
        try:
            return asked.result()
        except concurrent.futures.CancelledError as error:
            raise LregError("it was interrupted") from error

    def go_on(self) -> None:
        """Raise LregError if the thread is not wanted any more."""
        if self._closed:
            raise LregError("it was interrupted")

    async def close(self, work: asyncio.Future[T]) -> None:
        """Let the thread end, then go of what it did not read to the end."""
        self._closed = True
        if self._asked:
            self._asked.cancel()
        ended, _ = await asyncio.wait([work], timeout=GRACE)
        # Whoever was to hear how it ended does not wait any more.
        for one in ended:
            one.cancelled() or one.exception()
        for pieces in self._open:
            await pieces.aclose()
