"""Large bodies on their way out: spliced in threads, so that the event loop stays free."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lreg.errors import TransferBroken
from lreg.tls import inlet
from lreg.transfer import PATIENCE_MS, TURN, duplicate, finished, tune, writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from lreg.registry.http.messages import FileSlice
    from lreg.transfer import Inlet

# What a pipe holds between the file and the socket: references to pages, no bytes. The kernel's
# own for sendfile has 64 KiB, and wakes the peer for each: that is half of what sending costs.
_PIPE = 512 << 10


async def send_file(
    transport: asyncio.Transport,
    part: FileSlice,
    executor: Executor,
    progress: Callable[[int], None],
) -> None:
    """Send a part of a file over a plain socket, past the transport, whose buffer is empty.

    A thread sends as long as the peer keeps taking; where it doesn't, the loop waits for it, so
    that slow peers hold no threads.

    Args:
        transport: of the connection.
        part: what to send.
        executor: where the threads come from.
        progress: told how many bytes went out, as they go.

    Raises:
        TransferBroken: the peer went away, or the file is shorter than it was.
    """
    loop = asyncio.get_running_loop()
    offset, end = part.offset, part.offset + part.size
    with own_socket(transport) as sock:
        while offset < end:
            turn = loop.run_in_executor(executor, _turn, sock, part.fd, offset, end)
            sent = await finished(turn)
            if sent:
                offset += sent
                progress(sent)
            else:
                await writable(loop, sock)


@contextmanager
def own_socket(transport: asyncio.Transport) -> Iterator[int]:
    """Give a duplicate of a connection's socket, tuned: it stays valid whoever closes the other.

    Raises:
        TransferBroken: the peer is gone.
    """
    with duplicate(transport, gone) as sock:
        try:
            tune(transport.get_extra_info("socket"))
        except OSError as error:
            raise gone(error) from error
        yield sock


@contextmanager
def opened_inlet(transport: asyncio.Transport) -> Iterator[Inlet]:
    """Give threads what a client sends; raise TransferBroken where it is gone."""
    with own_socket(transport) as sock:
        yield inlet(transport, sock)


def gone(error: OSError) -> TransferBroken:
    """Return what a socket's error means."""
    return TransferBroken(f"the client went away: {error}")


def _turn(sock: int, file: int, offset: int, end: int) -> int:
    """Send for one turn; return how many bytes went out."""
    start = offset
    until = time.monotonic() + TURN
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    with _pipe() as (outlet, inlet):
        ready = 0
        while offset < end and time.monotonic() < until:
            if not ready:
                ready = os.splice(file, inlet, min(_PIPE, end - offset), offset_src=offset)
                if not ready:
                    raise TransferBroken("the file ended before its size")
            try:
                sent = os.splice(outlet, sock, ready)
            except BlockingIOError:
                if not poller.poll(PATIENCE_MS):
                    break
                continue
            except OSError as error:
                raise gone(error) from error
            offset, ready = offset + sent, ready - sent
    return offset - start


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Give the reading and the writing end of an empty pipe."""
    outlet, inlet = os.pipe()
    try:
        with suppress(OSError):  # a user may have so many pages in pipes; less works as well
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIPE)
        yield outlet, inlet
    finally:
        os.close(outlet)
        os.close(inlet)
