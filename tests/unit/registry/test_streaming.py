"""Bodies that are still being made when their response begins."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from lreg.errors import TransferBroken
from lreg.registry.http.messages import FileSlice, Response
from tests.unit.registry.test_connection import connected, serving, talk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
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
        asyncio.get_running_loop().call_later(0.1, growing.fail)
        async with connected(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(8)
        assert app.done == [(200, 4)]


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
        await asyncio.wait_for(released.wait(), 5)


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
