"""Proxies: which one a URL needs, how to get through it."""

from __future__ import annotations

import asyncio
import base64
import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import h11

from lreg.client.wire import is_loopback, origin
from lreg.errors import UsageError

if TYPE_CHECKING:
    from lreg.client.sockets import Wire

# The head of a proxy's answer to a CONNECT is no longer than this.
_MAX_HEAD = 64 << 10


def proxy_for(url: str, setting: str = "") -> str | None:
    """Return the proxy to take for `url`, None where it is reached without one.

    Args:
        url: where to.
        setting: the proxy; "none": none; "": what HTTP_PROXY, HTTPS_PROXY and NO_PROXY mean.

    Raises:
        UsageError: it is one that lreg can't speak to.
    """
    if setting:
        return None if setting == "none" else _http(setting)
    parts = urlsplit(url)
    host = parts.hostname or ""
    # urllib.request is slow to import, and most machines have no proxy.
    if is_loopback(host) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415

    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return _http(proxy)


def _http(proxy: str) -> str:
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith("http://"):
        raise UsageError(f"the proxy {origin(proxy)} can't be used: only http:// proxies are known")
    return proxy


async def tunnel(wire: Wire, url: str, proxy: str, stall: float) -> None:
    """Ask a proxy for a tunnel to the server of `url` (RFC 9110, 9.3.6); raise ConnectionError."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    place = f"{host}:{parts.port or 443}"
    protocol = h11.Connection(h11.CLIENT)
    headers = [("Host", place), *credentials_for(proxy).items()]
    request = h11.Request(method="CONNECT", target=place, headers=headers)
    wire.transport.write(protocol.send(request) or b"")
    wire.transport.write(protocol.send(h11.EndOfMessage()) or b"")
    async with asyncio.timeout(stall):
        while (event := protocol.next_event()) is h11.NEED_DATA:
            protocol.receive_data(await wire.read(_MAX_HEAD))
    if not isinstance(event, h11.Response) or not 200 <= event.status_code < 300:
        status = event.status_code if isinstance(event, h11.Response) else "nothing"
        raise ConnectionError(f"the proxy answers {status} to a CONNECT")


def credentials_for(proxy: str) -> dict[str, str]:
    """Return the Proxy-Authorization that the proxy's URL holds."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
