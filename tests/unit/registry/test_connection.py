"""Requests and answers over real sockets: their order, their ends, what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.registry.http import connection
from tests.support.processes import in_time
from tests.unit.registry.serving import GET, LAST, connected, digest_body, hello, serving, talk

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lreg.registry.http.messages import Request, Response


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent in one go are answered one after the other on the same connection."""
    async with serving(hello) as (_, app, port):
        answer = await talk(port, GET % b"a" + b"\r\n" + GET % b"b" + LAST)
        assert [answer.find(path) for path in (b"/a", b"/b", b"/last")] == sorted(
            answer.find(path) for path in (b"/a", b"/b", b"/last")
        )
        await in_time(lambda: app.done == [(200, 5)] * 3)


async def test_slow_answers_keep_the_order() -> None:
    """A request that has to wait holds back those that came behind it."""

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return hello(request)

    def handler(request: Request) -> Response | Awaitable[Response]:
        return slow(request) if request.path == "/slow" else hello(request)

    async with serving(handler) as (_, _, port):
        answer = await talk(port, GET % b"slow" + LAST)
        assert 0 < answer.find(b"/slow") < answer.find(b"/last")


async def test_head_has_the_length_and_no_body() -> None:
    """HEAD tells what GET would send."""
    async with serving(hello) as (_, _, port):
        answer = await talk(port, b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert b"Content-Length: 5" in answer
        assert answer.endswith(b"\r\n\r\n")


async def test_tls_on_a_plain_port_gets_a_400_line() -> None:
    """A client such as containerd falls back to HTTP only after an HTTP/1.1 400 line."""
    async with serving(hello) as (_, _, port):
        answer = await talk(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_oversized_heads_are_refused() -> None:
    """A head without an end costs 64 KiB, not all memory."""
    async with serving(hello) as (_, _, port):
        answer = await talk(port, b"GET / HTTP/1.1\r\nA: " + b"a" * (64 << 10))
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_bug_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a handler is answered with 500 and logged with its traceback; nothing hangs."""

    async def later(request: Request) -> Response:
        raise RuntimeError("boom")

    def handler(request: Request) -> Response | Awaitable[Response]:
        if request.path == "/now":
            raise RuntimeError("boom")
        return later(request)

    async with serving(handler) as (_, _, port):
        answer = await talk(port, GET % b"now" + LAST)
        assert answer.count(b"HTTP/1.1 500 ") == 2
    assert caplog.text.count("boom") >= 2


async def test_stop_lets_running_requests_finish() -> None:
    """At a stop, what is under way is answered; idle connections close; new ones are refused."""
    entered = asyncio.Event()

    async def slow(request: Request) -> Response:
        entered.set()
        await asyncio.sleep(0.2)
        return hello(request)

    async with serving(slow) as (server, _, port), connected(port) as (idle, _):
        running = asyncio.create_task(talk(port, GET % b"x"))
        await entered.wait()
        await server.close(5)
        assert b"hello" in await running
        assert b"Connection: close" in running.result()
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection("127.0.0.1", port)
        assert await idle.read() == b""


async def test_only_a_client_can_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stops in its body is dropped; one that waits for us is not."""
    monkeypatch.setattr(connection, "_STALL_TIME", 0.2)

    async def handler(request: Request) -> Response:
        if request.method == "GET":
            await asyncio.sleep(1.6)  # longer than patience and a sweep
            return hello(request)
        return await digest_body(request)

    async with serving(handler) as (_, app, port), connected(port) as (reader, writer):
        waiting = asyncio.create_task(talk(port, LAST))
        writer.write(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        assert b"hello" in await waiting
        assert (400, 0) in app.done
