"""One download, watched: when its bytes came, how many, and whether they are right."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.raw import dial, hang_up, read_head

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.support.registries import Running


@dataclass(slots=True)
class Download:
    """What became of a GET, so far; times are of `time.monotonic`.

    Attributes:
        status: of the answer; 0: there was none.
        head: the answer's header, in lower case.
        size: its Content-Length.
        got: how many bytes of its body came.
        digest: the digest of those.
        asked: when the request was sent.
        first: when the first byte of the body came; 0: none did.
        last: when the last one did.
    """

    status: int = 0
    head: str = ""
    size: int = 0
    got: int = 0
    digest: str = ""
    asked: float = 0
    first: float = 0
    last: float = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether a client would take it for complete."""
        return self.status in (200, 206) and self.got == self.size

    def begin(self, head: bytes) -> None:
        """Note the answer's header."""
        self.head = head.decode("latin-1").lower()
        self.status = int(self.head.split()[1])
        if found := re.search(r"\r\ncontent-length: *(\d+)", self.head):
            self.size = int(found[1])

    def take(self, piece: bytes | memoryview) -> None:
        """Note some bytes of the body."""
        if not piece:
            return
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.got += len(piece)
        self._hash.update(piece)
        self.digest = f"sha256:{self._hash.hexdigest()}" if self.got == self.size else ""


def download(
    registry: Running,
    path: str,
    *,
    part: str = "",
    until: Callable[[Download], bool] = lambda _: False,
    receive_buffer: int = 0,
    step: int = 256 << 10,
    timeout: float = 60,
) -> Download:
    """GET a path over a connection of its own, to the end of the body or of the connection.

    Args:
        registry: whom to ask.
        path: what for.
        part: the Range header, if any.
        until: called after every piece; true: hang up.
        receive_buffer: bytes that the kernel may hold for us; 0: as it likes.
        step: how many bytes to take at a time.
        timeout: how many seconds to wait for a piece.

    Raises:
        OSError: nobody listens.
    """
    with contextlib.closing(dial(registry, receive_buffer)) as sock:
        sock.settimeout(timeout)
        ranged = f"Range: {part}\r\n" if part else ""
        done = Download(asked=time.monotonic())
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: registry\r\n{ranged}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in _pieces(sock, done, step):
                if until(done):
                    hang_up(sock, reset=False)
                    break
        return done


def _pieces(sock: socket.socket, done: Download, step: int) -> Iterator[None]:
    try:
        head, rest = read_head(sock)
    except AssertionError:  # closed before the answer's header was whole
        return
    done.begin(head)
    done.take(rest)
    buffer = memoryview(bytearray(step))
    while done.got < done.size:
        yield
        size = sock.recv_into(buffer)
        if not size:
            return
        done.take(buffer[:size])


def at_once(number: int, action: Callable[[], Download]) -> list[Download]:
    """Do it so many times at once, each in a thread."""
    with ThreadPoolExecutor(number) as pool:
        running = [pool.submit(action) for _ in range(number)]
        return [each.result() for each in running]
