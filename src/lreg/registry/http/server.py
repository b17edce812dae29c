"""Listening sockets and the connections they bring; an orderly end of both."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import TYPE_CHECKING, TypeVar

from lreg.registry.http.body import Body
from lreg.registry.http.connection import Connection
from lreg.registry.http.tls import ServerLayer

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Mapping
    from concurrent.futures import Executor
    from typing import Any

    from lreg.registry.http.messages import Application, Endpoint
    from lreg.registry.http.sessions import TlsContext

log = logging.getLogger(__name__)

T = TypeVar("T")

# Bodies on their way in and out at the same instant; more of them take turns. Receivers wait for
# the disk. Senders mostly don't: with 16 downloads, 4 threads on 2 cores sent a quarter more than
# 24, for two thirds of the processor time, since what they work on stays in the cores' caches.
_RECEIVERS = 24
_SENDERS = max(4, 2 * (os.cpu_count() or 1))
# Encrypting is all work: more threads than cores only hand the interpreter to and fro.
_SEALERS = max(2, os.cpu_count() or 1)
_SWEEP_EVERY = 1.0
_FAREWELL, _MOMENT = 2.0, 0.25
_BACKLOG = 1024
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class HttpServer:
    """Serves one application on any number of sockets.

    Attributes:
        connections: those that are open.
        stopping: whether no more requests are taken.
        date: the Date header's value (RFC 9110, 6.6.1), renewed every second.
        no_body: the body of every request that has none.
    """

    def __init__(self, application: Application) -> None:
        """Serve `application`; to be made inside of a running event loop."""
        self.application = application
        self.loop = asyncio.get_running_loop()
        self.receivers: Executor = ThreadPoolExecutor(_RECEIVERS, thread_name_prefix="receive")
        self.senders: Executor = ThreadPoolExecutor(_SENDERS, thread_name_prefix="send")
        self.sealers: Executor = ThreadPoolExecutor(_SEALERS, thread_name_prefix="seal")
        self.connections: set[Connection] = set()
        self._greeting: dict[ServerLayer, None] = {}
        self.stopping = False
        self.date = formatdate(usegmt=True)
        self.no_body = Body(0, self.receivers, begin=_nothing, progress=_nothing, pause=_nothing)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper = self.loop.create_task(self._sweep())
        self._made_room = -_SWEEP_EVERY
        self.loop.set_exception_handler(self._note)

    async def listen(
        self, sock: socket.socket, endpoint: Endpoint, context: TlsContext | None
    ) -> None:
        """Accept connections on a bound socket, encrypted where there is a context."""

        def protocol() -> asyncio.BufferedProtocol:
            connection = Connection(self, endpoint)
            return ServerLayer(context, connection, self._greeting) if context else connection

        server = await self.loop.create_server(protocol, sock=sock, backlog=_BACKLOG)
        self._servers.append(server)

    def spawn(self, exchange: Coroutine[object, object, None]) -> None:
        """Run an exchange to its end, whatever becomes of its connection."""
        task = self.loop.create_task(exchange)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace: float) -> None:
        """Refuse new connections, let what is under way finish, then drop the rest.

        Args:
            grace: how many seconds the requests under way have.
        """
        self.stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.stop()
        deadline = self.loop.time() + grace
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        # Responses given at once, without a task, may still lie in a buffer. Those that don't only
        # wait for the client's farewell (TLS), which an idle one may never send.
        farewell = min(self.loop.time() + _FAREWELL, deadline)
        while self.connections and (now := self.loop.time()) < deadline:
            if now > farewell and all(each.is_flushed for each in self.connections):
                break
            await asyncio.sleep(0.05)
        for connection in tuple(self.connections):
            log.warning("connection.dropped", extra={"grace": grace})
            connection.abort()
        await self._end_exchanges()
        self._sweeper.cancel()
        for executor in (self.receivers, self.senders, self.sealers):
            executor.shutdown(wait=False, cancel_futures=True)

    def hurry(self) -> None:
        """Drop what is still under way: let `close` wait for nothing more."""
        for connection in tuple(self.connections):
            connection.abort()
        for task in self._tasks:
            task.cancel("the registry is stopped at once")

    async def _end_exchanges(self) -> None:
        """End what still runs, its connections being gone."""
        # Who waits for a client finds out by itself, and ends in order; who waits for us does not.
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_MOMENT)
        for task in self._tasks:
            task.cancel("the registry stopped")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _sweep(self) -> None:
        """Drop connections that have been still for too long; renew the date."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            self.date = formatdate(usegmt=True)
            now = self.loop.time()
            for connection in tuple(self.connections):
                if connection.is_stalled(now):
                    connection.abort()

    def _note(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Take what asyncio has to tell; it tells of every connection that it can't accept."""
        error = context.get("exception")
        if self.stopping and "_start_serving" in str(context.get("message")):
            return  # it wants to accept again, on a socket that is closed by now
        if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
            loop.default_exception_handler(dict(context))
        elif loop.time() - self._made_room >= _SWEEP_EVERY:
            self._made_room = loop.time()
            self._make_room(error)

    def _make_room(self, error: OSError) -> None:
        """Close half of the connections that nothing is asked on (RFC 9112, 9.5), idle longest."""
        idle = sorted(
            (each for each in self.connections if each.is_idle), key=lambda one: one.since
        )
        dropped: list[Connection | ServerLayer] = [
            *_older_half(idle),
            *_older_half(list(self._greeting)),
        ]
        opened = len(self.connections) + len(self._greeting)
        extra = {"open": opened, "dropped": len(dropped), "error": str(error)}
        log.error("connections.too_many", extra=extra)
        for connection in dropped:
            connection.abort()


def _older_half(several: list[T]) -> list[T]:
    return several[: (len(several) + 1) // 2]


def _nothing(*_: object) -> None:
    """Do what a body that is not there asks for."""
