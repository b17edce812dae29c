"""Large bodies on their way out: sent by the threads that bring them, past the event loop.

The mirror image of pumping.py. What fills a body, a socket or a file, hands each piece over in a
thread, and that thread encrypts and sends it.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lreg.transfer import SLICE

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a thread waits for the other end before it looks whether anybody still wants this.
_LOOK_EVERY_MS = 50


@runtime_checkable
class Pumped(Protocol):
    """A body whose pieces come in threads."""

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Call `sink` with every piece, in order, one call at a time; raise what it raises."""


class OutletClosed(Exception):
    """No more of a body can be sent."""


class Sent:
    """So many bytes that were sent already, for h11, which only counts them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count


class Outlet:
    """Sends a body over a socket: to be called with its pieces, in threads, one call at a time.

    Args:
        sock: to send over; it does not block.
        seal: makes of a piece what goes over it.
        size: of the body in bytes.
        stall: the seconds in which the other end must take some.

    Attributes:
        count: how many bytes were sent, or were to be sent where those are too many.
        failure: why it closed, where the other end did not just hang up.
    """

    def __init__(
        self,
        sock: int,
        seal: Callable[[memoryview], bytes | memoryview],
        size: int,
        stall: float,
    ) -> None:
        self._sock = sock
        self._seal = seal
        self._size = size
        self._stall = stall
        self._closed = False
        self.count = 0
        self.failure: Exception | None = None
        self._poller = select.poll()
        self._poller.register(sock, select.POLLOUT)

    def __call__(self, piece: memoryview) -> None:
        """Send a piece; raise OutletClosed where it can't be sent, or is more than was said."""
        self.count += len(piece)
        if self.count > self._size:
            raise OutletClosed
        for begin in range(0, len(piece), SLICE):
            try:
                self._put(memoryview(self._seal(piece[begin : begin + SLICE])))
            except OSError as error:
                raise OutletClosed from error

    def _put(self, data: memoryview) -> None:
        """Send what may stand on the wire; raise OSError where the other end is gone."""
        last = time.monotonic()
        while data:
            try:
                sent = os.write(self._sock, data)
            except BlockingIOError:
                self._wait(last)
                continue
            data, last = data[sent:], time.monotonic()

    def _wait(self, last: float) -> None:
        """Wait for the other end, which took the last bytes at `last`."""
        if self._poller.poll(_LOOK_EVERY_MS):
            return
        if self._closed:
            raise OutletClosed
        if time.monotonic() - last > self._stall:
            self.failure = TimeoutError()
            raise OutletClosed

    def close(self) -> None:
        """Let who still sends find that nobody wants it."""
        self._closed = True
