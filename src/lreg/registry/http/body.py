"""A request's body on its way in: gathered into large pieces, hashed and written in threads."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from lreg.errors import ContentTooLarge
from lreg.registry.http.parser import ChunkedDecoder
from lreg.registry.http.transfer import gone
from lreg.transfer import finished, readable, receive

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from lreg.transfer import Inlet

# What one call of a sink gets at most: large enough that threads and hashes run at full speed.
PIECE = 1 << 20
# What one recv takes at most, so that no other connection waits long for the loop.
RECEIVE = 256 << 10
# From this size on threads receive from the socket themselves, past the event loop.
_DIRECT = 1 << 20
# Chunked bodies are taken apart here before they are gathered.
_RAW = 64 << 10


class Body:
    """The body of one request; the connection fills it, one reader empties it.

    Two pieces take turns: one fills from the socket while a thread has the other. When both are
    full the socket is not read, so that a slow disk slows the sender down and costs no memory.

    Attributes:
        length: how many bytes were announced, None for a chunked body.
        received: how many have come.
        complete: whether all have.
    """

    def __init__(
        self,
        length: int | None,
        executor: Executor,
        *,
        begin: Callable[[], None],
        progress: Callable[[], None],
        pause: Callable[[bool], None],
        inlet: Callable[[], AbstractContextManager[Inlet]] | None = None,
    ) -> None:
        """Expect a body.

        Args:
            length: as announced, None where it comes in chunks.
            executor: where sinks run.
            begin: called when a reader comes for the first byte (100 Continue).
            progress: called when threads have received something.
            pause: called with True when nothing more can be taken, with False when again.
            inlet: gives threads the socket; without it all comes through the connection.
        """
        self.length = length
        self.received = 0
        self.complete = length == 0
        self._executor = executor
        self._begin = begin
        self._progress = progress
        self._pause = pause
        self._inlet = inlet
        self._is_quiet = False
        self._chunks = ChunkedDecoder() if length is None else None
        self._raw = bytearray(0 if length is not None else _RAW)
        self._filling = bytearray()
        self._filled = 0
        self._full: list[memoryview] = []
        self._spare: list[bytearray] = []
        self._broken: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._paused = False

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give the whole body to `sink`, piece after piece, in threads (store.protocol.Source).

        Raises:
            TransferBroken: the client went away or stalled; what had come was given to `sink`.
            BadRequest: the chunks are not well-formed.
        """
        loop = asyncio.get_running_loop()
        self._begin()
        if self._inlet and self._left >= _DIRECT:
            with self._inlet() as inlet:
                await self._pump_socket(inlet, sink)
            return
        while piece := await self._next():
            try:
                await finished(loop.run_in_executor(self._executor, sink, piece))
            finally:
                self._recycle(piece)
        if self._broken:
            raise self._broken

    async def _pump_socket(self, inlet: Inlet, sink: Callable[[memoryview], None]) -> None:
        """Let threads receive the rest: each byte is copied, hashed and written by one core."""
        loop = asyncio.get_running_loop()
        self._pause(True)
        # What the loop received before a reader came goes first.
        early = [*self._full, memoryview(self._filling)[: self._filled]]
        self._full, self._filling, self._filled, self._paused = [], bytearray(), 0, False
        try:
            for piece in filter(len, early):
                await finished(loop.run_in_executor(self._executor, sink, piece))
            while self._left and not self._broken:
                turn = partial(receive, inlet, self._left, sink, gone)
                count = await finished(loop.run_in_executor(self._executor, turn))
                self.received += count
                self._progress()
                if not count:
                    self._is_quiet = True
                    await readable(loop, inlet.sock)
                    self._is_quiet = False
        except Exception as error:
            # The socket stays unread: what else comes is no request.
            self.finish(error)
            raise
        if self._broken:
            raise self._broken
        self.finish(None)
        self._pause(False)

    async def read(self, limit: int) -> bytes:
        """Return the whole body; raise ContentTooLarge where it has more than `limit` bytes."""
        if self.length is not None and self.length > limit:
            raise ContentTooLarge(f"a body of {self.length} bytes is too large here")
        content = bytearray()
        self._begin()
        while piece := await self._next():
            content += piece
            self._recycle(piece)
            if len(content) > limit:
                raise ContentTooLarge(f"a body of over {limit} bytes is too large here")
        if self._broken:
            raise self._broken
        return bytes(content)

    # The connection's side.

    def buffer(self) -> memoryview:
        """Return where the next bytes from the socket belong."""
        if self._chunks:
            return memoryview(self._raw)
        space = self._space()
        return space[: min(len(space), RECEIVE, self._left)]

    def arrived(self, count: int) -> bytes:
        """Note that `count` bytes lie in `buffer`; return those behind the end of the body."""
        if not self._chunks:
            self._advance(count)
            return b""
        try:
            return self.feed(memoryview(self._raw)[:count])
        except Exception as error:  # noqa: BLE001 - it belongs to the reader
            self.finish(error)
            return b""

    def feed(self, data: memoryview) -> bytes:
        """Take bytes that came with the head; return those behind the end of the body."""
        if not self._chunks:
            taken = data[: self._left]
            self._gather(taken)
            return bytes(data[len(taken) :])
        for part in self._chunks.feed(data):
            self._gather(part)
        if self._chunks.finished:
            self.finish(None)
        return bytes(data[len(data) - self._chunks.unused :])

    def finish(self, error: Exception | None) -> None:
        """End the body: complete, or broken by `error`."""
        if self.complete or self._broken:
            return
        self.complete, self._broken = error is None, error
        if self._filled:
            self._hand_over()
        self._wake()

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for bytes from the client."""
        return self._is_quiet or (self._arrival is not None and not self._arrival.done())

    @property
    def _left(self) -> int:
        return (self.length or 0) - self.received

    @property
    def over(self) -> bool:
        """Whether no more bytes are expected."""
        return self.complete or self._broken is not None

    def _gather(self, data: memoryview) -> None:
        while data:
            space = self._space()
            part = data[: len(space)]
            space[: len(part)] = part
            self._advance(len(part))
            data = data[len(part) :]

    def _space(self) -> memoryview:
        if not self._filling:
            size = PIECE if self.length is None else min(PIECE, self.length)
            self._filling = self._spare.pop() if self._spare else bytearray(size)
        return memoryview(self._filling)[self._filled :]

    def _advance(self, count: int) -> None:
        self.received += count
        self._filled += count
        if self.received == self.length:
            self.finish(None)
        elif self._filled == len(self._filling):
            self._hand_over()

    def _hand_over(self) -> None:
        self._full.append(memoryview(self._filling)[: self._filled])
        self._filling, self._filled = bytearray(), 0
        self._wake()
        if len(self._full) > 1 and not self._paused:
            self._paused = True
            self._pause(True)

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)

    async def _next(self) -> memoryview | None:
        """Return the next piece, None at the end or after a break."""
        while not self._full:
            if self.over:
                return None
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._full[0]

    def _recycle(self, piece: memoryview) -> None:
        self._full.pop(0)
        if isinstance(piece.obj, bytearray):
            self._spare.append(piece.obj)
        if self._paused:
            self._paused = False
            self._pause(False)
