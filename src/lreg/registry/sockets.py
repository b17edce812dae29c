"""From what to listen on to bound sockets."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.registry.http.messages import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lreg.config import Config
    from lreg.kinds import ListenAddress


def bind(config: Config) -> list[tuple[socket.socket, Endpoint]]:
    """Return a bound socket for every address to listen on; a name may bring several.

    Raises:
        UsageError: one can't be had; says which and what to do. None stays open then.
    """
    with contextlib.ExitStack() as stack:
        bound = []
        for address in config.listen:
            tls = config.speaks_tls(address)
            for sock in _bind_unix(address.path) if address.path else _bind_tcp(address):
                stack.callback(sock.close)
                bound.append((sock, _endpoint(sock, address, tls=tls)))
        stack.pop_all()
    return bound


def _endpoint(sock: socket.socket, address: ListenAddress, *, tls: bool) -> Endpoint:
    if address.path:
        return Endpoint(f"unix:{address.path}", tls, trusted=True)
    host, port = sock.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return Endpoint(f"{'https' if tls else 'http'}://{host}:{port}", tls, address.is_loopback)


def _bind_tcp(address: ListenAddress) -> Sequence[socket.socket]:
    try:
        found = socket.getaddrinfo(
            address.host or None,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except socket.gaierror as error:
        raise UsageError(f"{address}: no such address: {error.strerror}") from None
    sockets: list[socket.socket] = []
    for family, _, _, _, place in dict.fromkeys(found):
        try:
            sockets.append(_tcp_socket(family, place))
        except OSError as error:
            # A machine without IPv6 still has names and wildcards that mean both families.
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and len(found) > 1:
                continue
            for sock in sockets:
                sock.close()
            raise UsageError(_why(address, error)) from None
    if not sockets:
        raise UsageError(f"{address}: none of its addresses is on this machine")
    return sockets


def _tcp_socket(family: int, place: tuple[object, ...]) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every new TLS
    # connection waits 40 ms for a delayed ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        # Taken addresses show at listen only, where another socket is bound but not listening.
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def _why(address: ListenAddress, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{address} is taken, by another program or another place to listen: choose another "
            "with --listen ADDR:PORT or LREG_LISTEN"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address}: this machine has no such address; :{address.port} is every one it has"
    if error.errno == errno.EACCES:
        return f"{address}: ports below 1024 need root, or CAP_NET_BIND_SERVICE"
    return f"{address}: {error.strerror}"


def _bind_unix(path: Path) -> Sequence[socket.socket]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_stale(path):
            path.unlink()
        sock.bind(str(path))
        os.chmod(path, 0o660)
        sock.listen()
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"unix:{path} is taken by another program, or is a file") from None
        raise UsageError(f"unix:{path}: {error.strerror or error}") from None
    return [sock]


def _is_stale(path: Path) -> bool:
    """Return whether a socket lies there that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED
