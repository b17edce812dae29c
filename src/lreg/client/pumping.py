"""Large bodies on their way in: hashed and written in threads, and received there where they can.

Where their length is known they go from the socket into a sink in one thread, which decrypts them
too, past the event loop (the mirror image of how a registry takes uploads). All others come through
the loop, which receives the next piece while a thread has the last.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h11

from lreg.transfer import finished, readable, receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from lreg.client.h1 import Link
    from lreg.errors import TransferBroken
    from lreg.transfer import Inlet

    Sink = Callable[[memoryview], None]
    Broken = Callable[[Exception], TransferBroken]

# Less than this is not worth a thread each time: what follows it is given a moment to arrive.
_LITTLE, _MOMENT = 64 << 10, 0.005


async def receive_all(link: Link, sink: Sink, executor: Executor, broken: Broken) -> None:
    """Let threads receive what is left of a body of known length.

    Args:
        link: the connection; what the event loop had received before goes first.
        sink: called with every piece, in order.
        executor: where threads come from.
        broken: makes the error for what goes wrong with the connection.
    """
    loop = asyncio.get_running_loop()
    if early := link.take_over():
        await finished(loop.run_in_executor(executor, sink, memoryview(early)))
    with link.inlet(broken) as inlet:
        while link.left:
            turn = loop.run_in_executor(executor, _turn, inlet, link.left, sink, broken)
            count, waited = await finished(turn)
            link.left -= count
            with _translated(broken):
                if not count:
                    await link.pace.wait(readable(loop, inlet.sock))
                link.pace.note(count, waited)


def _turn(inlet: Inlet, size: int, sink: Sink, broken: Broken) -> tuple[int, float]:
    """Receive for one turn; return how many bytes came, and the seconds beside those in `sink`."""
    busy = 0.0

    def timed(piece: memoryview) -> None:
        nonlocal busy
        begin = time.monotonic()
        sink(piece)
        busy += time.monotonic() - begin

    begin = time.monotonic()
    count = receive(inlet, size, timed, broken)
    return count, time.monotonic() - begin - busy


class Behind:
    """Calls a function in threads with one piece after another; the caller is one piece ahead.

    Args:
        function: what to call; what it raises is raised by the next `give` or `settle`.
        executor: where threads come from; the loop's own where None.
    """

    def __init__(
        self, function: Callable[[memoryview], None], executor: Executor | None = None
    ) -> None:
        self._function = function
        self._executor = executor
        self._work: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether the function is still at its last piece."""
        return self._work is not None and not self._work.done()

    async def give(self, piece: bytes | memoryview) -> None:
        """Let it have a piece, once it is done with the one before."""
        await self.settle()
        loop = asyncio.get_running_loop()
        self._work = loop.run_in_executor(self._executor, self._function, memoryview(piece))

    async def settle(self) -> None:
        """Return when it is done with all pieces."""
        if self._work is not None:
            work, self._work = self._work, None
            await finished(work)


async def hand_over(link: Link, sink: Sink, executor: Executor, broken: Broken) -> None:
    """Give `sink` what arrives: at once where it comes slowly, in large pieces where it is fast.

    Args:
        link: the connection.
        sink: called with every piece, in order.
        executor: where threads come from.
        broken: makes the error for what goes wrong with the connection.
    """
    loop = asyncio.get_running_loop()
    worker = Behind(sink, executor)
    try:
        while True:
            with _translated(broken):
                piece = await link.pace.wait(link.piece())
            if not piece:
                return
            given = loop.time()
            await worker.give(piece)
            # What comes meanwhile is gathered by the connection.
            await worker.settle()
            idle = 0.0
            if len(piece) < _LITTLE and link.left != 0:
                idle = max(0.0, given + _MOMENT - loop.time())
                await asyncio.sleep(idle)
            with _translated(broken):
                link.pace.note(len(piece), idle)
    finally:
        await worker.settle()


@contextmanager
def _translated(broken: Broken) -> Iterator[None]:
    """Make one error of whatever a connection raises; what a sink raises is not for here."""
    try:
        yield
    except (OSError, h11.RemoteProtocolError) as error:
        raise broken(error) from error
