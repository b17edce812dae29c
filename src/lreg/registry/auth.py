"""Who may write: htpasswd users and a generated token, by Basic or by a signed Bearer token.

Reading is open. Clients log in because of what `/v2/` answers, so that is where they are asked to;
they get a token with or without credentials (distribution's token specification), and only one
got with credentials lets them write.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import time
from typing import TYPE_CHECKING

import bcrypt

from lreg.errors import Unauthorized, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.registry.http.messages import Request

log = logging.getLogger(__name__)

TOKEN_USER = "lreg"  # noqa: S105 - a user name
# crypt(5): the cost, 22 characters of salt and 31 of hash.
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}", re.ASCII)
_LIFETIME = 300
# Checking a bcrypt hash takes a tenth of a second by design: a right answer is remembered for a
# while, as its SHA-256, never the password.
_REMEMBERED = 60.0
_MAX_REMEMBERED = 1024


class Accounts:
    """The names and passwords that may write: an htpasswd file, a generated token, or both."""

    def __init__(self, htpasswd: Path | None, token_file: Path | None) -> None:
        """Take users from `htpasswd`, read anew when it changes, and the hash of a token.

        Raises:
            UsageError: the htpasswd file can't be read or has lines that are not bcrypt.
        """
        self._htpasswd = htpasswd
        self._token_hash = token_file.read_bytes().strip() if token_file else b""
        self._users: dict[str, bytes] = {}
        self._stamp: object = None
        self._remembered: dict[bytes, float] = {}
        self._read()

    async def check(self, basic: str) -> str | None:
        """Return the user of a Basic credential (base64 of `user:password`).

        Returns:
            None where it is empty: containers/image sends that when it has none.

        Raises:
            Unauthorized: they are wrong.
        """
        try:
            user, colon, password = base64.b64decode(basic, validate=True).decode().partition(":")
        except ValueError:
            raise Unauthorized("the Authorization header is not well-formed Basic") from None
        if not user and not password:
            return None
        self._refresh()
        key = hashlib.sha256(f"{user}{colon}{password}".encode()).digest()
        if self._remembered.get(key, 0) > time.monotonic():
            return user
        if not await asyncio.to_thread(self._matches, user, password.encode()):
            raise Unauthorized("the user name or the password is wrong")
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = time.monotonic() + _REMEMBERED
        return user

    def _matches(self, user: str, password: bytes) -> bool:
        digest = hashlib.sha256(password).hexdigest().encode()
        if self._token_hash and hmac.compare_digest(digest, self._token_hash):
            return True
        if not self._users:
            return False
        # An unknown user costs as much time as a known one; bcrypt sees 72 bytes.
        known = self._users.get(user)
        right = bcrypt.checkpw(password[:72], known or next(iter(self._users.values())))
        return known is not None and right

    def _refresh(self) -> None:
        """Read the file again if it has changed; where it can't be read, what was known stays."""
        try:
            self._read()
        except UsageError as error:
            log.warning("htpasswd.unreadable", extra={"error": str(error)})

    def _read(self) -> None:
        """Read the htpasswd file if it has changed."""
        if self._htpasswd is None:
            return
        try:
            stat = os.stat(self._htpasswd)
            stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if stamp == self._stamp:
                return
            lines = self._htpasswd.read_text().splitlines()
        except OSError as error:
            raise UsageError(f"{self._htpasswd}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{self._htpasswd}: not text: make it with `htpasswd -B`") from None
        users = {}
        for number, line in enumerate(lines, 1):
            user, _, hashed = line.strip().partition(":")
            if not user or user.startswith("#"):
                continue
            if not _BCRYPT.fullmatch(hashed):
                raise UsageError(
                    f"{self._htpasswd}:{number}: not a bcrypt hash: make it with `htpasswd -B`"
                )
            users[user] = hashed.encode()
        self._users, self._stamp = users, stamp
        self._remembered.clear()


