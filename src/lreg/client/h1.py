"""One HTTP/1.1 connection: opened, spoken over, used again.

h11 does the protocol (RFC 9112), asyncio the sockets. Failures leave here as OSError, TimeoutError,
ssl.SSLError or h11.ProtocolError; the transport makes sentences of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import h11

from lreg.client.proxy import credentials_for
from lreg.client.wire import PIECE, SourceFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    from lreg.client.patience import Patience
    from lreg.client.wire import Request

# Signed Locations and Link headers are long; a head of this size is none.
_MAX_HEAD = 64 << 10
# Everything that may stand in a request's target (RFC 3986, 2.2, 2.3), and what stands there.
_TARGET = "%/:=&?~#+!$,;'@()*[]-._|"


class Headers(Mapping[str, str]):
    """The headers of an answer, whatever the case of their names; repeated ones are joined."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            known = self._values.get(name)
            # RFC 9110, 5.3: equal to one field with the values in order, separated by commas.
            self._values[name] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Link:
    """A connection to one server, for one request at a time.

    Args:
        reader, writer: the open connection.
        patience: how long the other end may leave us waiting.
        proxy: the proxy that it leads to, whom requests tell the whole URL, or None.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        patience: Patience,
        proxy: str | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._stall = patience.stall
        self._commit = patience.commit
        self._absolute = proxy is not None
        self._proxy_headers = credentials_for(proxy) if proxy else {}
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)

    async def ask(self, request: Request) -> tuple[int, Headers]:
        """Send the request and return the status and the headers of its answer.

        An answer that comes before a streamed body is sent ends the sending.

        Raises:
            SourceFailed: the body raised something.
            h11.LocalProtocolError: the body is not as long as was said.
        """
        self._send(self._head(request))
        if request.body is None or isinstance(request.body, bytes):
            if request.body:
                self._send(h11.Data(data=request.body))
            self._send(h11.EndOfMessage())
            await self._drained()
            async with asyncio.timeout(self._stall):
                return await self._response()
        answering = asyncio.ensure_future(self._response())
        sending = asyncio.ensure_future(self._send_stream(request.body))
        try:
            await asyncio.wait({answering, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await sending
            async with asyncio.timeout(self._commit):
                return await answering
        finally:
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
        for part in self._protocol.send_with_data_passthrough(event) or ():
            self._writer.write(part)

    async def _send_stream(self, body: AsyncIterable[bytes]) -> None:
        async with aclosing(_guarded(body)) as pieces:
            async for piece in pieces:
                self._send(h11.Data(data=piece))
                if not await self._drained():
                    return
        self._send(h11.EndOfMessage())
        await self._drained()

    async def _drained(self) -> bool:
        """Wait until what was written is nearly sent; return whether the other end still reads."""
        try:
            async with asyncio.timeout(self._stall):
                await self._writer.drain()
        except ConnectionError:
            # A server that refuses a body closes; why, is in the answer that it sent before.
            return False
        return True

    async def _response(self) -> tuple[int, Headers]:
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event.status_code, Headers(event.headers.raw_items())

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer's body as it arrives."""
        while True:
            async with asyncio.timeout(self._stall):
                event = await self._event()
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)

    async def _event(self) -> h11.Event | type[h11.PAUSED | h11.NEED_DATA]:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self._reader.read(PIECE)
            if not data and self._protocol.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError("it was closed without an answer")
            self._protocol.receive_data(data)

    def finish(self) -> bool:
        """End the exchange; return whether the connection can be used again."""
        try:
            # What is left of a short body came with its head.
            while isinstance(self._protocol.next_event(), h11.Data):
                pass
            self._protocol.start_next_cycle()
        except h11.ProtocolError:
            return False
        return True

    @property
    def alive(self) -> bool:
        """Whether the other end has neither closed an idle connection nor spoken unasked."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def close(self) -> None:
        """Close at once, whatever is under way, and return when the socket is gone."""
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


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


async def connect(
    url: str, unix: str | None, connect_seconds: float, proxy: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return an open connection to the server of `url`, or to the proxy in between; no TLS yet."""
    async with asyncio.timeout(connect_seconds):
        if unix:
            return await asyncio.open_unix_connection(unix, limit=2 * PIECE)
        parts = urlsplit(proxy or url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        # A name may have an IPv6 address that leads nowhere (RFC 8305); an address is what it is.
        literal = ":" in host or host[-1:].isdecimal()
        delay = None if literal else 0.25
        return await asyncio.open_connection(
            host, port, limit=2 * PIECE, happy_eyeballs_delay=delay
        )


@asynccontextmanager
async def aborted_on_error(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection at once where what is done with it fails or is cancelled."""
    try:
        yield
    except BaseException:
        writer.transport.abort()
        raise
