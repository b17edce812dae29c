"""Many clients of one URL in a process of their own, so that they cost this one nothing."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.processes import clean_environment, run


@dataclass(slots=True)
class Client:
    """What became of one; times are of `time.monotonic`.

    Attributes:
        got: bytes of the body.
        crc: their CRC-32, which costs a third of a digest.
        asked: when the request was sent.
        first: when the first byte of the body came.
        last: when the last one did.
    """

    got: int = 0
    crc: int = 0
    asked: float = 0
    first: float = 0
    last: float = 0

    def take(self, piece: memoryview) -> None:
        """Note some bytes of the body."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.got += len(piece)
        self.crc = zlib.crc32(piece, self.crc)


def crowd(url: str, path: str, number: int, home: Path) -> list[Client]:
    """Let so many clients GET one path at once over plain HTTP; return what became of each."""
    argv = [sys.executable, "-m", __name__, url, path, str(number)]
    said = run(*argv, env=clean_environment(home), cwd=Path(__file__).parents[2])
    return [Client(**each) for each in json.loads(said.out)]


def _download(url: str, path: str, client: Client, start: threading.Barrier) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        buffer = memoryview(bytearray(256 << 10))
        start.wait()
        client.asked = time.monotonic()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            assert piece, head
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        if body:
            client.take(memoryview(body))
        (length,) = (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while client.got < length and (size := sock.recv_into(buffer)):
            client.take(buffer[:size])


def _main(url: str, path: str, number: str) -> None:
    clients = [Client() for _ in range(int(number))]
    start = threading.Barrier(len(clients))
    threads = [
        threading.Thread(target=_download, args=(url, path, each, start)) for each in clients
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    json.dump([asdict(each) for each in clients], sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