class Policy:
    """What a request may do.

    Writing is open where only this machine can connect, and where it was said to be.
    """

    def __init__(self, accounts: Accounts, *, open_to_all: bool) -> None:
        """Ask `accounts`, or nobody where writing is open to all."""
        self._accounts = accounts
        self._open = open_to_all
        # Tokens live for minutes: after a restart a client just fetches another.
        self._key = secrets.token_bytes(32)

    def is_open(self, request: Request) -> bool:
        """Return whether this request may write without credentials.

        A page in a browser on this machine can send here too, by rebinding a name of its own if
        need be. Browsers tell so in Origin (Fetch standard, 3.1); registries' clients never do.
        """
        return (self._open or request.endpoint.trusted) and "origin" not in request.headers

    async def require_writer(self, request: Request, scope: str = "") -> None:
        """Raise Unauthorized, with the challenge to answer, unless the request may write.

        Args:
            request: with its Authorization header.
            scope: what the token should be for, such as `repository:a/b:pull,push`.
        """
        if not await self.is_writer(request, scope):
            raise self._challenge(request, scope, "this needs credentials: log in first")

    async def is_writer(self, request: Request, scope: str = "") -> bool:
        """Return whether the request may write: everybody on loopback, else who has logged in.

        Raises:
            Unauthorized: its credentials are wrong, or its token has ended.
        """
        if self.is_open(request):
            return True
        kind, _, credential = request.headers.get("authorization", "").partition(" ")
        try:
            match kind.lower():
                case "basic":
                    return await self._accounts.check(credential.strip()) is not None
                case "bearer":
                    return self._token_writes(credential.strip())
        except Unauthorized as error:
            raise self._challenge(request, scope, str(error)) from None
        return False

    async def greet(self, request: Request) -> None:
        """Raise Unauthorized where `/v2/` should make a client ask for a token, or try again."""
        kind, _, credential = request.headers.get("authorization", "").partition(" ")
        if self.is_open(request):
            return
        try:
            match kind.lower():
                case "basic":
                    await self._accounts.check(credential.strip())
                    return
                case "bearer" if self._claims(credential.strip()):
                    return
        except Unauthorized as error:
            raise self._challenge(request, "", str(error)) from None
        raise self._challenge(request, "", "get a token first, with or without credentials")

    async def token(self, request: Request) -> dict[str, object]:
        """Return a token and its lifetime in seconds; raise Unauthorized for wrong credentials."""
        user = None
        kind, _, credential = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                user = await self._accounts.check(credential.strip())
            except Unauthorized as error:
                raise Unauthorized(
                    str(error), headers={"WWW-Authenticate": 'Basic realm="lreg"'}
                ) from None
        token = self._sign({"sub": user, "exp": time.time() + _LIFETIME})
        return {"token": token, "access_token": token, "expires_in": _LIFETIME}

    def _challenge(self, request: Request, scope: str, message: str) -> Unauthorized:
        host = request.headers.get("host", "")
        scheme = "https" if request.endpoint.tls else "http"
        challenge = f'Bearer realm="{scheme}://{host}/token",service="lreg"'
        if scope:
            challenge += f',scope="{scope}"'
        if request.headers.get("authorization", "").lower().startswith("bearer"):
            challenge += ',error="invalid_token"'
        return Unauthorized(message, headers={"WWW-Authenticate": challenge})

    def _sign(self, claims: dict[str, object]) -> str:
        body = base64.urlsafe_b64encode(json.dumps(claims).encode())
        return f"{body.decode()}.{self._signature(body)}"

    def _signature(self, body: bytes) -> str:
        return hmac.new(self._key, body, hashlib.sha256).hexdigest()

    def _claims(self, token: str) -> dict[str, object] | None:
        """Return what a token of ours that is still good says, else None."""
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(self._signature(body.encode()).encode(), signature.encode()):
            return None
        claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(body))
        expires, now = claims["exp"], time.time()
        # One that is good for much longer was made before the clock was set back.
        good = isinstance(expires, float) and now < expires < now + 2 * _LIFETIME
        return claims if good else None

    def _token_writes(self, token: str) -> bool:
        if (claims := self._claims(token)) is None:
            raise Unauthorized("the token has ended, or is none of this registry's: get another")
        return claims["sub"] is not None


def ensure_token(file: Path) -> str | None:
    """Make a token for writing where there is none yet; only its hash is kept.

    Args:
        file: where the SHA-256 of the token lies, in hexadecimal.

    Returns:
        The token if it was made just now: it can't be told again.
    """
    token = secrets.token_urlsafe(24)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    with os.fdopen(fd, "w") as stream:
        stream.write(hashlib.sha256(token.encode()).hexdigest() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return token
