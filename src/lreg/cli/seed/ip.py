"""Under which address nodes reach the lreg that runs here, as `http://ADDRESS/` takes it."""

from __future__ import annotations

import socket

from lreg.cli.registries.outward import outward
from lreg.cli.registries.target import running_here
from lreg.errors import LregError

_HTTP = 80


def address() -> str:
    """Return HOST:PORT, or the host alone, not in brackets, where the port is 80.

    Raises:
        LregError: no lreg runs here, or it listens on no IPv4 address.
    """
    if (found := running_here()) is None:
        raise LregError("no lreg runs here: `lreg start` one, or set LOCAL_REGISTRY")
    place = outward(found.urls, socket.AF_INET)
    return place.host if place.port == _HTTP else f"{place.host}:{place.port}"
