"""Sockets for clients that do not behave."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.support.registries import Running


def dial(registry: Running, receive_buffer: int = 0) -> socket.socket:
    """Return a connection to a registry, TLS where it speaks TLS.

    Args:
        registry: the registry.
        receive_buffer: bytes that the kernel may hold for us; 0: as it likes.
    """
    parts = urlsplit(registry.url)
    sock = socket.socket()
    sock.settimeout(30)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        sock.connect((parts.hostname, parts.port))
    except BaseException:
        sock.close()
        raise
    if registry.ca is None:
        return sock
    context = ssl.create_default_context(cafile=str(registry.ca))
    return context.wrap_socket(sock, server_hostname=parts.hostname)


def hang_up(sock: socket.socket, *, reset: bool) -> None:
    """Close, with a reset if asked to, as a process that is killed does."""
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def get(sock: socket.socket, path: str) -> None:
    """Send a GET request."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: registry\r\n\r\n".encode())


def read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    """Read up to the end of a response's header; return that and what came with it."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        assert piece, f"closed after {got!r}"
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


def read_all(sock: socket.socket) -> bytes:
    """Read until the other end closes."""
    pieces = []
    while piece := sock.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)
