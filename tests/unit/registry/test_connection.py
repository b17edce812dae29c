"""The HTTP engine over real sockets, with a small application instead of the registry."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BadRequest, TransferBroken
from lreg.registry.http import connection
from lreg.registry.http.messages import Endpoint, FileSlice, Request, Response
from lreg.registry.http.server import HttpServer
from tests.support.processes import in_time

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from lreg.registry.http.sessions import TlsContext

Handler = Callable[[Request], Response | Awaitable[Response]]


class App:
    """Answers by one function and remembers what was finished."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.done: list[tuple[int, int]] = []

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answer."""
        return self.handler(request)

    def finished(self, request: Request, response: Response, sent: int) -> None:
        """Remember."""
        self.done.append((response.status, sent))


@asynccontextmanager
async def serving(
    handler: Handler, context: TlsContext | None = None
) -> AsyncIterator[tuple[HttpServer, App, int]]:
    app = App(handler)
    server = HttpServer(app)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    endpoint = Endpoint("https://test" if context else "http://test", bool(context), trusted=True)
    await server.listen(sock, endpoint, context)
    try:
        yield server, app, port
    finally:
        await server.close(1)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def talk(port: int, data: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send `data` and return all that comes back until the server closes."""
    async with connected(port, context) as (reader, writer):
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)


def hello(request: Request) -> Response:
    return Response(200, {"X-Path": request.path}, (b"hello",))


async def digest_body(request: Request) -> Response:
    seen = hashlib.sha256()
    try:
        await request.body.pump(seen.update)
    except (TransferBroken, BadRequest) as error:
        return Response(400, {}, (str(error).encode(),))
    return Response(201, {}, (seen.hexdigest().encode(),))


GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


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


def file_app(path: Path, parts: list[tuple[int, int]]) -> Handler:
    def handler(request: Request) -> Response:
        fd = os.open(path, os.O_RDONLY)
        body = tuple(FileSlice(fd, start, size) for start, size in parts)
        return Response(200, {}, (b"[", *body, b"]"), release=lambda: os.close(fd))

    return handler


async def test_files_and_bytes_go_out_in_order(tmp_path: Path) -> None:
    """A body made of bytes and parts of files arrives in its order."""
    content = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(content)
    handler = file_app(tmp_path / "f", [(10, 100_000), (1 << 20, 2 << 20)])
    async with serving(handler) as (_, app, port):
        answer = await talk(port, LAST)
        body = answer.partition(b"\r\n\r\n")[2]
        assert body == b"[" + content[10:100_010] + content[1 << 20 :] + b"]"
        await in_time(lambda: app.done == [(200, len(body))])


async def test_a_slow_reader_gets_everything_and_holds_nobody(tmp_path: Path) -> None:
    """A client that reads slowly is waited for, while others are served."""
    content = os.urandom(12 << 20)
    (tmp_path / "f").write_bytes(content)
    files = file_app(tmp_path / "f", [(0, len(content))])
    async with serving(lambda r: files(r) if r.path == "/last" else hello(r)) as (_, _, port):
        async with connected(port) as (reader, writer):
            writer.write(LAST)
            await asyncio.sleep(0.3)
            small = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"x"
            assert b"hello" in await asyncio.wait_for(talk(port, small), 20)
            answer = await reader.read()
        assert answer.partition(b"\r\n\r\n")[2] == b"[" + content + b"]"


async def test_a_file_that_has_shrunk_closes_the_connection(tmp_path: Path) -> None:
    """A client never waits for bytes that are gone: what is there comes, then the end."""
    (tmp_path / "f").write_bytes(b"x" * 1000)
    async with serving(file_app(tmp_path / "f", [(0, 3000)])) as (_, _, port):
        answer = await talk(port, LAST)
    assert answer.partition(b"\r\n\r\n")[2] == b"[" + b"x" * 1000


async def test_files_go_out_where_pipes_are_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user whose pipes may hold no more pages (pipe(7)) serves as well, if slower."""

    def refused(*_: object) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("lreg.registry.http.transfer.fcntl.fcntl", refused)
    content = os.urandom(2 << 20)
    (tmp_path / "f").write_bytes(content)
    async with serving(file_app(tmp_path / "f", [(1, len(content) - 1)])) as (_, _, port):
        answer = await talk(port, LAST)
    assert answer.partition(b"\r\n\r\n")[2] == b"[" + content[1:] + b"]"


async def test_leaving_in_the_middle_of_a_file_frees_it(tmp_path: Path) -> None:
    """A client that leaves a download costs nothing afterwards: its file is closed."""
    (tmp_path / "f").write_bytes(bytes(32 << 20))
    released = asyncio.Event()

    def handler(request: Request) -> Response:
        fd = os.open(tmp_path / "f", os.O_RDONLY)

        def release() -> None:
            os.close(fd)
            released.set()

        return Response(200, {}, (FileSlice(fd, 0, 32 << 20),), release=release)

    async with serving(handler) as (_, _, port):
        async with connected(port) as (reader, writer):
            writer.write(LAST)
            await reader.read(1000)
            writer.transport.abort()
        await asyncio.wait_for(released.wait(), 20)


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
