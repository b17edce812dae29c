"""What a registry that answers 401 wants, and whether it may have it (RFC 9110, 11)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lreg.client.wire import is_loopback, joined
from lreg.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 9110, 11.2: a token, then either a scheme's end or =value, quoted or not.
_PART = re.compile(
    r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)
        (?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=]+)))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header: its scheme and parameters, in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of a WWW-Authenticate header (RFC 9110, 11.6.1), in order."""
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    for match in _PART.finditer(header):
        name, quoted, plain = match.groups()
        if quoted is None and plain is None:
            parameters = {}
            challenges.append(Challenge(name.lower(), parameters))
        else:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[name.lower()] = value
    return challenges


def answerable(header: str) -> Challenge | None:
    """Return the challenge of a WWW-Authenticate header that we know an answer to, or None."""
    challenges = parse_challenges(header)
    known = (one for scheme in ("bearer", "basic") for one in challenges if one.scheme == scheme)
    return next(known, None)


def trusted_realm(realm: str, registry: str, *, insecure: bool) -> bool:
    """Return whether credentials for `registry` may be sent to `realm`; both are URLs.

    The token specification lets a registry name any realm, usually on another host. Over https a
    certificate vouches for who named it, and the realm must be https too. A registry that is
    spoken to in the clear may name an https realm, this machine if it is on it, and with `insecure`
    itself.
    """
    try:
        to, by = urlsplit(joined(registry, realm)), urlsplit(registry)
    except Unavailable:
        return False
    if (
        not to.hostname
        or to.username
        or to.password
        or not realm.startswith(("http://", "https://"))
    ):
        return False
    if to.scheme == "https":
        return True
    if to.scheme != "http" or by.scheme == "https":
        return False
    own = to.hostname == by.hostname and (insecure or is_loopback(to.hostname))
    return own or (is_loopback(to.hostname) and is_loopback(by.hostname or ""))
