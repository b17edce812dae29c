"""A small HTTP/1.1 server whose every answer a script can spoil."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from tests.fakes.faults import Fault, Reply, Script, Seen
from tests.fakes.sending import send
from tests.support.processes import free_port, in_time

if TYPE_CHECKING:
    import ssl

_GONE = (ConnectionError, asyncio.IncompleteReadError)


class ScriptedServer:
    """An async context manager; subclasses say what `answer` is.

    Args:
        host: an address of this machine; 127.0.0.2 is another host than 127.0.0.1.
        tls: the context to speak TLS with, or None.

    Attributes:
        script: what goes wrong.
        seen: every request, in the order in which their answers began.
        sent: how many bytes of bodies were written.
        links: how many connections were accepted.
        port: one that was free; kept when it is left and entered again.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.script = Script()
        self.seen: list[Seen] = []
        self.sent = 0
        self.port = 0
        self._host = host
        self._tls = tls
        self.links = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def host(self) -> str:
        """What a reference begins with: `127.0.0.1:41234`."""
        return f"{self._host}:{self.port}"

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    async def __aenter__(self) -> Self:
        self.port = self.port or free_port(self._host)
        self._server = await asyncio.start_server(
            self._connected, self._host, self.port, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go away: every connection is closed, the port refuses."""
        if self._server:
            server, self._server = self._server, None
            # asyncio leaks what it accepts in the moment of closing: accept no more, then close.
            for sock in server.sockets:
                asyncio.get_running_loop().remove_reader(sock.fileno())
            await self._hang_up()
            server.close()
            await server.wait_closed()

    async def _hang_up(self) -> None:
        """Close every connection, those that were just accepted as well."""
        for _turn in range(5):
            await asyncio.sleep(0)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def requests(self, method: str, part: str = "") -> list[Seen]:
        """Return what was asked by `method` of targets that contain `part`."""
        return [one for one in self.seen if one.method == method and part in one.target]

    async def answer(self, seen: Seen, fault: Fault) -> Reply:
        """Return the answer to a request."""
        raise NotImplementedError

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.links = self.links, self.links + 1
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(*_GONE):
                while await self._exchange(reader, writer, number):
                    pass
        except asyncio.CancelledError:
            pass  # the server goes away
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        """Serve one request; return whether another may follow on this connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        fault = self.script.next(method, target)
        length = int(headers.get("content-length", "0"))
        if fault.deaf:
            length = 0
        if fault.drop_upload_after is not None:
            await reader.readexactly(min(length, fault.drop_upload_after))
            return False
        body = await reader.readexactly(length)
        seen = Seen(method, target, headers, body, number, asyncio.get_running_loop().time())
        self.seen.append(seen)
        await asyncio.sleep(fault.delay)
        if fault.until:
            await in_time(fault.until.is_set, 600)
        if fault.hang_up:
            return False
        reply = fault.reply or await self.answer(seen, fault)
        seen.told.status = reply.status
        whole = await send(writer, method, reply, fault, lambda size: self._count(seen, size))
        if fault.stall_after is not None or fault.deaf:
            # Returns when the client hangs up.
            while await reader.read(1 << 20):
                pass
            return False
        return whole

    def _count(self, seen: Seen, size: int) -> None:
        self.sent += size
        now = asyncio.get_running_loop().time()
        seen.told.sent += size
        seen.told.first = seen.told.first or now
        seen.told.last = now
