"""TLS between a socket and who speaks over it: a protocol towards asyncio, a transport towards us.

asyncio's own layer works in the event loop, and copies what it could not send at once. Here the
threads that move a large body encrypt and decrypt it too, past the loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, cast

from lreg.transfer import Inlet, receive_plain

if TYPE_CHECKING:
    from collections.abc import Callable

# What a thread receives at a time before it decrypts that.
_SEALED = 128 << 10


class Session(Protocol):
    """One end of TLS in memory: what bytes mean, and what is answered (RFC 8446)."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take what the other end sent."""

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is done.

        Raises:
            OSError: it failed; `unsent` tells the other end.
        """

    def read(self, room: memoryview) -> int | None:
        """Decrypt some of what came into `room`, which is not empty; return how many bytes.

        0 says that the other end says no more, None that what came is no whole record.

        Raises:
            OSError: it is no TLS, or not what was sent; `unsent` tells the other end.
        """

    def seal(self, data: bytes | memoryview) -> bytes:
        """Return `data` encrypted, behind what else is unsent; raise OSError after the end."""

    def unsent(self) -> bytes:
        """Return what the session itself has to say."""

    def farewell(self) -> bytes:
        """Return what says that nothing more comes."""


class _Arrivals(threading.local):
    """Where ciphertext is received.

    asyncio asks for it, fills it and says so in one go, so that one serves all of a loop.
    """

    def __init__(self) -> None:
        self.room = memoryview(bytearray(256 << 10))


_ARRIVALS = _Arrivals()


class TlsLayer(asyncio.BufferedProtocol, asyncio.Transport, ABC):
    """One end of TLS on one connection.

    Attributes:
        session: what encrypts; one for a thread too, as long as reading is paused.
    """

    session: Session

    def __init__(self, inner: asyncio.BufferedProtocol) -> None:
        """Encrypt what `inner` says, decrypt what it hears."""
        asyncio.Transport.__init__(self)
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._shaken = self._paused = self._closed = False
        self._failure: OSError | None = None

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        self._wire = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where ciphertext is received."""
        return _ARRIVALS.room

    def buffer_updated(self, count: int) -> None:
        """Take ciphertext."""
        self.session.feed(_ARRIVALS.room[:count])
        if self._shaken or self._shake():
            self._deliver()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone, and why."""
        self._closed = True
        self._inner.connection_lost(error or self._failure)

    def pause_writing(self) -> None:
        """Pass on that what was written is not out yet."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it is."""
        self._inner.resume_writing()

    def _shake(self) -> bool:
        """Go on with the handshake; return whether it is done."""
        try:
            self._shaken = self.session.shake()
        except OSError as error:
            self._refused(error)
            return False
        self._flush()
        if self._shaken:
            self._agreed()
        return self._shaken

    @abstractmethod
    def _refused(self, error: OSError) -> None:
        """Say why the handshake failed, and close."""

    @abstractmethod
    def _agreed(self) -> None:
        """Begin, now that the handshake is done."""

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
            count = self.session.read(view)
        except OSError as error:
            self._fail(error)
            return False
        if count is None:
            return False
        if count:
            self._inner.buffer_updated(count)
            return True
        self._inner.eof_received()  # the other end's close_notify
        self.close()
        return False

    def _flush(self) -> None:
        if unsent := self.session.unsent():
            self._wire.write(unsent)

    def _fail(self, error: OSError) -> None:
        """Drop the connection, which is of no use any more."""
        self._failure = error
        self._flush()  # the alert that says why
        self.abort()

    # The connection's side.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; what the socket does not take is kept by asyncio."""
        if not data or self._closed:
            return
        try:
            self._wire.write(self.session.seal(bytes(data)))
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Say that this was all, and close once it is out."""
        if self._closed:
            return
        self._closed = True
        self._wire.write(self.session.farewell())
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
        """Return what asyncio knows of the connection."""
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


def inlet(transport: asyncio.Transport, sock: int) -> Inlet:
    """Return where threads get what comes over a connection, in plain text.

    Args:
        transport: of the connection; its reading is paused as long as the inlet is used.
        sock: a duplicate of the connection's socket.
    """
    if isinstance(transport, TlsLayer):
        return Inlet(sock, _opener(transport.session))
    return Inlet(sock, receive_plain)


def _opener(session: Session) -> Callable[[int, memoryview], int]:
    """Return what receives and decrypts, as receive_plain receives."""
    sealed = memoryview(bytearray(_SEALED))

    def read(sock: int, room: memoryview) -> int:
        if (count := session.read(room)) is not None:
            return count
        # Once only: who sends records without data would keep the thread for ever.
        if not (arrived := os.readv(sock, [sealed])):
            return 0
        session.feed(sealed[:arrived])
        if (count := session.read(room)) is None:
            raise BlockingIOError
        return count

    return read
