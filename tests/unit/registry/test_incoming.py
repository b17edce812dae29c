"""Requests' bodies over real sockets: whole, late, refused, broken off."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from lreg.errors import TransferBroken
from lreg.registry.http.messages import Request, Response
from tests.unit.registry.serving import GET, LAST, connected, digest_body, hello, serving, talk


@pytest.mark.parametrize("size", [1, 65_536, 1 << 20, (5 << 20) + 3])
async def test_bodies_arrive_whole(size: int) -> None:
    """A body of any length arrives unchanged, and the next request behind it is understood."""
    content = os.urandom(size)
    put = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    async with serving(lambda r: digest_body(r) if r.method == "PUT" else hello(r)) as (_, _, port):
        answer = await talk(port, put + content + LAST)
        assert hashlib.sha256(content).hexdigest().encode() in answer
        assert b"/last" in answer


@pytest.mark.parametrize("size", [900_000, (1 << 20) + 1, 7 << 20])
async def test_bodies_wait_for_their_reader(size: int) -> None:
    """What arrives before a handler reads its body (a login takes a while) is not lost."""
    content = os.urandom(size)

    async def late(request: Request) -> Response:
        await asyncio.sleep(0.2)
        return await digest_body(request)

    put = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    async with serving(lambda r: late(r) if r.method == "PUT" else hello(r)) as (_, _, port):
        answer = await talk(port, put + content + LAST)
        assert hashlib.sha256(content).hexdigest().encode() in answer
        assert b"/last" in answer


async def test_chunked_bodies_arrive_whole() -> None:
    """A body of unknown length does too."""
    content = os.urandom(3 << 20)
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (content[i : i + 70_001] for i in range(0, len(content), 70_001))
    )
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(lambda r: digest_body(r) if r.method == "PUT" else hello(r)) as (_, _, port):
        answer = await talk(port, head + chunks + b"0\r\n\r\n" + LAST)
        assert hashlib.sha256(content).hexdigest().encode() in answer
        assert b"/last" in answer


async def test_malformed_chunks_are_the_readers_error() -> None:
    """A broken chunk is told to whoever reads the body, and ends the connection."""
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(digest_body) as (_, _, port):
        answer = await talk(port, head + b"zz\r\n" + GET % b"smuggled")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"smuggled" not in answer


async def test_continue_is_sent_when_the_body_is_wanted() -> None:
    """A client that waits for 100 Continue gets it before it sends, and only if it is to send."""
    head = b"PUT /%s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with (
        serving(lambda r: digest_body(r) if r.path == "/yes" else hello(r)) as (_, _, port),
        connected(port) as (reader, writer),
    ):
        writer.write(head % b"yes")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
        assert (await talk(port, head % b"no")).startswith(b"HTTP/1.1 200 ")


async def test_an_unread_body_does_not_lose_the_answer() -> None:
    """A client that is refused while it sends a large body reads the refusal, not a reset."""
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n"
    async with (
        serving(lambda _: Response(401, {}, (b"no",))) as (_, _, port),
        connected(port) as (reader, writer),
    ):
        writer.write(head + bytes(8_000_000))
        answer = await asyncio.wait_for(reader.read(), 20)
        assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_client_that_hangs_up_breaks_its_body_only() -> None:
    """What came before a hang-up reaches the reader, who is told that it was not all."""
    seen: list[int] = []
    broken = asyncio.Event()

    async def reader(request: Request) -> Response:
        try:
            await request.body.pump(lambda piece: seen.append(len(piece)))
        except TransferBroken:
            broken.set()
            raise
        return Response(200)

    async def guarded(request: Request) -> Response:
        try:
            return await reader(request)
        except TransferBroken:
            return Response(499)

    async with serving(guarded) as (_, _, port):
        async with connected(port) as (_, writer):
            head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"
            writer.write(head + b"x" * 40)
            await writer.drain()
        await asyncio.wait_for(broken.wait(), 20)
        assert sum(seen) == 40
        assert (await talk(port, LAST)).startswith(b"HTTP/1.1 200 ")
