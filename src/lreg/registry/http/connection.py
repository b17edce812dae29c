"""One connection: requests in, responses out, in order (RFC 9112).

Most answers lie in memory and go out in the same turn of the loop that the request came in; the
others get a task. Bodies go through threads in both directions (body.py, transfer.py).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from lreg.errors import BadRequest, TransferBroken
from lreg.registry.http.answers import GIVEN_UP, begun, log_bug, settled
from lreg.registry.http.incoming import Incoming
from lreg.registry.http.messages import Request, Response, encode_head
from lreg.registry.http.parser import parse_head
from lreg.registry.http.sending import Outgoing
from lreg.tls import TlsLayer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine
    from concurrent.futures import Executor

    from lreg.registry.http.body import Body
    from lreg.registry.http.messages import Application, Endpoint

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Seconds that a client may take: for its first head, between requests, without any progress of a
# body, and for the rest of a body that nobody wants (closing at once would reset the connection
# and lose the response).
_HEAD_TIME, _IDLE_TIME, _STALL_TIME, _LINGER_TIME = 30.0, 120.0, 60.0, 5.0


class Service(Protocol):
    """What connections share: their server, as far as they need it.

    Attributes:
        application: what answers.
        loop: the event loop.
        receivers: the threads that take bodies in.
        senders: the threads that send files as they are.
        sealers: the threads that encrypt and send them.
        connections: those that are open.
        stopping: whether no more requests are taken.
        date: the Date header's value.
        no_body: the body of every request that has none.
    """

    application: Application
    loop: asyncio.AbstractEventLoop
    receivers: Executor
    senders: Executor
    sealers: Executor
    connections: set[Connection]
    stopping: bool
    date: str
    no_body: Body

    def spawn(self, exchange: Coroutine[object, object, None]) -> None:
        """Run an exchange to its end, whatever becomes of its connection."""


class Connection(asyncio.BufferedProtocol):
    """The server's end of one connection.

    Attributes:
        since: when the client last did something, or its turn began, by the loop's clock.
    """

    def __init__(self, service: Service, endpoint: Endpoint) -> None:
        """Serve a client that came in at `endpoint`."""
        self._service = service
        self._endpoint = endpoint
        self._loop = service.loop
        self._busy = self._closing = self._heard_all = self._lost = False
        self._sending = False
        self._patience = _HEAD_TIME
        self._progress()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen to the client."""
        self._transport = cast("asyncio.Transport", transport)
        service, is_sealed = self._service, isinstance(transport, TlsLayer)
        self._incoming = Incoming(self._transport, service.receivers, self._progress)
        self._outgoing = Outgoing(
            self._transport, service.sealers if is_sealed else service.senders
        )
        peer = transport.get_extra_info("peername")
        self._peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix"
        self._server_name: str = transport.get_extra_info("server_name", "")
        self._service.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes belong."""
        return self._incoming.buffer()

    def buffer_updated(self, count: int) -> None:
        """Take the bytes that came."""
        if not self._incoming.arrived(count):
            return
        if self._busy:
            # A pipelining client is answered in order; it waits where it sends too much.
            self._incoming.pause_if_full()
        else:
            self._answer_all()

    def eof_received(self) -> bool:
        """End the connection, unless an answer is still owed to a client that only listens."""
        self._incoming.break_body(TransferBroken("the client hung up before the end of its body"))
        self._closing = self._heard_all = True
        return self._busy and not self._endpoint.tls

    def connection_lost(self, error: Exception | None) -> None:
        """Wake everyone who waits for this client."""
        self._lost = self._closing = True
        self._incoming.lose()
        self._outgoing.lose()
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        """Make the next writer wait until what was written is out."""
        self._outgoing.pause()

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._outgoing.resume()

    # The server's side.

    def is_stalled(self, now: float) -> bool:
        """Return whether the client has let us wait for too long; `now` is the loop's time.

        However long our own side takes, a slow disk say, is not the client's fault.
        """
        if self._service.stopping and self._is_abandoned:
            return True
        theirs = self._sending and not self._outgoing.waits_for_us
        body = self._incoming.body
        ours = self._busy and not theirs and not (body and body.awaited)
        return not ours and self.since + self._patience < now

    def stop(self) -> None:
        """Take no more requests: close now, or after the response that is under way."""
        self._closing = True
        if not self._busy:
            self._transport.close()
        elif self._is_abandoned:
            self.abort()

    @property
    def _is_abandoned(self) -> bool:
        """Whether the client has most likely hung up; while a stop waits nobody finds out."""
        return self._busy and self._heard_all and self._outgoing.waits_for_us

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked on it."""
        return not self._busy

    @property
    def is_flushed(self) -> bool:
        """Whether nothing is left to send of what was answered."""
        return not self._busy and self._transport.get_write_buffer_size() == 0

    def abort(self) -> None:
        """Drop the client, whatever it is in the middle of."""
        self._closing = True
        self._incoming.break_body(TransferBroken("the client stalled before the end of its body"))
        if self._lost:
            return
        # A thread may be sending over a duplicate of the socket: closing one would not end it.
        with suppress(OSError):
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._transport.abort()

    def _progress(self) -> None:
        """Note that the client just did something, or that it is its turn from now on."""
        self.since = self._loop.time()

    # Requests.

    def _answer_all(self) -> None:
        """Answer every request that is here whole, until one has to wait."""
        try:
            while not self._busy and not self._closing and (head := self._incoming.next_head()):
                self._begin(head)
        except BadRequest as error:
            self._refuse(error)

    def _begin(self, data: bytearray) -> None:
        """Answer the request whose head is `data`, at once or in a task.

        Raises:
            BadRequest: it is no request.
        """
        head = parse_head(data)
        self._busy, self._patience = True, _STALL_TIME
        self._closing = self._closing or not head.keep_alive
        body = self._service.no_body
        if head.length != 0:
            before = self._send_continue if head.expects_continue else self._progress
            body = self._incoming.begin_body(head, before)
        request = Request(
            head.method,
            head.path,
            head.query,
            head.headers,
            body,
            self._peer,
            self._endpoint,
            self._loop.time(),
            head.takes_chunks,
            self._server_name,
        )
        answer = begun(self._service.application, request)
        if isinstance(answer, Response) and answer.in_memory:
            self._finish(request, answer, self._write(request, answer))
        else:
            self._service.spawn(self._exchange(request, answer))

    def _send_continue(self) -> None:
        self._progress()
        if (body := self._incoming.body) and not body.received:
            self._outgoing.write(_CONTINUE)

    def _refuse(self, error: BadRequest) -> None:
        """Answer something that is not a request, and close."""
        self._closing = True
        text = f"{error}\n".encode()
        response = Response(error.status, {"Content-Type": "text/plain; charset=utf-8"}, (text,))
        self._outgoing.write(encode_head(response, self._service.date, close=True), response)
        self._linger()

    # Responses.

    async def _exchange(self, request: Request, answer: Response | Awaitable[Response]) -> None:
        """Send an answer that has to be waited for, or whose body is in files."""
        response = await settled(request, answer)
        sent = 0

        def progress(count: int) -> None:
            nonlocal sent
            sent += count
            self._progress()

        try:
            sent = self._write(request, response)
            self._sending = True
            self._progress()
            if request.method != "HEAD":
                await self._outgoing.send_rest(response, progress, chunks=request.takes_chunks)
        except (TransferBroken, asyncio.CancelledError) as error:
            response.fields["broken"] = str(error) or GIVEN_UP
            self.abort()
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest will never come
            log_bug(request)
            response.fields["broken"] = repr(error)
            self.abort()
        finally:
            self._sending = False
            if response.release:
                response.release()
        self._finish(request, response, sent)
        if not self._lost:
            self._transport.resume_reading()
            self._answer_all()

    def _write(self, request: Request, response: Response) -> int:
        """Write the head and what of the body is in memory before any file; return its length."""
        self._closing = self._closing or self._service.stopping or not request.body.complete
        head = encode_head(
            response, self._service.date, close=self._closing, chunks=request.takes_chunks
        )
        return self._outgoing.write(head, None if request.method == "HEAD" else response)

    def _finish(self, request: Request, response: Response, sent: int) -> None:
        """Note the end of an exchange and make ready for the next, or close."""
        self._service.application.finished(request, response, sent)
        self._busy, self._incoming.body = False, None
        self._patience = _IDLE_TIME
        self._progress()
        if self._lost:
            return
        if not request.body.complete:
            self._linger()
        elif self._closing:
            self._transport.close()

    def _linger(self) -> None:
        """Close once the client has seen the response, whatever it still sends."""
        self._patience = _LINGER_TIME
        self._progress()
        if self._heard_all or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._incoming.discard()
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection
            self._transport.abort()
