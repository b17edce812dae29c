"""What an upstream's failure means to those who asked this registry."""

from __future__ import annotations

import re

from lreg.errors import (
    BlobUnknown,
    Denied,
    EndpointUnknown,
    LregError,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    StoreFull,
    TlsFailed,
    TooManyRequests,
    TransferBroken,
    Unauthorized,
    Unreachable,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)

# Upstream's word that there is no such thing: an answer, not a failure.
ABSENT = (ManifestUnknown, NameUnknown, BlobUnknown, EndpointUnknown)
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\")]+")
# A 401 of the upstream is none of this registry: the client would log in here, in vain.
_TOLD: tuple[tuple[tuple[type[LregError], ...], type[RegistryError]], ...] = (
    ((Unauthorized, Denied), UpstreamDenied),
    ((TooManyRequests,), TooManyRequests),
    ((Unreachable, TlsFailed), UpstreamUnreachable),
)


def translated(error: LregError, missing: type[RegistryError], host: str) -> RegistryError:
    """Return what to tell a client of this registry about an upstream's error.

    Args:
        error: what the client library or the store raised.
        missing: what a 404 means here.
        host: the upstream.
    """
    if isinstance(error, UpstreamFailed | UpstreamDenied | StoreFull):
        return error
    text = without_queries(str(error))
    text = text if host in text else f"{host}: {text}"
    if isinstance(error, ABSENT):
        return missing(text)
    kind = next((told for kinds, told in _TOLD if isinstance(error, kinds)), UpstreamFailed)
    if kind is UpstreamFailed and is_timeout(error):
        kind = UpstreamTimeout
    if not isinstance(error, RegistryError):
        return kind(text)
    return kind(text, detail=error.detail, headers=error.headers)


def without_queries(text: str) -> str:
    """Return a sentence without the queries of its URLs: a signature is for nobody else."""
    return _QUERY.sub(r"\1?…", text)


def is_timeout(error: BaseException) -> bool:
    """Return whether an error was raised because nothing came in time."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return True
        cause = cause.__cause__
    return False


def is_broken(error: LregError) -> bool:
    """Return whether trying again may help: the connection, or the upstream for a while."""
    return isinstance(error, TransferBroken | TooManyRequests) or (
        isinstance(error, RegistryError) and error.status in {502, 503, 504}
    )
