"""A Docker daemon that refuses, breaks off or hangs up: what it said is what the user reads."""

from __future__ import annotations

import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError
from lreg.images.engines.docker import DockerDaemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

REFUSAL = b'{"message":"no room"}'
REFUSED = b"HTTP/1.1 500 Error\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)


@contextmanager
def daemon(monkeypatch: pytest.MonkeyPatch, answer: bytes, *, reads: bool) -> Iterator[None]:
    """Be the daemon of one request, whose body it reads or does not; then it hangs up."""
    # A socket's path may have no more than 107 characters.
    with tempfile.TemporaryDirectory() as home, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(home) / "socket"))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/socket")

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked = connection.recv(1 << 16)
                while reads and not asked.endswith(b"0\r\n\r\n"):
                    asked = asked[-10:] + connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def failure(act: Callable[[], object]) -> str:
    """Return what is said of what fails."""
    with pytest.raises(LregError) as caught:
        act()
    return str(caught.value)


def write(file: BinaryIO) -> None:
    """Write an image of more than a socket holds."""
    for _ in range(64):  # noqa: FURB122 -- a body of a request has no writelines
        file.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("answer", "reads", "said"),
    [
        (REFUSED, False, "no room"),
        (REFUSED, True, "no room"),
        (b"", False, "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, "half of the image"),
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"error": "tar!"}',
            True,
            "did not take the image: tar!",
        ),
    ],
)
def test_load(monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str, *, reads: bool) -> None:
    """A daemon that does not take an image says why, also before it has read all of it."""
    with daemon(monkeypatch, answer, reads=reads):
        message = failure(lambda: DockerDaemon().load(write))
    assert said in message


def test_half_an_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An image that breaks off is none."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
    with daemon(monkeypatch, answer, reads=False), (tmp_path / "kept").open("wb") as kept:
        assert "996 more expected" in failure(lambda: DockerDaemon().save("x:1", kept))


@pytest.mark.parametrize("said", [b"<html>", b"[1]", b"7"])
def test_no_docker(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """What is no Docker daemon is said to be none."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
    with daemon(monkeypatch, answer, reads=False):
        assert "for Docker is none" in failure(lambda: DockerDaemon().has("x:1"))


@pytest.mark.parametrize(
    "host", ["tcp://h:99999", "tcp://[::1", "tcp://", "unix://", "/var/run/docker.sock", "fd://"]
)
def test_strange_hosts(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A place that is none is shown, with the forms there are."""
    monkeypatch.setenv("DOCKER_HOST", host)
    assert f"$DOCKER_HOST is {host}: only unix://PATH" in DockerDaemon().lacks()


def test_no_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk here is not the daemon's fault."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull"
    full = Path("/dev/full")
    with daemon(monkeypatch, answer, reads=False), full.open("wb", buffering=0) as kept:
        message = failure(lambda: DockerDaemon().save("x:1", kept))
    assert "No space left" in message
    assert "$TMPDIR" in message
