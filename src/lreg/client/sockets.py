"""Connections as they are opened, read and written, before anything is said over them.

asyncio's streams copy what arrives four times. Here it is received, or decrypted, straight into the
buffer that a thread hashes and writes from, while the loop fills the other one of two. Large bodies
are left to threads, with TLS and all.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from socket import EAI_NONAME, gaierror
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from lreg.client.tls import ClientLayer, Session
from lreg.client.wire import is_address
from lreg.tls import inlet
from lreg.transfer import duplicate, tune

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from lreg.errors import TransferBroken
    from lreg.transfer import Inlet

_SMALL = 64 << 10


class Wire(asyncio.BufferedProtocol):
    """An open connection.

    Attributes:
        transport: what carries it.
        held: how many bytes have arrived and are not read yet.
        eof: whether no more will arrive.
        broken: why, where the other end did not just say so.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.held = 0
        self.eof = False
        self.broken: OSError | None = None
        self._buffer, self._spare = bytearray(_SMALL), bytearray()
        self._begin = 0
        self._paused = self._taken = False
        self._layer: ClientLayer | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = loop.create_future()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where what arrives belongs."""
        return memoryview(self._buffer)[self._begin + self.held :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what arrived; nothing more where there is no room for it."""
        self.held += nbytes
        if self._begin + self.held == len(self._buffer):
            self._paused = True
            self.transport.pause_reading()
        _wake(self._arrival)

    def eof_received(self) -> bool:
        """Take note that nothing more comes; what is being sent goes on."""
        self.eof = True
        _wake(self._arrival)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone."""
        self.eof = True
        if exc is not None:
            self.broken = exc if isinstance(exc, OSError) else ConnectionError(str(exc))
        for waiter in (self._arrival, self._room, self._closed):
            _wake(waiter)

    def pause_writing(self) -> None:
        """Let whoever writes wait."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let them go on."""
        _wake(self._room)
        self._room = None

    # Our side.

    async def encrypt(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Go on in TLS with the server called `host`; raise OSError where that fails."""
        if self.held:
            raise ConnectionResetError("it speaks before it is asked")
        plain, self._layer = self.transport, ClientLayer(Session(context, host), self)
        self.transport = self._layer
        await self._layer.open(plain, seconds)

    def expect(self, size: int) -> None:
        """Make room for `size` bytes at a time from now on; for few again where it is 0."""
        size = max(size, _SMALL, self.held)
        if len(self._buffer) != size:
            held = self._view()
            self._buffer, self._spare, self._begin = bytearray(size), bytearray(), 0
            self._buffer[: len(held)] = held
            self._resume()

    async def read(self, most: int) -> bytes:
        """Return what has arrived or the next that does, at most so many bytes; none at the end.

        Raises:
            OSError: the connection broke; all that had arrived before was returned.
        """
        await self._arrived()
        data = bytes(self._view()[:most])
        self.held -= len(data)
        self._begin = self._begin + len(data) if self.held else 0
        self._resume()
        return data

    async def take(self, most: int) -> memoryview:
        """Return the same as `read`, as a view that is valid until the next call of either."""
        await self._arrived()
        view = self._view()
        if len(view) > most:
            self.held, self._begin = self.held - most, self._begin + most
            return view[:most]
        # The other buffer fills while this one is used.
        spare = self._spare or bytearray(len(self._buffer))
        self._buffer, self._spare = spare, self._buffer
        self.held = self._begin = 0
        self._resume()
        return view

    def rest(self) -> bytes:
        """Return what has arrived, without waiting."""
        data = bytes(self._view())
        self.held = self._begin = 0
        self._resume()
        return data

    async def _arrived(self) -> None:
        """Wait until something has arrived, or nothing more will."""
        while not self.held:
            if self.broken:
                raise self.broken
            if self.eof:
                return
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival

    def _view(self) -> memoryview:
        return memoryview(self._buffer)[self._begin : self._begin + self.held]

    def _resume(self) -> None:
        """Receive again, where there is room and nobody else receives."""
        if self._paused and not self._taken and self._begin + self.held < len(self._buffer):
            self._paused = False
            self.transport.resume_reading()

    def pause(self) -> None:
        """Receive nothing for now: threads do, through an `inlet`."""
        self._taken = self._paused = True
        self.transport.pause_reading()

    @contextmanager
    def inlet(self, broken: Callable[[OSError], TransferBroken]) -> Iterator[Inlet]:
        """Let threads receive what arrives after a `pause`; receive again once they did.

        Args:
            broken: makes the error that is raised where the connection is gone.
        """
        if self.broken:
            raise broken(self.broken) from self.broken
        with duplicate(self.transport, broken) as sock:
            yield inlet(self.transport, sock)
        self._taken = False
        self._resume()

    @contextmanager
    def outlet(
        self, broken: Callable[[OSError], TransferBroken]
    ) -> Iterator[tuple[int, Callable[[memoryview], bytes | memoryview]]]:
        """Let threads send: give a socket, and what makes of a piece what goes over it.

        Args:
            broken: makes the error that is raised where the connection is gone.
        """
        with duplicate(self.transport, broken) as sock:
            tune(self.transport.get_extra_info("socket"))
            if self._layer is None:
                yield sock, memoryview
                return
            with self._layer.lent():
                yield sock, self._layer.session.seal

    async def drained(self) -> bool:
        """Wait until what was written is nearly out; return whether the other end still reads."""
        if self._room is not None:
            await asyncio.shield(self._room)
        return not self.transport.is_closing()

    async def flushed(self) -> bool:
        """Wait until all that was written is out; return whether the other end still reads."""
        self.transport.set_write_buffer_limits(high=0)
        try:
            return await self.drained()
        finally:
            self.transport.set_write_buffer_limits()

    async def close(self) -> None:
        """Close at once, whatever is under way, and return when the socket is gone."""
        self.transport.abort()
        await asyncio.shield(self._closed)


@contextmanager
def aborted_on_error(wire: Wire) -> Iterator[None]:
    """Close a connection at once where what is done with it fails or is cancelled."""
    try:
        yield
    except BaseException:
        wire.transport.abort()
        raise


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


async def connect(url: str, unix: str | None, seconds: float, proxy: str | None) -> Wire:
    """Return an open connection to the server of `url`, or to the proxy in between; no TLS yet."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        if unix:
            return (await loop.create_unix_connection(Wire, unix))[1]
        parts = urlsplit(proxy or url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        # A name may have an IPv6 address that leads nowhere (RFC 8305); an address is what it is.
        delay = None if is_address(host) else 0.25
        try:
            return (await loop.create_connection(Wire, host, port, happy_eyeballs_delay=delay))[1]
        except UnicodeError as error:
            raise gaierror(EAI_NONAME, f"{host!r:.80} can't be a name") from error
