"""Tokens: how a registry is told who asks.

distribution's token specification (spec/auth/token, /oauth, /scope) and RFC 9110, 11. One
`Authorizer` belongs to one registry: what it holds is sent to that registry's origin only, and
credentials leave it for no place that `trusted_realm` refuses.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from lreg.client.answers import error_of
from lreg.client.challenges import answerable, trusted_realm
from lreg.client.wire import Request
from lreg.errors import LregError, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.client.challenges import Challenge
    from lreg.client.credentials import Credentials, Keyring
    from lreg.client.transport import Transport

# A token without an expiry is good for this many seconds (token spec, "expires_in").
_DEFAULT_LIFE = 60.0
# A token this near to its end is not used any more.
_MARGIN = 5.0
_MAX_TOKEN = 1 << 20
# What is remembered of more repositories than this is forgotten: it can be found out again.
_MOST_SCOPES = 4096
_CLIENT = "lreg"
_REFUSED = frozenset({400, 401, 403})
# What reading an answer that is something else raises.
_NO_TOKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token must allow (distribution, spec/auth/scope).

    Attributes:
        texts: such as `repository:library/alpine:pull`, one or more.
        repository: whose credentials are to be used, or None for those of the whole registry.
    """

    texts: tuple[str, ...] = ()
    repository: str | None = None

    @classmethod
    def of(cls, repository: object, *actions: str, mount: object = None) -> Scope:
        """Return the scope of `actions` in a repository, and of a pull from another for a mount."""
        texts = [f"repository:{repository}:{','.join(actions)}"]
        if mount is not None:
            texts.append(f"repository:{mount}:pull")
        return cls(tuple(texts), str(repository))

    def joined(self, more: Iterable[str]) -> Scope:
        """Return this scope with what a registry asked for besides."""
        return Scope(tuple(dict.fromkeys((*self.texts, *more))), self.repository)


NO_SCOPE = Scope()
CATALOG = Scope(("registry:catalog:*",))


@dataclass(slots=True)
class _Token:
    text: str = field(repr=False)
    ends: float


