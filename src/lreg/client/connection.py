"""One registry's door: its address and scheme, who we are to it, redirects, its refusals."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from lreg import errors
from lreg.client import wire
from lreg.client.answers import error_of
from lreg.client.auth import NO_SCOPE, Authorizer, Scope
from lreg.client.credentials import ConfigFiles
from lreg.client.transport import Transport
from lreg.client.wire import Request
from lreg.errors import TlsFailed, Unreachable, Untrusted
from lreg.oci.reference import DOCKER_HUB, DOCKER_HUB_ALIASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from lreg.client.credentials import Keyring
    from lreg.client.patience import Patience
    from lreg.client.response import Response

_HOST = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?"
)
_MAX_REDIRECTS = 5
_MAX_ERROR_BODY = 64 << 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a registry, before it is known where and as whom.

    Attributes:
        method: in upper case.
        path: what follows the registry's address, or a URL that the registry gave.
        what: the thing asked for, in words, for messages.
        scope: what a token must allow.
        headers: beyond those of the transport.
        body: in memory or streamed.
        size: of a streamed body, in bytes.
        allow: statuses of 400 and more that are answers here, not errors.
        missing: the error that a 404 means.
    """

    method: str
    path: str
    what: str
    scope: Scope = NO_SCOPE
    headers: Mapping[str, str] | None = None
    body: wire.Body | None = None
    size: int | None = None
    allow: frozenset[int] = frozenset()
    missing: type[errors.RegistryError] = errors.EndpointUnknown


@dataclass(frozen=True, slots=True)
class Address:
    """Where a registry is.

    Attributes:
        host: its name as people and credential files write it, with its port.
        urls: what to try, in this order, without a slash at the end.
        unix: the socket to go through, or None.
    """

    host: str
    urls: tuple[str, ...]
    unix: str | None = None

    @classmethod
    def parse(cls, text: str, *, insecure: bool, ca: bool) -> Address:
        """Return the address that `host[:port]`, a URL without a path, or `unix:/path` means.

        Without a scheme: https; on this machine plain HTTP first, unless a CA is named; elsewhere
        plain HTTP after https, and only where `insecure`.

        Raises:
            UsageError: it is none of these.
        """
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            return cls(text, ("http://localhost",), path)
        scheme, mark, rest = text.rpartition("://")
        rest = rest.rstrip("/")
        match = _HOST.fullmatch(rest)
        if not match or scheme not in {"", "http", "https"} or int(match[2] or 0) > 65535:
            raise errors.UsageError(
                f"{text!r:.200} is not a registry: write it as host, host:port or [address]:port"
            )
        if rest in DOCKER_HUB_ALIASES:
            rest = DOCKER_HUB
        # Docker Hub's registry does not answer under its own name.
        dial = "registry-1.docker.io" if rest == DOCKER_HUB else rest
        if mark:
            return cls(rest, (f"{scheme}://{dial}",))
        secure, plain = f"https://{dial}", f"http://{dial}"
        if wire.is_loopback(match[1].strip("[]")):
            return cls(rest, (secure,) if ca else (plain, secure))
        return cls(rest, (secure, plain) if insecure else (secure,))


