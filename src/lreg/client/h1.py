"""One HTTP/1.1 connection: opened, spoken over, used again.

h11 does the protocol (RFC 9112), asyncio the sockets. Failures leave here as OSError, TimeoutError,
ssl.SSLError or h11.ProtocolError; the transport makes sentences of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

import h11

from lreg.client.patience import Pace
from lreg.client.proxy import credentials_for
from lreg.client.sending import Outlet, OutletClosed, Pumped, Sent
from lreg.client.wire import PIECE, Headers, SourceFailed
from lreg.errors import TransferBroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from contextlib import AbstractContextManager

    from lreg.client.patience import Patience
    from lreg.client.sockets import Wire
    from lreg.client.wire import Request
    from lreg.transfer import Inlet

# Signed Locations and Link headers are long; a head of this size is none.
_MAX_HEAD = 64 << 10
# h11 looks at its limit when a head is not complete yet: it gets no more than this at a time.
_HEAD_PIECE = 16 << 10
# From this size on threads use the socket themselves, past the event loop.
_DIRECT = 1 << 20
# So much is received at most while a thread is busy with what came before.
_MOST = 1 << 20
# Everything that may stand in a request's target (RFC 3986, 2.2, 2.3), and what stands there.
_TARGET = "%/:=&?~#+!$,;'@()*[]-._|"


# So long the last piece of a body may be on its way when its answer is here.
_LAST = 1.0


class Link:
    """A connection to one server, for one request at a time.

    Args:
        wire: the open connection.
        patience: how long the other end may leave us waiting.
        proxy: the proxy that it leads to, whom requests tell the whole URL, or None.

    Attributes:
        left: how many bytes of the answer's body are still to come; None where it does not say so.
        pace: how fast they come.
    """

    def __init__(
        self,
        wire: Wire,
        patience: Patience,
        proxy: str | None = None,
    ) -> None:
        self._wire = wire
        self._patience = patience
        self._absolute = proxy is not None
        self._proxy_headers = credentials_for(proxy) if proxy else {}
        self._protocol = _protocol()
        self._method = ""
        self._early = b""
        self._room = PIECE
        self._outlet: Outlet | None = None
        self.left: int | None = None
        self.pace = Pace(patience)

    async def ask(self, request: Request) -> tuple[int, Headers]:
        """Send the request and return the status and the headers of its answer.

        An answer that comes before a streamed body is sent ends the sending.

        Raises:
            SourceFailed: the body raised something.
            h11.LocalProtocolError: the body is not as long as was said.
        """
        self._method = request.method
        self._send(self._head(request))
        if request.body is None or isinstance(request.body, bytes):
            if request.body:
                self._send(h11.Data(data=request.body))
            self._send(h11.EndOfMessage())
            await self._drained()
            async with asyncio.timeout(self._patience.stall):
                return await self._response()
        answering = asyncio.ensure_future(self._response())
        sending = asyncio.ensure_future(self._send_body(request.body, request.size))
        try:
            await asyncio.wait({answering, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await sending
            elif self._outlet and self._outlet.count == request.size:
                # An answer may be quicker than the thread that sent the last of the body.
                await asyncio.wait({sending}, timeout=_LAST)
            async with asyncio.timeout(self._patience.commit):
                return await answering
        finally:
            if self._outlet:
                self._outlet.close()
            sending.cancel()
            answering.cancel()
            # Both have ended before the connection or the source is used for anything else.
            await asyncio.gather(sending, answering, return_exceptions=True)

    def _head(self, request: Request) -> h11.Request:
        parts = urlsplit(request.url)
        target = request.url if self._absolute else request.url.partition(parts.netloc)[2]
        target = target.partition("#")[0]
        if not self._absolute and not target.startswith("/"):
            target = f"/{target}"
        host = parts.netloc.rpartition("@")[2]
        headers = {"Host": host, **request.headers, **self._proxy_headers}
        if request.size is not None:
            headers["Content-Length"] = str(request.size)
        elif isinstance(request.body, bytes):
            headers["Content-Length"] = str(len(request.body))
        elif request.method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = "0"
        return h11.Request(
            method=request.method,
            target=quote(target, safe=_TARGET),
            headers=list(headers.items()),
        )

    def _send(self, event: h11.Event) -> None:
        # Written one by one, each header would be a packet, and a record of TLS.
        self._wire.transport.writelines(self._protocol.send_with_data_passthrough(event) or ())

    async def _send_body(self, body: AsyncIterable[bytes], size: int | None) -> None:
        if isinstance(body, Pumped) and (size or 0) >= _DIRECT:
            sent = await self._send_pumped(body, size or 0)
        else:
            sent = await self._send_stream(body)
        if sent:
            self._send(h11.EndOfMessage())
            await self._drained()

    async def _send_stream(self, body: AsyncIterable[bytes]) -> bool:
        """Send a body through the event loop; return whether the other end took it all."""
        async with aclosing(_guarded(body)) as pieces:
            async for piece in pieces:
                self._send(h11.Data(data=piece))
                if not await self._drained():
                    return False
        return True

    async def _send_pumped(self, body: Pumped, size: int) -> bool:
        """Let threads send a body; return whether the other end took it all."""
        async with asyncio.timeout(self._patience.stall):
            if not await self._wire.flushed():
                return False
        with self._wire.outlet(_hung_up) as (sock, seal):
            outlet = self._outlet = Outlet(sock, seal, size, self._patience.stall)
            try:
                await body.pump(outlet)
            except OutletClosed:
                if outlet.failure:
                    raise outlet.failure from None
                if outlet.count <= size:
                    return False
            except Exception as error:
                raise SourceFailed(error) from error
            finally:
                self._outlet = None
        # It is counted here, and found to be too much or too little.
        self._protocol.send_with_data_passthrough(h11.Data(data=cast("bytes", Sent(outlet.count))))
        return True

    async def _drained(self) -> bool:
        """Wait until what was written is nearly sent; return whether the other end still reads."""
        # A server that refuses a body closes; why, is in the answer that it sent before.
        async with asyncio.timeout(self._patience.stall):
            return await self._wire.drained()

    async def _response(self) -> tuple[int, Headers]:
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                headers = Headers(event.headers.raw_items())
                self._expect(event.status_code, headers)
                return event.status_code, headers

    def _expect(self, status: int, headers: Headers) -> None:
        """Prepare for a body; one of known length is counted here, which takes fewer copies."""
        self.pace = Pace(self._patience)
        self.left, self._early, self._room = None, b"", PIECE
        length = headers.get("Content-Length")
        # RFC 9112, 6.3: chunks count for more than a length.
        if self._method != "GET" or status not in {200, 206} or "Transfer-Encoding" in headers:
            return
        if length is not None:
            self.left = int(length)
            self._early, _ = self._protocol.trailing_data
            self._room = min(self.left, _MOST)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer's body as it arrives."""
        while piece := await self.pace.wait(self.piece()):
            yield bytes(piece)
            self.pace.note(len(piece))

    async def piece(self) -> bytes | memoryview:
        """Return what has arrived of the body, or the next that does; nothing at its end.

        A view is valid until the next call.
        """
        self._wire.expect(self._room)
        if self.left is None:
            return await self._chunks()
        if not self.left:
            return b""
        data: bytes | memoryview
        data, self._early = self._early[: self.left], self._early[self.left :]
        data = data or await self._wire.take(self.left)
        if not data:
            raise ConnectionResetError(f"{self.left} bytes were still to come")
        self.left -= len(data)
        return data

    async def _chunks(self) -> bytes:
        gathered: list[bytes] = []
        size = 0
        while self._protocol.their_state is h11.SEND_BODY and size < PIECE:
            event = self._protocol.next_event()
            if isinstance(event, h11.Data):
                gathered.append(event.data)
                size += len(event.data)
            elif event is h11.NEED_DATA:
                if gathered:
                    break
                await self._feed()
        return b"".join(gathered)

    @property
    def is_direct(self) -> bool:
        """Whether threads may receive the rest of the body themselves, and it is worth it."""
        return self.left is not None and self.left >= _DIRECT

    def take_over(self) -> bytes:
        """Keep the event loop from receiving; return what it has of the body, `left` lowered."""
        self._wire.pause()
        data = self._early + self._wire.rest()
        data, self._early = data[: self.left], data[self.left :]
        self.left = (self.left or 0) - len(data)
        return data

    def inlet(self, broken: Callable[[OSError], TransferBroken]) -> AbstractContextManager[Inlet]:
        """Let threads receive what is left of the body, for which `left` is to be lowered.

        Args:
            broken: makes the error that is raised where the connection is gone.
        """
        return self._wire.inlet(broken)

    async def _event(self) -> h11.Event | type[h11.PAUSED | h11.NEED_DATA]:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            await self._feed()
        return event

    async def _feed(self) -> None:
        """Give the protocol what arrives next."""
        heads = self._protocol.their_state is h11.SEND_RESPONSE
        data = await self._wire.read(_HEAD_PIECE if heads else PIECE)
        if heads and not data:
            raise ConnectionResetError("it was closed without an answer")
        self._protocol.receive_data(data)

    def finish(self) -> bool:
        """End the exchange; return whether the connection can be used again."""
        # What is left of a short body has come with its head; anything else was not asked for.
        rest = self._wire.rest()
        if self.left is not None:
            whole = self.left == len(self._early) + len(rest)
            if not whole or self._protocol.our_state is h11.MUST_CLOSE:
                return False
            self._protocol = _protocol()
        else:
            try:
                if rest:
                    self._protocol.receive_data(rest)
                while isinstance(self._protocol.next_event(), h11.Data):
                    pass
                self._protocol.start_next_cycle()
            except h11.ProtocolError:
                return False
            if self._protocol.trailing_data[0]:
                return False
        self.left, self._early = None, b""
        self._wire.expect(0)
        return self.alive

    @property
    def alive(self) -> bool:
        """Whether the other end has neither closed an idle connection nor spoken unasked."""
        return not (self._wire.eof or self._wire.held or self._wire.transport.is_closing())

    async def close(self) -> None:
        """Close at once, whatever is under way, and return when the socket is gone."""
        await self._wire.close()


def _protocol() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)


def _hung_up(error: OSError) -> TransferBroken:
    return TransferBroken(f"the connection is gone: {error}")


async def _guarded(body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a body; what it raises comes out as SourceFailed."""
    pieces = aiter(body)
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:
        raise SourceFailed(error) from error
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
