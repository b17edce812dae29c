"""TLS as a server speaks it: the hello it answers, large files that threads encrypt and send."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import time
from typing import TYPE_CHECKING, Any

from lreg.errors import TransferBroken
from lreg.registry.http.transfer import gone, own_socket
from lreg.tls import TlsLayer
from lreg.transfer import PATIENCE_MS, SLICE, TURN, finished, writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from lreg.registry.http.messages import FileSlice
    from lreg.registry.http.sessions import Session, TlsContext

log = logging.getLogger(__name__)

_HANDSHAKE_RECORD = 0x16
_HANDSHAKE_TIME = 30.0
_NOT_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"this port speaks TLS: use https://\n"
)


class ServerLayer(TlsLayer):
    """The server's end of TLS on one connection (RFC 8446)."""

    session: Session

    def __init__(
        self,
        context: TlsContext,
        inner: asyncio.BufferedProtocol,
        greeting: dict[ServerLayer, None],
    ) -> None:
        """Encrypt by `context` what `inner` says and hears; it begins after the handshake.

        Args:
            context: with the certificate.
            inner: the connection.
            greeting: has those whose handshake is not done, the oldest first; kept by each.
        """
        super().__init__(inner)
        self._context = context
        self._greeting = greeting
        # What the client said, as long as nothing has been answered.
        self._hello: bytearray | None = bytearray()
        self._heard = False

    def _begin(self) -> None:
        place = self._wire.get_extra_info("sockname")
        address = place[0].partition("%")[0] if isinstance(place, tuple) else ""
        self.session = self._context.session(address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's hello."""
        super().connection_made(transport)
        self._greeting[self] = None
        self._begin()
        self._timer = self._loop.call_later(_HANDSHAKE_TIME, self._wire.abort)

    def buffer_updated(self, count: int) -> None:
        """Take ciphertext."""
        arrived = self.get_buffer(count)[:count]
        if not self._heard and arrived[0] != _HANDSHAKE_RECORD:
            self._wire.write(_NOT_TLS)
            self._wire.close()
            return
        self._heard = True
        if self._hello is not None:
            self._hello += arrived
        super().buffer_updated(count)

    def eof_received(self) -> bool:
        """Pass on that the client says no more; encrypted connections are not half open."""
        if self._shaken and not self._closed:
            self._inner.eof_received()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone."""
        self._greeted()
        self._closed = True
        if self._shaken:
            super().connection_lost(error)

    def _refused(self, error: OSError) -> None:
        if self._hello is not None and self.session.wanted:
            self._wire.pause_reading()
            self.session.wanted.add_done_callback(self._greet_again)
            return
        log.debug("tls.refused", extra={"reason": str(error)})
        self._flush()  # the alert that says why
        self._wire.close()

    def _greeted(self) -> None:
        self._timer.cancel()
        self._greeting.pop(self, None)

    def _agreed(self) -> None:
        self._greeted()
        self._inner.connection_made(self)

    def _greet_again(self, wanted: asyncio.Task[None]) -> None:
        """Answer the client's hello now that what was wanting is there, or will never be."""
        if self._closed or self._hello is None:
            return
        if wanted.cancelled():  # the server stops
            self.abort()
            return
        self._begin()
        self.session.feed(bytes(self._hello))
        self._hello = None
        self._wire.resume_reading()
        if self._shake():
            self._deliver()

    def _flush(self) -> None:
        if unsent := self.session.unsent():
            self._hello = None
            self._wire.write(unsent)

    def _fail(self, error: OSError) -> None:
        log.debug("tls.broken", extra={"reason": str(error)})
        super()._fail(error)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what asyncio knows of the connection, and its `server_name`."""
        if name == "server_name":
            return self.session.server_name
        return super().get_extra_info(name, default)


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
                    executor, _turn, sock, layer.session.seal, part.fd, offset, end, rest
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
            try:
                rest = memoryview(seal(buffer[:count]))
            except OSError as error:
                raise gone(error) from error
            offset += count
        try:
            rest = rest[os.write(sock, rest) :]
        except BlockingIOError:
            if not poller.poll(PATIENCE_MS):
                break
        except OSError as error:
            raise gone(error) from error
    return offset, rest