class Connection:
    """What all handles of one registry share; an async context manager.

    Args:
        host: see Address.parse.
        insecure: accept any certificate of this registry, and plain HTTP where it has no TLS.
        ca: a PEM file with the authority of its certificate.
        keyring: where credentials come from; this user's files where None.
        patience: how long to wait, how often to try again.
        route: how it is reached, where that is not as its name says.
    """

    def __init__(
        self,
        host: str,
        *,
        insecure: bool = False,
        ca: Path | None = None,
        keyring: Keyring | None = None,
        patience: Patience | None = None,
        route: wire.Route | None = None,
    ) -> None:
        self._route = route or wire.Route()
        address = Address.parse(host, insecure=insecure, ca=ca is not None)
        self.host = address.host
        if self._route.address:
            address = Address.parse(self._route.address, insecure=insecure, ca=ca is not None)
        self._address = address
        self._insecure = insecure
        self._transport = Transport(ca=ca, unix=address.unix, patience=patience, route=self._route)
        self.patience = self._transport.patience
        self._authorizer = Authorizer(
            self.host,
            ConfigFiles() if keyring is None else keyring,
            self._transport,
            insecure=insecure,
        )
        self._base: str | None = None
        self._finding: asyncio.Task[str] | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        if self._finding:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)
        await self._transport.__aexit__(*details)

    async def base(self) -> str:
        """Return the registry's URL, found out once by asking for /v2/.

        Raises:
            Unavailable: it can't be reached.
            TransferBroken: what is there does not answer in HTTP.
        """
        if self._base is None:
            if self._finding is None:
                self._finding = asyncio.get_running_loop().create_task(self._find_base())
                self._finding.add_done_callback(self._found)
            # Everybody who waits hears of one failure: it may have taken its time.
            return await asyncio.shield(self._finding)
        return self._base

    def _found(self, finding: asyncio.Task[str]) -> None:
        self._finding = None
        if not finding.cancelled() and finding.exception() is None:
            self._base = finding.result()

    async def _find_base(self) -> str:
        *others, last = self._address.urls
        failures: list[errors.LregError] = []
        for url in (*others, last):
            probe = url != last
            request = Request(
                "GET", f"{url}/v2/", self._route.headers, verify=not self._insecure, probe=probe
            )
            try:
                async with self._transport.exchange(request) as response:
                    self._observe(response)
                    # Go's servers tell a plain request on a TLS port so.
                    if probe and response.status == 400:
                        continue
                    if response.status == 401:
                        challenge = response.headers.get("WWW-Authenticate", "")
                        self._authorizer.learn(url, challenge)
                    return url
            except (TlsFailed, Unreachable, errors.TransferBroken) as error:
                failures.append(error)
        # The first failure is that of the likeliest address; but trust is what a user can mend.
        raise next((one for one in failures if isinstance(one, Untrusted)), failures[0])

    @asynccontextmanager
    async def answer(self, ask: Ask) -> AsyncIterator[Response]:
        """Yield the registry's answer: below 400, or with a status that `ask` allows.

        A 401 is answered with a token or a password, once; a GET or HEAD follows redirects, and
        the Authorization goes to the registry's own origin only.

        Raises:
            RegistryError: what the registry said, as the class for its code and status.
            Unavailable: it can't be reached.
            TransferBroken: the connection broke off.
        """
        base = await self.base()
        url = wire.joined(f"{base}/", ask.path)
        async with AsyncExitStack() as stack:
            response = await self._authorized(stack, ask, url)
            for _ in range(_MAX_REDIRECTS):
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    break
                if ask.method not in {"GET", "HEAD"}:
                    break
                url = wire.joined(url, location)
                if why := _refusal(base, url):
                    raise errors.Denied(
                        f"{self.host} redirects {ask.what} to {url!r:.200}, {why}: refused"
                    )
                await stack.aclose()
                response = await self._authorized(stack, ask, url)
            if response.status >= 300 and response.status not in ask.allow:
                body = await response.glimpse(_MAX_ERROR_BODY)
                # A refusal is no reason to give the connection up.
                await stack.aclose()
                raise error_of(
                    response.status,
                    response.headers,
                    body,
                    what=ask.what,
                    host=self.host,
                    missing=ask.missing,
                )
            yield response

    async def _authorized(self, stack: AsyncExitStack, ask: Ask, url: str) -> Response:
        base = await self.base()
        own = wire.origin(url) == wire.origin(base)
        # What is for the registry is for nobody that it redirects to.
        headers = {**(self._route.headers if own else {}), **(ask.headers or {})}
        request = Request(
            ask.method,
            url,
            headers,
            ask.body,
            ask.size,
            verify=not (self._insecure and urlsplit(url).hostname == urlsplit(base).hostname),
        )
        if not own:
            return await stack.enter_async_context(self._transport.exchange(request))
        header = await self._authorizer.header(ask.scope)
        response = await self._observed(stack, _with(request, header))
        if response.status != 401 or not request.repeatable:
            return response
        demand = response.headers.get("WWW-Authenticate", "")
        if not self._authorizer.refused(base, demand, ask.scope, header):
            return response
        refused, header = header, await self._authorizer.header(ask.scope)
        if header in (None, refused):
            return response
        await stack.aclose()
        return await self._observed(stack, _with(request, header))

    async def _observed(self, stack: AsyncExitStack, request: Request) -> Response:
        response = await stack.enter_async_context(self._transport.exchange(request))
        self._observe(response)
        return response

    def _observe(self, response: Response) -> None:
        if self._route.observe:
            self._route.observe(response.status, response.headers)


def _refusal(base: str, url: str) -> str:
    """Return why a registry at `base` may not send us on to `url`, in words; "" where it may."""
    if base.startswith("https:") and not url.startswith("https:"):
        return "without TLS"
    here, there = (urlsplit(each).hostname or "" for each in (base, url))
    if wire.is_loopback(there) and not wire.is_loopback(here):
        return "which is this machine"
    if wire.is_link_local(there) and not wire.is_link_local(here):
        return "an address that only this machine's neighbours have"
    return ""


def _with(request: Request, header: str | None) -> Request:
    if header is None:
        return request
    return replace(request, headers={**request.headers, "Authorization": header})
