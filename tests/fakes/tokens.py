"""A token server and what it issued (distribution, spec/auth/token and /oauth)."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.fakes.faults import Reply

if TYPE_CHECKING:
    from tests.fakes.faults import Seen


@dataclass(slots=True)
class Tokens:
    """Issues tokens, and tells registries what a token allows.

    Attributes:
        users: passwords by name; a token for a known user allows everything it asks for.
        refresh: user names by identity token.
        anonymous: the actions that nobody needs a name for.
        life: `expires_in`, in seconds.
        issued: the scopes of every token, in the order in which they were issued.
    """

    users: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    anonymous: frozenset[str] = frozenset({"pull"})
    life: int = 300
    issued: dict[str, list[str]] = field(default_factory=dict)

    def issue(self, seen: Seen) -> Reply:
        """Answer a request to the realm."""
        known = self._is_known(seen)
        if known is None:
            return Reply(401, b'{"details":"incorrect username or password"}')
        text = seen.body.decode() if seen.method == "POST" else urlsplit(seen.target).query
        scopes = " ".join(parse_qs(text).get("scope", [])).split()
        token = secrets.token_hex(16)
        self.issued[token] = [self._granted(scope, known=known) for scope in scopes]
        key = "access_token" if seen.method == "POST" else "token"
        return Reply(200, json.dumps({key: token, "expires_in": self.life}).encode())

    def allows(self, authorization: str, kind: str, name: str, action: str) -> bool:
        """Return whether an Authorization header allows an action."""
        scheme, _, token = authorization.partition(" ")
        for scope in self.issued.get(token, []) if scheme == "Bearer" else []:
            its_kind, its_name, actions = scope.split(":")
            if (its_kind, its_name) == (kind, name) and action in actions.split(","):
                return True
        return False

    def _is_known(self, seen: Seen) -> bool | None:
        """Return whether a user asks; None where what it shows is wrong."""
        if seen.method == "POST":
            fields = parse_qs(seen.body.decode())
            return True if fields["refresh_token"][0] in self.refresh else None
        if not (header := seen.headers.get("authorization")):
            return False
        pair = base64.b64decode(header.removeprefix("Basic ")).decode()
        name, _, password = pair.partition(":")
        return True if self.users.get(name) == password else None

    def _granted(self, scope: str, *, known: bool) -> str:
        kind, name, actions = scope.split(":")
        allowed = [one for one in actions.split(",") if known or one in self.anonymous]
        return f"{kind}:{name}:{','.join(allowed)}"
