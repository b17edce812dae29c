"""The receiving half of a connection: heads are gathered and cut apart, bodies go to readers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lreg.errors import BadRequest, HeadTooLarge, TransferBroken
from lreg.registry.http.body import Body
from lreg.registry.http.parser import MAX_HEAD
from lreg.registry.http.transfer import opened_inlet

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Executor

    from lreg.registry.http.parser import Head

_FIRST_BUFFER = 4 << 10
_TLS_HANDSHAKE = 0x16
_LINE_END, _HEAD_END = b"\r\n", b"\r\n\r\n"


class Incoming:
    """Takes what a client sends: one buffer for heads, and the body that is on its way, if any.

    Attributes:
        body: that of the request under way; None where it has none.
    """

    def __init__(
        self, transport: asyncio.Transport, executor: Executor, progress: Callable[[], None]
    ) -> None:
        """Receive over `transport`.

        Args:
            transport: of the connection.
            executor: where bodies are taken in.
            progress: called when a body moves, or waits for the client from then on.
        """
        self.body: Body | None = None
        self._transport = transport
        self._executor = executor
        self._progress = progress
        self._buffer = bytearray(_FIRST_BUFFER)
        self._start = self._end = 0
        self._discards = self._lost = False

    def buffer(self) -> memoryview:
        """Return where the next bytes belong: the body's piece, or the buffer for heads."""
        if self.body and not self.body.over:
            return self.body.buffer()
        if self._start == self._end or self._discards:
            self._start = self._end = 0
        elif self._end == len(self._buffer):
            self._make_room()
        return memoryview(self._buffer)[self._end :]

    def arrived(self, count: int) -> bool:
        """Take the bytes that came; return whether a head may be among them."""
        if self.body and not self.body.over:
            self._progress()
            if rest := self.body.arrived(count):
                self._keep(rest)
            return False
        if self._discards:
            return False
        self._end += count
        return True

    def next_head(self) -> bytearray | None:
        """Return the next head, without its empty line; None where it is not here whole.

        Raises:
            BadRequest: what is here will never be one; HeadTooLarge where it is too long.
        """
        buffer, start, arrived = self._buffer, self._start, self._end
        while buffer.startswith(_LINE_END, start, arrived):
            start += 2  # RFC 9112, 2.2: ignore empty lines before a request
        end = buffer.find(_HEAD_END, start, arrived)
        if end < 0:
            self._start = start
            self._check_unfinished()
            return None
        self._start = end + 4
        return buffer[start:end]

    def pause_if_full(self) -> None:
        """Receive nothing more from a client that sends requests faster than it is answered."""
        if self._end == MAX_HEAD:
            self._transport.pause_reading()

    def begin_body(self, head: Head, before: Callable[[], None]) -> Body:
        """Return the body that follows a head; what of it came with the head is in it.

        Args:
            head: of a request that has a body.
            before: called when the body's reader comes for the first byte.
        """
        body = self.body = Body(
            head.length,
            self._executor,
            begin=before,
            progress=self._progress,
            pause=self._pause,
            inlet=partial(opened_inlet, self._transport),
        )
        early = memoryview(bytes(self._buffer[self._start : self._end]))
        self._start = self._end = 0
        try:
            rest = body.feed(early)
        except BadRequest as error:
            body.finish(error)
        else:
            self._keep(rest)
        return body

    def break_body(self, error: Exception) -> None:
        """Tell who reads the body, if any, that the rest of it will never come."""
        if self.body:
            self.body.finish(error)

    def lose(self) -> None:
        """Let the reader find that the client is gone."""
        self._lost = True
        self.break_body(TransferBroken("the client went away before the end of its body"))

    def discard(self) -> None:
        """Throw away whatever else comes."""
        self._discards = True
        self._transport.resume_reading()

    def _make_room(self) -> None:
        waiting = self._buffer[self._start : self._end]
        size = len(self._buffer)
        self._buffer = waiting.ljust(min(MAX_HEAD, size * 2) if not self._start else size, b"\0")
        self._start, self._end = 0, len(waiting)

    def _keep(self, rest: bytes) -> None:
        """Keep bytes that came behind a body, for the next request."""
        self._buffer = bytearray(rest).ljust(_FIRST_BUFFER, b"\0")
        self._start, self._end = 0, len(rest)

    def _check_unfinished(self) -> None:
        # containerd 2 and Docker 29 try TLS first where HTTP is allowed, and fall back to HTTP
        # only if a plain port answers with an HTTP/1.1 400 line.
        if self._end > self._start and self._buffer[self._start] == _TLS_HANDSHAKE:
            raise BadRequest("this port speaks plain HTTP, not TLS")
        if self._end - self._start >= MAX_HEAD:
            raise HeadTooLarge

    def _pause(self, pause: bool) -> None:
        if self._lost:
            return
        if pause:
            self._transport.pause_reading()
        else:
            self._progress()
            self._transport.resume_reading()
