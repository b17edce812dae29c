"""Large bodies between sockets and threads: what receives them, what waits for the threads.

Measured: what decides the throughput is the send buffer. Small slices
into a fixed buffer stay in the CPU's cache; a buffer that grows by itself does not.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import time
from collections.abc import Callable  # noqa: TC003 - a NamedTuple's fields are looked up
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.errors import TransferBroken

T = TypeVar("T")

# What is sent at a time, and the send buffer of near peers.
SLICE = 256 << 10
# What is received at a time stays in a core's cache from the socket to the file; half of this
# takes a seventh longer with hashing and writing.
_PIECE = 512 << 10
# How long a thread stays with one transfer: while the peer does nothing, and in all.
PATIENCE_MS = 5
TURN = 0.05
# Only for peers this near, in microseconds: a fixed buffer caps the window of any other.
_NEAR = 500
# struct tcp_info (linux/tcp.h): tcpi_min_rtt, an unsigned 32-bit number of microseconds.
_TCP_INFO_SIZE, _MIN_RTT = 152, 148


class Inlet(NamedTuple):
    """Where threads get a body from: a socket, and how some of its bytes come into a buffer.

    Attributes:
        sock: the socket; it does not block.
        read: receives into a buffer, as `receive_plain` does.
    """

    sock: int
    read: Callable[[int, memoryview], int]


def tune(sock: socket.socket) -> None:
    """Give a near TCP peer a fixed send buffer; leave all others to the kernel's autotuning."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    if len(info) == _TCP_INFO_SIZE and struct.unpack_from("=I", info, _MIN_RTT)[0] < _NEAR:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SLICE)


@contextmanager
def duplicate(
    transport: asyncio.BaseTransport, broken: Callable[[OSError], TransferBroken]
) -> Iterator[int]:
    """Give a duplicate of a connection's socket: it stays valid whoever closes the other.

    Args:
        transport: of the connection.
        broken: makes the error that is raised where the connection is gone.
    """
    original: socket.socket = transport.get_extra_info("socket")
    try:
        sock = os.dup(original.fileno())
    except OSError as error:
        raise broken(error) from error
    try:
        yield sock
    finally:
        os.close(sock)


def receive_plain(sock: int, room: memoryview) -> int:
    """Receive into `room`; return how many bytes, 0 where no more will come.

    Raises:
        BlockingIOError: there are none yet.
        OSError: the peer is gone.
    """
    return os.readv(sock, [room])


def receive(
    inlet: Inlet,
    size: int,
    sink: Callable[[memoryview], None],
    broken: Callable[[OSError], TransferBroken],
) -> int:
    """Give `sink` what the peer sends, for one turn; return how many bytes, at most `size`.

    Args:
        inlet: to receive from.
        size: how many bytes of the body are still to come.
        sink: called with every piece, which is valid during the call.
        broken: makes the error that is raised where the peer goes away before that; what it had
            sent was given to `sink`.
    """
    until = time.monotonic() + TURN
    poller = select.poll()
    poller.register(inlet.sock, select.POLLIN)
    buffer = memoryview(bytearray(min(_PIECE, size)))
    taken = filled = 0
    quiet = False
    while taken < size and not quiet and time.monotonic() < until:
        room = buffer[filled : min(len(buffer), size - taken)]
        try:
            count = inlet.read(inlet.sock, room)
        except BlockingIOError:
            quiet = not poller.poll(PATIENCE_MS)
            count = 0
        except OSError as error:
            sink(buffer[:filled])
            raise broken(error) from error
        else:
            if not count:
                sink(buffer[:filled])
                early = ConnectionResetError(f"{size - taken - filled} bytes were still to come")
                raise broken(early) from early
        filled += count
        if filled and (quiet or filled == min(len(buffer), size - taken)):
            sink(buffer[:filled])
            taken, filled = taken + filled, 0
    if filled:
        sink(buffer[:filled])
    return taken + filled


async def finished(work: asyncio.Future[T]) -> T:
    """Return what a thread's work comes to, or raise what it raised.

    Whoever is cancelled meanwhile goes on only when the thread has ended too: what it works on,
    a descriptor or a hash, is then nobody's any more.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return work.result()
    work.exception()  # nobody has to be told
    raise cancelled


async def readable(loop: asyncio.AbstractEventLoop, sock: int) -> None:
    """Wait until the socket has bytes again, or is broken."""
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def writable(loop: asyncio.AbstractEventLoop, sock: int) -> None:
    """Wait until the socket takes bytes again, or is broken."""
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():  # the waiter may have been cancelled in the same step of the loop
        ready.set_result(None)
