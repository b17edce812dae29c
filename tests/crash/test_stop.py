"""SIGTERM: what is under way finishes, nothing new begins, the exit code is 0."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, noise, sha256
from tests.support.processes import listens
from tests.support.raw import dial, get, read_all, read_head
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.registries import Running

    Start = Callable[..., Running]

LARGE = noise(32 << 20, "large")
DATA = noise(1 << 20, "data")


@pytest.fixture(params=["http", "tls"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a lreg with these options, over plain HTTP or TLS."""
    started = []

    def starts(*options: str) -> Running:
        started.append(start_lreg(tmp_path, *options, tls=request.param == "tls"))
        return started[-1]

    yield starts
    for each in started:
        each.process.kill()


def is_refused(registry: Running) -> bool:
    """Return whether new connections are refused within twenty seconds."""
    port = int(registry.url.rpartition(":")[2])
    deadline = time.monotonic() + 20
    while listens(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_download_finishes(start: Start) -> None:
    """A download that is under way comes to its end, new connections are refused meanwhile."""
    registry = start()
    with registry.wire() as wire:
        wire.push_blob("a/b", LARGE)
    with dial(registry, receive_buffer=65536) as sock:
        get(sock, f"/v2/a/b/blobs/{sha256(LARGE)}")
        head, body = read_head(sock)
        assert head.startswith(b"HTTP/1.1 200 ")
        registry.process.terminate()
        assert is_refused(registry)
        assert sha256(body + read_all(sock)) == sha256(LARGE)
    registry.ended()


def test_upload_finishes(start: Start) -> None:
    """A push that is under way is acknowledged, and there after the next start."""
    registry = start()
    with registry.wire() as wire:
        path = wire.start_upload("a/b").removeprefix(registry.url)
    with dial(registry) as sock:
        head = f"PUT {path}?digest={sha256(DATA)} HTTP/1.1\r\nHost: registry\r\n"
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(DATA)}\r\n"
        sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        # Only what the server has seen of a request makes it one that is under way.
        assert read_head(sock)[0].startswith(b"HTTP/1.1 100 ")
        sock.sendall(DATA[:1000])
        registry.process.terminate()
        assert is_refused(registry)
        sock.sendall(DATA[1000:])
        assert read_head(sock)[0].startswith(b"HTTP/1.1 201 ")
    registry.ended()

    registry = start()
    with registry.wire() as wire:
        assert wire.blob("a/b", sha256(DATA)).body == DATA
    registry.stop()


def test_idle_connections_hold_nothing_up(start: Start) -> None:
    """Connections that clients keep for later do not delay the stop."""
    registry = start()
    with registry.wire() as one, registry.wire() as another, dial(registry):
        one.push("a/b", hello("idle"), "v1")
        another.pull("a/b", "v1")
        begin = time.monotonic()
        registry.stop()
        assert time.monotonic() - begin < 20


def test_grace_ends(start: Start) -> None:
    """A client that never finishes holds a stop up no longer than the grace time."""
    registry = start("--grace=1s")
    with registry.wire() as wire:
        wire.push_blob("a/b", LARGE)
        path = wire.start_upload("a/b").removeprefix(registry.url)
    with dial(registry, receive_buffer=4096) as reader, dial(registry) as writer:
        get(reader, f"/v2/a/b/blobs/{sha256(LARGE)}")
        read_head(reader)
        head = f"PUT {path}?digest={sha256(DATA)} HTTP/1.1\r\nHost: registry\r\n"
        writer.sendall(f"{head}Content-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:-1])
        time.sleep(0.1)
        begin = time.monotonic()
        registry.stop()
        took = time.monotonic() - begin
    assert 0.9 < took < 20


def test_interrupt(start: Start) -> None:
    """Ctrl-C stops it in the same way."""
    registry = start()
    os.kill(registry.process.pid, signal.SIGINT)
    registry.ended()


def test_terminate_twice(start: Start) -> None:
    """A second SIGTERM while it is stopping changes nothing."""
    registry = start()
    with registry.wire() as wire:
        wire.push_blob("a/b", LARGE)
    with dial(registry, receive_buffer=65536) as sock:
        get(sock, f"/v2/a/b/blobs/{sha256(LARGE)}")
        _, body = read_head(sock)
        registry.process.terminate()
        assert is_refused(registry)
        with suppress(ProcessLookupError):
            registry.process.terminate()
        assert sha256(body + read_all(sock)) == sha256(LARGE)
    registry.ended()
