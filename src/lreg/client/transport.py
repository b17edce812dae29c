"""HTTP towards other registries: one session, TLS, timeouts, retries.

The only module of the client that imports aiohttp. Nothing here knows of tokens or of registries.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from lreg import __version__
from lreg.client.patience import Patience, retry_after
from lreg.client.wire import PIECE, Request, TlsFailed, Unreachable, is_loopback
from lreg.errors import TransferBroken, Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from pathlib import Path

USER_AGENT = f"lreg/{__version__}"
# Answers that mean "later": too many requests, and what gateways say of a server that restarts.
_LATER = frozenset({429, 502, 503, 504})


class Response:
    """An answer whose body is still to be read; valid within its `exchange`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)

    def challenges(self) -> list[str]:
        """Return every WWW-Authenticate header (RFC 9110, 11.6.1)."""
        return self._response.headers.getall("WWW-Authenticate", [])

    async def read(self, limit: int) -> bytes:
        """Return the body; raise TransferBroken where it ends early or has over `limit` bytes."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > limit:
                raise TransferBroken(f"{self.url} sent more than the {limit} bytes expected")
        return bytes(body)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in pieces of PIECE bytes or more, the last one smaller.

        Raises:
            TransferBroken: the body ended early, or nothing came for the time of patience. What
                had arrived before that was yielded.
        """
        gathered: list[bytes] = []
        failure: Exception | None = None
        data = b" "
        while data and failure is None:
            try:
                data = await self._response.content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                data, failure = b"", error
            gathered.append(data)
            if sum(map(len, gathered)) >= PIECE or not data:
                yield b"".join(gathered)
                gathered.clear()
        if failure is not None:
            raise TransferBroken(
                f"{urlsplit(self.url).netloc} broke off in the middle of {self.url}: "
                f"{_words(failure)}"
            ) from failure


class Transport:
    """A session of HTTP/1.1 connections, an async context manager.

    Args:
        ca: a PEM file with certificate authorities to trust besides the system's.
        unix: the path of a socket that every request goes to.
        patience: how long to wait for what, how often to try again.
    """

    def __init__(
        self,
        *,
        ca: Path | None = None,
        unix: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._ca = ca
        self._unix = unix
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._answered: set[str] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector: aiohttp.BaseConnector
        if self._unix:
            connector = aiohttp.UnixConnector(self._unix, limit=64)
        else:
            connector = aiohttp.TCPConnector(limit=64)
        self._session = aiohttp.ClientSession(
            connector=connector,
            # A stored body is what its digest names: never let anything unpack it.
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self.patience.connect,
                sock_read=self.patience.stall,
            ),
            read_bufsize=4 * PIECE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

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
            TransferBroken: the connection broke off.
            Unavailable: no answer in time.
        """
        response = await self._send_patiently(request)
        try:
            yield Response(response)
        finally:
            response.release()

    async def _send_patiently(self, request: Request) -> aiohttp.ClientResponse:
        attempts = self.patience.attempts if request.repeatable else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = await self._send(request)
            except (TransferBroken, Unavailable) as error:
                known = request.origin in self._answered
                if last or isinstance(error, TlsFailed):
                    raise
                if isinstance(error, Unreachable) and not known:
                    raise
                await asyncio.sleep(self.patience.pause(attempt))
                continue
            self._answered.add(request.origin)
            if response.status not in _LATER or last:
                return response
            asked = retry_after(response.headers.get("Retry-After"))
            if asked is not None and asked > self.patience.longest:
                return response
            response.release()
            await asyncio.sleep(self.patience.pause(attempt) if asked is None else asked)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("a Transport is used inside of its own context")
        headers = dict(request.headers)
        if request.size is not None:
            headers["Content-Length"] = str(request.size)
        try:
            return await self._session.request(
                request.method,
                # Signed URLs and digests must arrive as they were given.
                URL(request.url, encoded=True),
                headers=headers,
                data=request.body,
                allow_redirects=False,
                ssl=self._context(verify=request.verify) if request.is_tls else True,
                proxy=_proxy(request.url),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _sentence(request, error) from error

    def _context(self, *, verify: bool) -> ssl.SSLContext:
        if context := self._contexts.get(verify):
            return context
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self._ca:
            try:
                context.load_verify_locations(self._ca)
            except OSError as error:
                raise UsageError(f"{self._ca} is not a readable PEM file: {error}") from error
        self._contexts[verify] = context
        return context


def _proxy(url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY mean for `url`."""
    # aiohttp's trust_env would also send what ~/.netrc holds, to whatever host is asked.
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no data came in time"
    return str(error) or type(error).__name__


def _sentence(request: Request, error: Exception) -> TransferBroken | Unavailable:
    """Return the error to raise for what aiohttp raised, with what to do about it."""
    parts = urlsplit(request.url)
    place, host, words = parts.netloc, parts.hostname or "", _words(error)
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = _words(error.certificate_error)
            return TlsFailed(
                f"the certificate of {place} is not trusted ({why}): name its authority with "
                "--ca, or use --insecure"
            )
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return TlsFailed(f"{place} does not speak TLS ({words}): use --insecure for plain HTTP")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unreachable(_advice(place, host, error, words))
        case aiohttp.ClientResponseError():
            return TransferBroken(f"{place} does not answer in HTTP: {error.message}")
        case _:
            return TransferBroken(f"the connection to {place} broke off ({words}): try again")


def _advice(place: str, host: str, error: Exception, words: str) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{host} is not a known host name: check it, and your DNS"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer: check its address and the network"
    if is_loopback(host):
        return f"nothing listens on {place}: start it with `lreg start` or set LOCAL_REGISTRY"
    return f"{place} can't be reached ({words}): check its address and the network"
