"""What this machine's network says of itself, and of its connections."""

from __future__ import annotations

import socket

# Documentation addresses (RFC 5737, RFC 3849): the route to the world leads there too.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def own_address(family: socket.AddressFamily) -> str | None:
    """Return the address that this machine has towards the world; None without a route there.

    Nothing is sent: connecting a datagram socket only looks up its route.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def words(error: BaseException) -> str:
    """Return what a connection's error says, for a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return str(error) or "nothing came in time"
    return str(error) or type(error).__name__
