"""TLS between a socket and a connection: a protocol towards asyncio, a transport towards us.

asyncio's own layer encrypts in the event loop and copies what it could not send at once. Here a
large body is read, encrypted and sent by a thread, as a plain one is spliced, and one that comes in
is received and decrypted by the thread that hashes and writes it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from lreg.errors import TransferBroken
from lreg.registry.http.transfer import Inlet, gone, own_socket
from lreg.transfer import PATIENCE_MS, SLICE, TURN, finished, writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from lreg.registry.http.messages import FileSlice
    from lreg.registry.http.sessions import TlsContext

log = logging.getLogger(__name__)

_HANDSHAKE_RECORD = 0x16
_HANDSHAKE_TIME = 30.0
_NOT_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"this port speaks TLS: use https://\n"
)
# asyncio asks for the buffer, fills it and says so in one go, so that one serves all connections.
_ARRIVALS = memoryview(bytearray(256 << 10))
# What a thread receives at a time before it decrypts that.
_SEALED = 128 << 10


class TlsLayer(asyncio.BufferedProtocol, asyncio.Transport):
    """The server's end of TLS on one connection (RFC 8446)."""

    def __init__(self, context: TlsContext, inner: asyncio.BufferedProtocol) -> None:
        """Encrypt by `context` what `inner` says and hears; it begins after the handshake."""
        asyncio.Transport.__init__(self)
        self._context = context
        self._inner = inner
        # What the client said, as long as nothing has been answered.
        self._hello: bytearray | None = bytearray()
        self._loop = asyncio.get_running_loop()
        self._heard = self._shaken = self._paused = self._closed = False

    def _begin(self) -> None:
        place = self._wire.get_extra_info("sockname")
        address = place[0].partition("%")[0] if isinstance(place, tuple) else ""
        self._session = self._context.session(address)

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's hello."""
        self._wire = cast("asyncio.Transport", transport)
        self._begin()
        self._timer = self._loop.call_later(_HANDSHAKE_TIME, self._wire.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where ciphertext is received."""
        return _ARRIVALS

    def buffer_updated(self, count: int) -> None:
        """Take ciphertext."""
        if not self._heard and _ARRIVALS[0] != _HANDSHAKE_RECORD:
            self._wire.write(_NOT_TLS)
            self._wire.close()
            return
        self._heard = True
        if self._hello is not None:
            self._hello += _ARRIVALS[:count]
        self._session.feed(_ARRIVALS[:count])
        if self._shaken or self._shake():
            self._deliver()

    def eof_received(self) -> bool:
        """Pass on that the client says no more; encrypted connections are not half open."""
        if self._shaken and not self._closed:
            self._inner.eof_received()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone."""
        self._timer.cancel()
        self._closed = True
        if self._shaken:
            self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on that what was written is not out yet."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it is."""
        self._inner.resume_writing()

    def _shake(self) -> bool:
        """Go on with the handshake; return whether it is done."""
        try:
            done = self._session.shake()
        except TransferBroken as error:
            if self._hello is not None and self._session.wanted:
                self._wire.pause_reading()
                self._session.wanted.add_done_callback(self._greet_again)
                return False
            log.debug("tls.refused", extra={"reason": str(error)})
            self._flush()  # the alert that says why
            self._wire.close()
            return False
        if not done:
            if answer := self._session.unsent():
                self._hello = None
                self._wire.write(answer)
            return False
        self._timer.cancel()
        self._shaken = True
        self._flush()
        self._inner.connection_made(self)
        return True

    def _greet_again(self, wanted: asyncio.Task[None]) -> None:
        """Answer the client's hello now that what was wanting is there, or will never be."""
        if self._closed or self._hello is None:
            return
        if wanted.cancelled():  # the server stops
            self.abort()
            return
        self._begin()
        self._session.feed(bytes(self._hello))
        self._hello = None
        self._wire.resume_reading()
        if self._shake():
            self._deliver()

    def _deliver(self) -> None:
        """Give the connection all plaintext that is here."""
        heard = False
        while not (self._paused or self._closed) and self._hear():
            heard = True
        # What the session itself says follows what was no data. A thread may use it while paused.
        if not (heard or self._paused):
            self._flush()

    def _hear(self) -> bool:
        """Give the connection some plaintext; return whether there was any."""
        view = cast("memoryview", self._inner.get_buffer(-1))
        try:
            count = self._session.read(view)
        except TransferBroken as error:
            log.debug("tls.broken", extra={"reason": str(error)})
            self.abort()
            return False
        if count is None:
            return False
        if count:
            self._inner.buffer_updated(count)
            return True
        self._inner.eof_received()  # the client's close_notify
        self.close()
        return False

    def _flush(self) -> None:
        if unsent := self._session.unsent():
            self._wire.write(unsent)

    # The connection's side.

    def seal(self, data: bytes | memoryview) -> bytes:
        """Return `data` encrypted; nothing else may use the layer meanwhile."""
        return self._session.seal(data)

    def unseal(self, room: memoryview) -> int | None:
        """Decrypt into `room`, as Session.read does; nothing else may use the layer meanwhile."""
        return self._session.read(room)

    def feed(self, data: memoryview) -> None:
        """Take ciphertext that another than asyncio received."""
        self._session.feed(data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; what the socket does not take is kept by asyncio."""
        if not data or self._closed:
            return
        try:
            self._wire.write(self.seal(bytes(data)))
        except TransferBroken as error:
            log.debug("tls.broken", extra={"reason": str(error)})
            self.abort()

    def close(self) -> None:
        """Say that this was all, and close once it is out."""
        if self._closed:
            return
        self._closed = True
        self._wire.write(self._session.farewell())
        self._wire.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._closed = True
        self._wire.abort()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._paused = True
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Receive again, what has come already first."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._deliver)
        self._wire.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what asyncio knows of the connection, and its `server_name`."""
        if name == "server_name":
            return self._session.server_name
        return self._wire.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Return how many encrypted bytes wait to be sent."""
        return self._wire.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pause writers as soon as this many bytes wait."""
        self._wire.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """Return False: TLS connections are not half open."""
        return False

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or will be."""
        return self._closed


@contextmanager
def sealed_inlet(layer: TlsLayer) -> Iterator[Inlet]:
    """Give threads what a client sends, decrypted by them; the layer receives nothing meanwhile."""
    sealed = memoryview(bytearray(_SEALED))

    def read(sock: int, room: memoryview) -> int:
        try:
            while (count := layer.unseal(room)) is None:
                arrived = os.readv(sock, [sealed])
                if not arrived:
                    return 0
                layer.feed(sealed[:arrived])
        except TransferBroken as error:
            raise ConnectionAbortedError(str(error)) from error
        return count

    with own_socket(layer) as sock:
        yield Inlet(sock, read)


async def send_sealed(
    layer: TlsLayer, part: FileSlice, executor: Executor, progress: Callable[[int], None]
) -> None:
    """Send a part of a file encrypted; otherwise as transfer.send_file.

    Nothing is received meanwhile: one TLS session is not for two threads.
    """
    loop = asyncio.get_running_loop()
    offset, end, rest = part.offset, part.offset + part.size, memoryview(b"")
    layer.pause_reading()
    try:
        with own_socket(layer) as sock:
            while offset < end or rest:
                before, waiting = offset, len(rest)
                turn = loop.run_in_executor(
                    executor, _turn, sock, layer.seal, part.fd, offset, end, rest
                )
                offset, rest = await finished(turn)
                if offset > before or len(rest) < waiting:
                    progress(offset - before)
                else:
                    await writable(loop, sock)
    finally:
        if not layer.is_closing():
            layer.resume_reading()


def _turn(
    sock: int,
    seal: Callable[[memoryview], bytes],
    file: int,
    offset: int,
    end: int,
    rest: memoryview,
) -> tuple[int, memoryview]:
    """Send for one turn; return the next byte to read, and what is sealed but not sent."""
    until = time.monotonic() + TURN
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    buffer = memoryview(bytearray(SLICE))
    while (rest or offset < end) and time.monotonic() < until:
        if not rest:
            count = os.preadv(file, [buffer[: end - offset]], offset)
            if not count:
                raise TransferBroken("the file ended before its size")
            rest = memoryview(seal(buffer[:count]))
            offset += count
        try:
            rest = rest[os.write(sock, rest) :]
        except BlockingIOError:
            if not poller.poll(PATIENCE_MS):
                break
        except OSError as error:
            raise gone(error) from error
    return offset, rest
