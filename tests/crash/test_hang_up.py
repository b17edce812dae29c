"""Clients that hang up, stall and crawl."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, noise, sha256
from tests.support.raw import dial, get, hang_up, read_head

if TYPE_CHECKING:
    from tests.support.registries import Running
    from tests.support.wire import Answer, Wire

MIB = 1 << 20
DATA = noise(MIB, "hang up")
LARGE = noise(32 * MIB, "large")


def put_head(path: str, length: int) -> bytes:
    """Return the header of an upload's request, for `length` bytes."""
    return (
        f"PATCH {path} HTTP/1.1\r\nHost: registry\r\nContent-Length: {length}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def upload_path(registry: Running, repository: str) -> str:
    """Begin an upload and return its path."""
    with registry.wire() as wire:
        return wire.start_upload(repository).removeprefix(registry.url)


def settles(registry: Running, files: int) -> bool:
    """Return whether the server comes back to that many open files in twenty seconds."""
    deadline = time.monotonic() + 20
    while registry.process.open_files() > files:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_upload_goes_on(registry: Running, repository: str, reset: bool) -> None:
    """An upload whose client hung up in the middle goes on from where it stands."""
    path = upload_path(registry, repository)
    with dial(registry) as sock:
        sock.sendall(put_head(path, len(DATA)) + DATA[:300_000])
        hang_up(sock, reset=reset)
    with registry.wire() as wire:
        answer = go_on(wire, path)
        while answer.status == 416:  # bytes of the first request were still on their way in
            answer = go_on(wire, path)
        wire.finish_upload(answer.expect(202).headers["location"], sha256(DATA)).expect(201)
        assert wire.blob(repository, sha256(DATA)).body == DATA


def go_on(wire: Wire, path: str) -> Answer:
    """Ask where an upload of DATA stands and send the rest."""
    status = wire.ask("GET", path).expect(204)
    offset = int(status.headers["range"].partition("-")[2])
    offset += offset > 0  # spec: "0-0" is what an empty upload says, too
    assert offset <= 300_000
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Range": f"{offset}-{len(DATA) - 1}",
    }
    return wire.ask("PATCH", path, DATA[offset:], headers)


def test_half_a_blob_is_no_blob(registry: Running, repository: str) -> None:
    """A client that hangs up in the last request of its push has pushed nothing."""
    path = f"{upload_path(registry, repository)}?digest={sha256(DATA)}"
    with dial(registry) as sock:
        sock.sendall(put_head(path, len(DATA)).replace(b"PATCH", b"PUT") + DATA[:-1])
    with registry.wire() as wire:
        time.sleep(0.1)
        assert wire.blob(repository, sha256(DATA)).status == 404
        wire.push_blob(repository, DATA)


def test_nothing_is_left_open(registry: Running, repository: str) -> None:
    """However often clients hang up, in the middle of anything, no file stays open."""
    with registry.wire() as wire:
        wire.push_blob(repository, LARGE)
    files = registry.process.open_files() + 8  # worker threads may hold what they had before
    for number in range(60):
        with dial(registry) as sock:
            match number % 4:
                case 0:
                    get(sock, f"/v2/{repository}/blobs/{sha256(LARGE)}")
                    sock.recv(100_000)
                case 1:
                    head = put_head(upload_path(registry, repository), len(DATA))
                    sock.sendall(head + DATA[:100_000])
                case 2:
                    sock.sendall(b"GET /v2/ HT")
                case _:
                    pass
            hang_up(sock, reset=number % 8 < 4)
    assert settles(registry, files)
    with registry.wire() as wire:
        assert sha256(wire.blob(repository, sha256(LARGE)).body) == sha256(LARGE)


def test_slow_readers_stop_nobody(registry: Running, repository: str) -> None:
    """While eight clients crawl through a large blob, everybody else is served at once."""
    image = hello(repository)
    with registry.wire() as wire, contextlib.ExitStack() as stack:
        wire.push_blob(repository, LARGE)
        wire.push(repository, image, "v1")
        for _ in range(8):
            sock = stack.enter_context(dial(registry, receive_buffer=4096))
            get(sock, f"/v2/{repository}/blobs/{sha256(LARGE)}")
            read_head(sock)
        times = []
        for number in range(50):
            start = time.monotonic()
            wire.pull(repository, "v1")
            wire.push_blob(repository, b"%d" % number)
            times.append(time.monotonic() - start)
        assert sorted(times)[25] < 5
        assert max(times) < 20


def test_slow_reader_gets_everything(registry: Running, repository: str) -> None:
    """A client that reads in fits and starts gets the whole blob, unharmed."""
    with registry.wire() as wire:
        wire.push_blob(repository, LARGE)
    with dial(registry, receive_buffer=65536) as sock:
        get(sock, f"/v2/{repository}/blobs/{sha256(LARGE)}")
        head, body = read_head(sock)
        assert f"content-length: {len(LARGE)}".encode() in head.lower()
        got = bytearray(body)
        while len(got) < len(LARGE):
            if len(got) % 13 == 0:
                time.sleep(0.01)
            piece = sock.recv(200_000)
            assert piece
            got += piece
    assert sha256(bytes(got)) == sha256(LARGE)


def test_slow_writers_stop_nobody(registry: Running, repository: str) -> None:
    """Requests that come byte by byte are served as any, while others are not held up."""
    data = noise(60, repository)

    def crawl(number: int) -> bytes:
        path = f"{upload_path(registry, repository)}?digest={sha256(data)}"
        request = put_head(path, len(data)).replace(b"PATCH", b"PUT") + data
        with dial(registry) as sock:
            for at in range(len(request)):
                sock.sendall(request[at : at + 1])
                time.sleep(0.005 + number / 10_000)
            return read_head(sock)[0]

    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(crawl, number) for number in range(8)]
        with registry.wire() as wire:
            served = 0
            while not all(each.done() for each in slow):
                wire.ask("GET", "/v2/").expect(200)
                served += 1
                time.sleep(0.01)
            assert served > 5
            for each in slow:
                assert each.result().startswith(b"HTTP/1.1 201 ")
            assert wire.blob(repository, sha256(data)).body == data
