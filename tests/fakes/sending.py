"""An answer on its way out: evenly, cut, corrupt, and fast where nothing is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.fakes.faults import Fault, Reply

_STEP = 1 << 20
# What is throttled goes out in so many writes a second, of this size at most.
_WRITES_A_SECOND, _SMALL = 1000, 64 << 10
_LATE = 0.1  # seconds


async def send(
    writer: asyncio.StreamWriter,
    method: str,
    reply: Reply,
    fault: Fault,
    sent: Callable[[int], None],
) -> bool:
    """Write the reply as the fault says, telling `sent` of its body's bytes.

    Returns:
        Whether the connection can be used again.
    """
    length = {"Content-Length": str(len(reply.body))}
    headers = {**({"Transfer-Encoding": "chunked"} if fault.chunked else length), **reply.headers}
    head = f"HTTP/1.1 {reply.status} Scripted\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = memoryview(b"" if method == "HEAD" else reply.body)
    limit = fault.limit(len(body))
    step = _STEP
    if fault.rate:
        step = max(1, min(_SMALL, int(fault.rate / _WRITES_A_SECOND)))
    out = _Out(writer)
    try:
        await out.write(memoryview(f"{head}\r\n".encode()), lambda _: None)
        start = asyncio.get_running_loop().time()
        for at in range(0, limit, step):
            piece = body[at : min(at + step, limit)]
            if fault.corrupt and at + len(piece) == len(body):
                piece = memoryview(bytes(piece[:-1]) + bytes([piece[-1] ^ 1]))
            await out.write(_chunk(piece) if fault.chunked else piece, sent)
            if fault.rate:
                now = asyncio.get_running_loop().time()
                due = start + (at + len(piece)) / fault.rate
                # Who was kept from sending does not make up for more than a moment of it.
                start += max(0.0, now - due - _LATE)
                await asyncio.sleep(max(0.0, due - now))
        if fault.chunked and limit == len(body) and method != "HEAD":
            await out.write(memoryview(b"0\r\n\r\n"), lambda _: None)
    finally:
        out.close()
    return limit == len(body)


def _chunk(piece: memoryview) -> memoryview:
    # RFC 9112, 7.1.
    return memoryview(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))


class _Out:
    """Where bytes go: straight into the socket, except through TLS."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        if writer.get_extra_info("ssl_object") is None:
            # A descriptor of its own: the loop knows the other as the transport's.
            self._socket = writer.get_extra_info("socket").dup()
            self._socket.setblocking(False)

    async def write(self, piece: memoryview, sent: Callable[[int], None]) -> None:
        """Write it all; `sent` is told before they go, so that who has bytes finds them counted."""
        if self._socket is None:
            sent(len(piece))
            self._writer.write(piece)
            await self._writer.drain()
            return
        while piece:
            size = 0
            sent(len(piece))
            try:
                with contextlib.suppress(BlockingIOError):
                    size = self._socket.send(piece)
            finally:
                if size < len(piece):
                    sent(size - len(piece))
            if not size:
                await self._writable(self._socket)
            piece = piece[size:]

    async def _writable(self, sock: socket.socket) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(sock, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(sock)

    def close(self) -> None:
        """Let the descriptor go; the connection stays."""
        if self._socket:
            self._socket.close()
