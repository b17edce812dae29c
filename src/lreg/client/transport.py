"""HTTP towards other registries: connections kept and used again, TLS, timeouts, retries.

Nothing here knows of tokens or of registries.
"""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import h11

from lreg import __version__
from lreg.client import h1, sockets
from lreg.client.lookups import LookUps
from lreg.client.patience import Patience, retry_after
from lreg.client.proxy import proxy_for, tunnel
from lreg.client.response import Response
from lreg.client.tls import trusting
from lreg.client.wire import Request, Route, is_loopback
from lreg.errors import (
    SizeInvalid,
    TlsFailed,
    TransferBroken,
    Unavailable,
    Unreachable,
    Untrusted,
)
from lreg.network import words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# Stored bytes are what their digest names: nothing may be packed on the way.
_HEADERS = {"User-Agent": f"lreg/{__version__}", "Accept-Encoding": "identity"}
# Answers that mean "later": too many requests, and what gateways say of a server that restarts.
_LATER = frozenset({429, 502, 503, 504})
# So many connections to one server are kept for later.
_MOST_IDLE = 8
# So many bodies can be given to sinks at a time; the others take turns with them.
_THREADS = 8


class Transport:
    """Connections to any number of servers, an async context manager.

    Args:
        ca: a PEM file with certificate authorities to trust besides the system's.
        unix: the path of a socket that every request goes to.
        patience: how long to wait for what, how often to try again.
        route: how the registry is reached; its `proxy` and `absent` count here.
    """

    def __init__(
        self,
        *,
        ca: Path | None = None,
        unix: str | None = None,
        patience: Patience | None = None,
        route: Route | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._ca = ca
        self._unix = unix
        self._route = route or Route()
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._answered: set[str] = set()
        self._lookups = LookUps()
        self._idle: dict[tuple[str, bool], list[h1.Link]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="client")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for idle in self._idle.values():
            while idle:
                self._drop(idle.pop())
        await asyncio.gather(*self._closing)
        self._executor.shutdown(wait=False)

    @asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        """Send `request` and yield its answer, whatever its status; redirects are not followed.

        A request without a body, or with one in memory, is sent again with growing pauses where
        the connection breaks, or where the answer is 429, 502, 503 or 504 (then after its
        Retry-After, unless that is longer than patience). A server that never answered is not
        asked twice where it refuses: it is not there.

        Raises:
            Unreachable: nothing listens there, or the name is not known.
            TlsFailed: no TLS, or a certificate that is not trusted.
            TransferBroken: the connection broke off, or no answer came in time.
            SizeInvalid: a streamed body is not as long as was said.
        """
        request = replace(request, headers={**_HEADERS, **request.headers})
        link, response = await self._send_patiently(request)
        try:
            yield response
        except BaseException:
            self._drop(link)
            raise
        self._release(request, link)

    async def _send_patiently(self, request: Request) -> tuple[h1.Link, Response]:
        attempts = self.patience.attempts if request.repeatable else 1
        for attempt in range(1, attempts):
            try:
                link, response = await self._send(request)
            except TlsFailed:
                raise
            except (TransferBroken, Unavailable) as error:
                absent = isinstance(error, Unreachable) and request.origin not in self._answered
                if absent or not request.patient:
                    raise
                await asyncio.sleep(self.patience.pause(attempt))
                continue
            asked = retry_after(response.headers.get("Retry-After"))
            too_long = asked is not None and asked > self.patience.longest
            if response.status not in _LATER or too_long:
                return link, response
            self._release(request, link)
            await asyncio.sleep(self.patience.pause(attempt) if asked is None else asked)
        return await self._send(request)

    async def _send(self, request: Request) -> tuple[h1.Link, Response]:
        idle = self._idle.setdefault((request.origin, request.verify), [])
        while idle:
            link = idle.pop()
            if not link.alive:
                self._drop(link)
                continue
            try:
                return await self._ask(link, request)
            except TransferBroken:
                # A server may close an idle connection while the request is on its way
                # (RFC 9112, 9.3.1): no reason to be patient, unless the body is used up.
                if not request.repeatable:
                    raise
        return await self._ask(await self._connect(request), request)

    async def _ask(self, link: h1.Link, request: Request) -> tuple[h1.Link, Response]:
        try:
            status, headers = await link.ask(request)
        except BaseException as error:
            self._drop(link)
            if (sentence := _sentence(urlsplit(request.url).netloc, error)) is None:
                raise
            raise sentence from error
        self._answered.add(request.origin)
        return link, Response(request.url, status, headers, link, self._executor)

    def _release(self, request: Request, link: h1.Link) -> None:
        """Keep a connection for the next request where it can be used again."""
        kept = self._idle.setdefault((request.origin, request.verify), [])
        if link.finish() and len(kept) < _MOST_IDLE:
            kept.append(link)
        else:
            self._drop(link)
        for key, idle in list(self._idle.items()):
            for gone in [one for one in idle if not one.alive]:
                idle.remove(gone)
                self._drop(gone)
            if not idle:
                del self._idle[key]

    def _drop(self, link: h1.Link) -> None:
        """Close a connection, waited for when the session ends."""
        task = asyncio.get_running_loop().create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self, request: Request) -> h1.Link:
        url, stall, limit = request.url, self.patience.stall, self.patience.connect
        place, host = urlsplit(url).netloc, urlsplit(url).hostname or ""
        proxy = None if self._unix else proxy_for(url, self._route.proxy)
        context = self._context(verify=request.verify) if request.is_tls else None
        try:
            if not self._unix:
                await self._lookups.find(proxy or url, limit)
            wire = await sockets.connect(url, self._unix, limit, proxy)
        except OSError as error:
            through = self._unix or proxy
            advice = _advice(place, host, through, error, self._route.absent)
            raise Unreachable(advice) from error
        if context is None:
            return h1.Link(wire, self.patience, proxy)
        try:
            with sockets.aborted_on_error(wire):
                if proxy:
                    await tunnel(wire, url, proxy, stall)
                await wire.encrypt(context, host, limit)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(
                f"the certificate of {place} is not trusted ({error.verify_message}): name its "
                "authority with --ca, or use --insecure"
            ) from error
        except (OSError, h11.ProtocolError) as error:
            raise TlsFailed(
                f"{place} does not speak TLS ({words(error)}): use --insecure for plain HTTP"
            ) from error
        return h1.Link(wire, self.patience)

    def _context(self, *, verify: bool) -> ssl.SSLContext:
        if context := self._contexts.get(verify):
            return context
        context = trusting(self._ca, verify=verify)
        self._contexts[verify] = context
        return context


def _sentence(place: str, error: BaseException) -> SizeInvalid | TransferBroken | None:
    """Return what to raise for what a connection raised, or None to let that pass."""
    match error:
        case h11.LocalProtocolError():
            return SizeInvalid(f"the body for {place} is not as long as was said: {error}")
        case h11.RemoteProtocolError():
            return TransferBroken(f"{place} does not answer in HTTP: {error}")
        case OSError():
            return TransferBroken(
                f"the connection to {place} broke off ({words(error)}): try again"
            )
    return None


def _advice(place: str, host: str, through: str | None, error: OSError, absent: str) -> str:
    """Return what to do about a connection that did not come to be."""
    if through:
        return f"{place} can't be reached through {through.rpartition('@')[2]}: {words(error)}"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer: check its address and the network"
    if is_loopback(host):
        return f"nothing listens on {place}: {absent}"
    # socket.gaierror's numbers are negative and of its own kind.
    if error.errno is not None and error.errno < 0:
        return f"{host} is not a known host name: check it, and your DNS"
    return f"{place} can't be reached ({words(error)}): check its address and the network"