class Authorizer:
    """Finds the Authorization header for one registry, and keeps its tokens until they end.

    Args:
        host: what the registry is called in credential files.
        keyring: where credentials come from.
        transport: to reach the realm.
        insecure: whether this registry need not be trusted over TLS.
    """

    def __init__(
        self, host: str, keyring: Keyring, transport: Transport, *, insecure: bool
    ) -> None:
        self._host = host
        self._keyring = keyring
        self._transport = transport
        self._insecure = insecure
        self._registry = ""
        # What one repository demands is nobody else's; what a token was got for is likely to be.
        self._usual: Challenge | None = None
        self._demanded: dict[Scope, Challenge] = {}
        self._tokens: dict[Scope, _Token] = {}
        self._wanted: dict[Scope, Scope] = {}
        self._locks: dict[Scope, asyncio.Lock] = {}
        self._found: dict[str | None, Credentials | None] = {}

    def learn(self, registry: str, header: str) -> bool:
        """Take what the registry at URL `registry` demands; return whether it can be answered."""
        self._registry = registry
        self._usual = answerable(header)
        return self._usual is not None

    async def header(self, scope: Scope) -> str | None:
        """Return the Authorization header for `scope`, or None where there is nothing to show.

        Raises:
            Unauthorized: the realm refused, or is not one that may be asked.
        """
        challenge = self._demanded.get(scope, self._usual)
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return await self._basic(scope)
        self._tidy()
        wanted = self._wanted.get(scope, scope)
        async with self._locks.setdefault(wanted, asyncio.Lock()):
            now = time.monotonic()
            self._tokens = {for_: token for for_, token in self._tokens.items() if token.ends > now}
            if wanted not in self._tokens:
                try:
                    self._tokens[wanted] = await self._fetch(wanted, challenge)
                except LregError:
                    # The registry is to say again what it wants: this may have been a gateway.
                    self._forget(scope, challenge)
                    raise
                self._usual = challenge
            return f"Bearer {self._tokens[wanted].text}"

    async def _basic(self, scope: Scope) -> str | None:
        credentials = await self._credentials(scope.repository)
        if credentials is None or not credentials.username:
            return None
        if not trusted_realm(self._registry, self._registry, insecure=self._insecure):
            raise Unauthorized(
                f"{self._host} asks for a login in plain HTTP: refused; --insecure sends it yours"
            )
        return basic(credentials)

    def _forget(self, scope: Scope, challenge: Challenge) -> None:
        self._demanded.pop(scope, None)
        if self._usual == challenge:
            self._usual = None

    def refused(self, registry: str, header: str, scope: Scope, shown: str | None) -> bool:
        """Take note of a 401; return whether another Authorization may be worth a try.

        Args:
            registry: the registry's URL.
            header: its WWW-Authenticate header.
            scope: what the request needed.
            shown: the Authorization header that was refused, None where there was none.
        """
        self._registry = registry
        challenge = answerable(header)
        if challenge is None:
            return False
        self._demanded[scope] = challenge
        wanted = self._wanted.get(scope, scope)
        token = self._tokens.get(wanted)
        # Another request may have been refused before and got a new one since.
        if token and shown == f"Bearer {token.text}":
            del self._tokens[wanted]
        if shown and shown.startswith("Basic "):
            self._found.pop(scope.repository, None)
        self._wanted[scope] = scope.joined(challenge.parameters.get("scope", "").split())
        return True

    def _tidy(self) -> None:
        if max(len(self._locks), len(self._wanted), len(self._found)) > _MOST_SCOPES:
            self._locks = {scope: lock for scope, lock in self._locks.items() if lock.locked()}
            self._wanted.clear()
            self._demanded.clear()
            self._found.clear()

    async def _credentials(self, repository: str | None) -> Credentials | None:
        """Return the keyring's answer, kept until it is refused: it may take a helper program."""
        if repository not in self._found:
            self._found[repository] = await self._keyring.find(self._host, repository)
        return self._found[repository]

    async def _fetch(self, scope: Scope, challenge: Challenge) -> _Token:
        realm = challenge.parameters.get("realm", "")
        credentials = await self._credentials(scope.repository)
        # Who has none gives nothing away by asking the registry itself in the clear.
        insecure = self._insecure or credentials is None
        if not trusted_realm(realm, self._registry, insecure=insecure):
            raise Unauthorized(
                f"{self._host} asks to fetch tokens from {realm!r:.200}: refused, because that is "
                "not an https address; --insecure sends it your login in plain HTTP"
            )
        service = challenge.parameters.get("service", "")
        status, headers, body = await self._ask_realm(realm, service, scope, credentials)
        if status in _REFUSED and credentials:
            # A password may have been changed, or have been for some hours only.
            self._found.pop(scope.repository, None)
            before, credentials = credentials, await self._credentials(scope.repository)
            if credentials != before:
                asked = await self._ask_realm(realm, service, scope, credentials)
                status, headers, body = asked
        if status == 429 or status >= 500:
            # That says nothing of who asks: later it may do.
            place, what = urlsplit(realm).netloc, f"a token for {self._host}"
            raise error_of(status, headers, body, what=what, host=place, missing=Unauthorized)
        if status != 200:
            whose = f"the credentials for {self._host}" if credentials else "no credentials"
            raise Unauthorized(
                f"{urlsplit(realm).netloc} gave no token for {' '.join(scope.texts)} "
                f"(status {status}, asked with {whose}): log in with `docker login {self._host}`"
            )
        return _parse_token(body, realm)

    async def _ask_realm(
        self, realm: str, service: str, scope: Scope, credentials: Credentials | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of the realm's answer."""
        request = self._token_request(realm, {"service": service}, scope, credentials)
        async with self._transport.exchange(request) as response:
            return response.status, response.headers, await response.read(_MAX_TOKEN)

    def _token_request(
        self, realm: str, fields: dict[str, str], scope: Scope, credentials: Credentials | None
    ) -> Request:
        same_host = urlsplit(realm).hostname == urlsplit(self._registry).hostname
        verify = not (self._insecure and same_host)
        if credentials and credentials.identity_token:
            # spec/auth/oauth: the scopes are one field, separated by spaces.
            fields |= {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT,
                "scope": " ".join(scope.texts),
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", realm, headers, urlencode(fields).encode(), verify=verify)
        headers = {}
        if credentials:
            headers["Authorization"] = basic(credentials)
            fields["account"] = credentials.username
        query = urlencode([*fields.items(), *(("scope", text) for text in scope.texts)])
        mark = "&" if urlsplit(realm).query else "?"
        return Request("GET", f"{realm}{mark}{query}", headers, verify=verify)


def basic(credentials: Credentials) -> str:
    """Return the Authorization header of RFC 7617."""
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _parse_token(body: bytes, realm: str) -> _Token:
    try:
        answer: Any = json.loads(body)
        text = answer.get("token") or answer["access_token"]
        life = float(answer.get("expires_in") or _DEFAULT_LIFE)
    except _NO_TOKEN as error:
        raise Unauthorized(f"{urlsplit(realm).netloc} answered without a token") from error
    if not isinstance(text, str) or not text.isprintable() or not text.isascii():
        raise Unauthorized(f"{urlsplit(realm).netloc} answered with a token that is no text")
    return _Token(text, time.monotonic() + max(life - _MARGIN, 0.0))
