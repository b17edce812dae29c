"""Unary gRPC calls to a runtime's socket, answered by real gRPC framing over HTTP/2."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded

from lreg.node.doctor.cri import Cri
from lreg.node.doctor.grpc import CallFailed, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[str, bytes], tuple[int, str, bytes]]


class Runtime:
    """Something that serves CRI.

    Attributes:
        path: its socket.
        asked: the method and the message of each call.
        answer: gives the status, the message for people, and the answer.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = str(path)
        self.asked: list[tuple[str, bytes]] = []
        self.answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            # A client hangs up as soon as it has its answer.
            with link, contextlib.suppress(OSError):
                self._talk(link)

    def _talk(self, link: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        link.sendall(http.data_to_send())
        path, body = "", b""
        while data := link.recv(1 << 16):
            for event in http.receive_data(data):
                match event:
                    case RequestReceived(headers=headers):
                        path = {str(k): str(v) for k, v in headers or ()}[":path"]
                    case DataReceived(data=piece):
                        body += piece or b""
                    case StreamEnded(stream_id=stream):
                        self.asked.append((path, body[5:]))
                        self._say(http, stream or 0, *self.answer(path, body[5:]))
            link.sendall(http.data_to_send())

    @staticmethod
    def _say(http: H2Connection, stream: int, status: int, words: str, body: bytes) -> None:
        head = [(":status", "200"), ("content-type", "application/grpc")]
        trailers = [("grpc-status", str(status)), ("grpc-message", words)]
        if status:
            http.send_headers(stream, head + trailers, end_stream=True)
            return
        http.send_headers(stream, head)
        for start in range(0, len(body) + 5, 1000):
            framed = b"\0" + len(body).to_bytes(4, "big") + body
            http.send_data(stream, framed[start : start + 1000])
        http.send_headers(stream, trailers[:1], end_stream=True)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answer], Runtime]]:
    made: list[Runtime] = []

    def start(answer: Answer) -> Runtime:
        made.append(Runtime(tmp_path / "cri.sock", answer))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_call_and_its_answer(serve: Callable[[Answer], Runtime]) -> None:
    """A message goes out and the whole answer comes back, however many frames it takes."""
    runtime = serve(lambda _, asked: (0, "", asked * 3000))
    assert call(runtime.path, "/a.B/C", b"abc", 20) == b"abc" * 3000
    assert runtime.asked == [("/a.B/C", b"abc")]


def test_what_failed_is_told(serve: Callable[[Answer], Runtime]) -> None:
    """The runtime's own words reach the person, unescaped."""
    runtime = serve(lambda *_: (5, "not found: 100%25 gone", b""))
    with pytest.raises(CallFailed, match="not found: 100% gone") as failed:
        call(runtime.path, "/a.B/C", b"", 20)
    assert failed.value.status == 5


def test_nobody_there(tmp_path: Path) -> None:
    """A socket that is not there, or that nobody serves, is said to be the reason."""
    with pytest.raises(CallFailed, match=r"none\.sock: No such file"):
        call(str(tmp_path / "none.sock"), "/a.B/C", b"", 20)


@contextlib.contextmanager
def says(path: Path, sent: bytes, *, reads: bool, stays: bool) -> Iterator[None]:
    """Something on a socket that says that to its first client, then hangs up or waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            link, _ = listener.accept()
            with link:
                if reads:
                    link.recv(1 << 16)
                link.sendall(sent)
                while stays and link.recv(1 << 16):
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        thread.join(20)


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("stays", [False, True])
def test_what_speaks_otherwise(tmp_path: Path, *, reads: bool, stays: bool) -> None:
    """What is no gRPC server is said to be none at its first words, whether or not it hangs up."""
    words = b"HTTP/1.1 400 Bad\r\n\r\n"
    with (
        says(tmp_path / "s", words, reads=reads, stays=stays),
        pytest.raises(CallFailed, match=r"/s: it speaks no HTTP/2"),
    ):
        call(str(tmp_path / "s"), "/a.B/C", b"", 20)


def test_what_says_nothing(tmp_path: Path) -> None:
    """What hangs up without an answer fails the call and nothing else."""
    with (
        says(tmp_path / "s", b"", reads=True, stays=False),
        pytest.raises(CallFailed, match="hung up"),
    ):
        call(str(tmp_path / "s"), "/a.B/C", b"", 20)


@pytest.mark.parametrize("reads", [False, True])
def test_why_it_hung_up(tmp_path: Path, *, reads: bool) -> None:
    """What a runtime says before it hangs up is told, also where it takes no more from us."""
    http = H2Connection(H2Configuration(client_side=False))
    http.initiate_connection()
    http.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
    with (
        says(tmp_path / "s", http.data_to_send(), reads=reads, stays=False),
        pytest.raises(CallFailed, match="it broke off: ENHANCE_YOUR_CALM"),
    ):
        call(str(tmp_path / "s"), "/a.B/C", b"", 20)


def test_no_answer_in_time(tmp_path: Path) -> None:
    """A runtime that hangs does not hang the doctor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(CallFailed, match=r"no answer in 0\.2 seconds"):
            call(str(tmp_path / "s"), "/a.B/C", b"", 0.2)


def test_images_by_cri(serve: Callable[[Answer], Runtime]) -> None:
    """Pulls and removals name the image as CRI's messages do; an old runtime's API is found."""

    def answer(method: str, _: bytes) -> tuple[int, str, bytes]:
        if ".v1." in method:
            return 12, "unknown service runtime.v1", b""
        return 0, "", b"\x0a\x050.1.0\x12\x0acontainerd\x1a\x06v1.5.9"

    runtime = serve(answer)
    cri = Cri(runtime.path)
    assert cri.version() == "1.5.9"
    image = f"quay.io/{'x' * 200}"
    cri.pull(image, 20)
    cri.remove(image)
    name = image.encode()
    inner = b"\x0a" + bytes([len(name) & 0x7F | 0x80, len(name) >> 7]) + name
    message = b"\x0a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    assert runtime.asked[-2:] == [
        ("/runtime.v1alpha2.ImageService/PullImage", message),
        ("/runtime.v1alpha2.ImageService/RemoveImage", message),
    ]
