"""HTTP/1.1 over plain sockets: a client that costs little, so that the servers are measured."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from bench.content import MANIFEST_TYPE
from bench.sealed import SealedSocket

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.content import Blob

# Nodes in namespaces of their own (bench/nodes.py) reach no loopback address.
HOST = os.environ.get("BENCH_HOST", "127.0.0.1")
TIMEOUT = 120.0
# distribution calls a manifest unknown whose type the client does not name.
_ACCEPT = f"Accept: {MANIFEST_TYPE}, */*"
_PIECE = 256 * 1024
_SEND_PIECE = 2**20

Sock: TypeAlias = socket.socket | SealedSocket
"""A connection, with or without TLS."""


class LoadFailed(Exception):
    """A server did not answer as a load needs it; the text says which request and what came."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server listens: a port of the loopback address, with TLS when ``ca`` is a file."""

    port: int
    ca: Path | None = None

    def connect(self) -> Sock:
        """Open a connection."""
        plain = socket.create_connection((HOST, self.port), timeout=TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ca is None:
            return plain
        return SealedSocket(plain, _context(self.ca), HOST)


@cache
def _context(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers by lower-case name, and as much of the body as was read.

    ``head_size`` is how many bytes stood before the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    head_size: int

    @property
    def length(self) -> int:
        """The body's length as announced."""
        return int(self.headers.get("content-length", "0"))


def compose(method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request's head."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", _ACCEPT]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def read_head(sock: Sock) -> Answer:
    """Read a response's head; its body holds what came along in the same pieces."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = sock.recv(65536)
        if not piece:
            raise LoadFailed(f"the connection ended after {data[:200]!r}")
        data += piece
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Answer(int(first.split()[1]), headers, data[end + 4 :], end + 4)


def ask(
    sock: Sock,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request with a small body and return the whole response."""
    length = {"Content-Length": str(len(body))} if body or method in {"POST", "PUT"} else {}
    sock.sendall(compose(method, path, {**(headers or {}), **length}) + body)
    answer = read_head(sock)
    whole = answer.body
    if answer.headers.get("transfer-encoding") == "chunked":
        return replace(answer, body=_unchunk(sock, whole))
    while method != "HEAD" and len(whole) < answer.length:
        whole += sock.recv(_PIECE)
    return replace(answer, body=whole)


def _unchunk(sock: Sock, data: bytes) -> bytes:
    body = b""
    while True:
        while b"\r\n" not in data:
            data += sock.recv(_PIECE)
        size_text, _, data = data.partition(b"\r\n")
        size = int(size_text.split(b";")[0], 16)
        while len(data) < size + 2:
            data += sock.recv(_PIECE)
        body += data[:size]
        data = data[size + 2 :]
        if size == 0:
            return body


def expect(answer: Answer, wanted: int, what: str) -> Answer:
    """Return the answer if its status is the one wanted.

    Raises:
        LoadFailed: It is another.
    """
    if answer.status != wanted:
        raise LoadFailed(f"{what}: {answer.status}, not {wanted}: {answer.body[:300]!r}")
    return answer


def pull(sock: Sock, path: str, span: tuple[int, int] | None = None) -> int:
    """GET a body and throw it away; return its length. ``span``: first and last byte wanted."""
    headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
    sock.sendall(compose("GET", path, headers))
    return drain(sock, expect(read_head(sock), 200 if span is None else 206, f"GET {path}"), path)


def drain(sock: Sock, answer: Answer, path: str) -> int:
    """Throw the rest of an answer's body away; return the body's length."""
    missing = answer.length - len(answer.body)
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    while missing:
        count = sock.recv_into(view[: min(missing, _PIECE)])
        if not count:
            raise LoadFailed(f"GET {path}: the body ended {missing} bytes early")
        missing -= count
    return answer.length


def push(sock: Sock, repository: str, blob: Blob) -> None:
    """Upload a blob as docker, podman and skopeo do: POST, one PATCH with all of it, PUT."""
    begun = expect(ask(sock, "POST", f"/v2/{repository}/blobs/uploads/"), 202, "POST")
    head = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    sock.sendall(compose("PATCH", _location(begun), head))
    _send_file(sock, blob)
    sent = expect(read_head(sock), 202, "PATCH")
    place = _location(sent)
    mark = "&" if "?" in place else "?"
    expect(ask(sock, "PUT", f"{place}{mark}digest={blob.digest}"), 201, "PUT")


def _location(answer: Answer) -> str:
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _send_file(sock: Sock, blob: Blob) -> None:
    with blob.path.open("rb") as file:
        offset, end = 0, blob.size - len(blob.tail)
        while offset < end:
            if isinstance(sock, SealedSocket):
                piece = os.pread(file.fileno(), min(_SEND_PIECE, end - offset), offset)
                sock.sendall(piece)
                offset += len(piece)
            else:
                offset += sock.sendfile(file, offset, min(_SEND_PIECE, end - offset))
    sock.sendall(blob.tail)
