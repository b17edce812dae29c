"""Files and bytes as answers, over real sockets."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from lreg.registry.http.messages import FileSlice, Request, Response
from tests.support.processes import in_time
from tests.unit.registry.serving import GET, LAST, connected, file_app, hello, serving, talk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
