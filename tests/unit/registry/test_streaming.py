"""Bodies that are still being made when their response begins."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from lreg.errors import TransferBroken
from lreg.registry.http.messages import FileSlice, Response
from tests.support.processes import in_time
from tests.unit.registry.serving import connected, serving, talk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable
    from pathlib import Path

    from lreg.registry.http.messages import Request

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Growing:
    """A file that grows, or ends in an error."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.size = 0
        self.broken = False
        self._change = asyncio.Event()

    def add(self, data: bytes) -> None:
        """Append."""
        os.pwrite(self.fd, data, self.size)
        self.size += len(data)
        self._change.set()

    def fail(self) -> None:
        """Let it never be whole."""
        self.broken = True
        self._change.set()

    async def reach(self, offset: int) -> int:
        """Return how far it reaches beyond `offset`."""
        while self.size <= offset:
            if self.broken:
                raise TransferBroken("it will never come")
            self._change.clear()
            await self._change.wait()
        return self.size


def file_of(growing: Growing, offset: int, size: int) -> Response:
    return Response(200, {}, (FileSlice(growing.fd, offset, size, growing.reach),))


async def test_a_reader_follows_a_growing_file(tmp_path: Path) -> None:
    """What is there goes out at once, and what comes later follows, from any offset."""
    growing = Growing(tmp_path / "file")
    growing.add(b"0123")
    async with (
        serving(lambda _: file_of(growing, 2, 8)) as (_, _, port),
        connected(port) as (reader, writer),
    ):
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 8\r\n" in head
        assert await reader.readexactly(2) == b"23"
        growing.add(b"456")
        assert await reader.readexactly(3) == b"456"
        growing.add(b"789")
        assert await reader.read() == b"789"


async def test_a_file_that_breaks_off_closes_the_connection(tmp_path: Path) -> None:
    """A client never takes a part for the whole: the connection ends before Content-Length."""
    growing = Growing(tmp_path / "file")
    growing.add(b"0123")
    async with serving(lambda _: file_of(growing, 0, 8)) as (_, app, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"0123")
            growing.fail()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(4)
        await in_time(lambda: app.done == [(200, 4)])


async def test_a_client_that_leaves_is_not_waited_for(tmp_path: Path) -> None:
    """A reader that hangs up is let go as soon as that can be known, its file closed."""
    growing = Growing(tmp_path / "file")
    released = asyncio.Event()

    def handler(_: Request) -> Response:
        response = file_of(growing, 0, 8)
        response.release = released.set
        return response

    async with serving(handler) as (_, _, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
        # It may have closed its half only: what becomes of more bytes tells.
        growing.add(b"0123")
        await asyncio.sleep(0.1)
        growing.add(b"4567")
        await asyncio.wait_for(released.wait(), 20)


async def test_pieces_of_unknown_length_go_out_in_chunks() -> None:
    """An answer that is still being made is sent as it is made, and its end is told."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        yield b""
        await asyncio.sleep(0)
        yield b"two\n"

    async with serving(lambda _: Response(200, {}, (pieces(),))) as (_, _, port):
        head, _, body = (await talk(port, GET)).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert body == b"4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"


async def test_http_1_0_gets_the_pieces_alone() -> None:
    """A client of HTTP/1.0, which knows no chunks, gets the body as it is, until the close."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        yield b"two\n"

    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    async with serving(lambda _: Response(200, {}, (pieces(),))) as (_, app, port):
        head, _, body = (await talk(port, old)).partition(b"\r\n\r\n")
        await in_time(lambda: app.done == [(200, 8)])
    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head
    assert body == b"one\ntwo\n"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyError("a bug")])
async def test_a_body_that_fails_ends_the_connection(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong while a body is made is logged, and the client sees that it is not whole."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        raise error

    async with serving(lambda _: Response(200, {}, (pieces(),))) as (server, app, port):
        async with connected(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            await reader.readuntil(b"\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 20)
        await in_time(lambda: app.done == [(200, 4)] and not server.connections)
    assert "request.failed" in caplog.text
    assert "Traceback" in caplog.text


async def test_what_was_waited_for_is_given_up() -> None:
    """Where the work that an answer waits for is cancelled, the client is told; nothing hangs."""

    async def handler(_: Request) -> Response:
        raise asyncio.CancelledError

    async with serving(handler) as (_, _, port):
        assert (await talk(port, GET)).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("stays", [True, False])
async def test_a_stop_takes_its_grace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stays: bool
) -> None:
    """A stop waits its grace for what never comes, whether its client is there, and no longer."""
    growing, entered = Growing(tmp_path / "file"), asyncio.Event()
    growing.add(b"0123")

    async def never(request: Request) -> Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    def handler(request: Request) -> Response | Awaitable[Response]:
        return never(request) if request.path == "/never" else file_of(growing, 0, 8)

    async with (
        serving(handler) as (server, app, port),
        connected(port) as (_, first),
        connected(port) as (reader, second),
    ):
        first.write(GET.replace(b"/ ", b"/never ", 1))
        second.write(GET)
        await reader.readuntil(b"0123")
        await entered.wait()
        if not stays:
            first.transport.abort()
        begin = asyncio.get_running_loop().time()
        await server.close(0.5)
        assert asyncio.get_running_loop().time() - begin < 20
        assert sorted(app.done) == [(200, 4), (503, 0)]
        await asyncio.sleep(0)
    assert "Task" not in caplog.text


async def test_a_stop_does_not_wait_for_who_left(tmp_path: Path) -> None:
    """A client that leaves during a stop, in the middle of what is not all here, ends its wait."""
    growing = Growing(tmp_path / "file")
    growing.add(b"0123")
    async with serving(lambda _: file_of(growing, 0, 8)) as (server, app, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"0123")
            closing = asyncio.create_task(server.close(60))
            await asyncio.sleep(0)
        await asyncio.wait_for(closing, 20)
        assert app.done == [(200, 4)]
