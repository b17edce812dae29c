"""What a registry's refusals and Link headers mean (distribution-spec, "Error Codes")."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from lreg import errors
from lreg.client.patience import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where code and status disagree the status decides first: it is what every registry gets right.
_BY_STATUS: dict[int, type[errors.RegistryError]] = {
    401: errors.Unauthorized,
    403: errors.Denied,
    405: errors.Unsupported,
    416: errors.RangeInvalid,
    429: errors.TooManyRequests,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.StoreFull,
}
_BY_CODE: dict[str, type[errors.RegistryError]] = {
    error.code: error
    for error in (
        errors.NameInvalid,
        errors.DigestInvalid,
        errors.SizeInvalid,
        errors.ManifestInvalid,
        errors.NameUnknown,
        errors.BlobUnknown,
        errors.ManifestUnknown,
        errors.ManifestBlobUnknown,
        errors.UploadUnknown,
        errors.UploadInvalid,
        errors.Unauthorized,
        errors.Denied,
        errors.TooManyRequests,
        errors.Unavailable,
        errors.PaginationInvalid,
    )
}
# distribution's own codes for what the spec calls MANIFEST_INVALID and friends.
_BY_CODE |= {
    "MANIFEST_UNVERIFIED": errors.ManifestInvalid,
    "TAG_INVALID": errors.TagInvalid,
    "UNSUPPORTED": errors.Unsupported,
}
# A HEAD has no body, and what is no registry has no words that fit in a line.
_WORDLESS: dict[type[errors.RegistryError], str] = {
    errors.ManifestUnknown: "there is no such image",
    errors.NameUnknown: "there is no such repository",
    errors.EndpointUnknown: "it does not know this call; is it a registry?",
}
# RFC 9110, 15.4: those that name another address for the same thing.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel\s*=\s*"?next"?', re.IGNORECASE)


def error_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    what: str,
    host: str,
    missing: type[errors.RegistryError],
) -> errors.RegistryError:
    """Return the error for an answer of 400 or more.

    Args:
        status: the answer's status.
        headers: its headers.
        body: its body, JSON by the spec and anything at all in practice.
        what: the thing asked for, in words.
        host: the registry.
        missing: the error that a 404 without a usable code means here.
    """
    code, words, detail = _first_error(body)
    kind = kind_of(status, code, missing)
    if status == 404 and not code:
        words = words or _WORDLESS.get(kind, "")
    if status in REDIRECTS:
        words = "it sends us on without an end, or to nowhere"
    said = f"{host} says {status}" + (f" {code}" if code else "") + (f": {words}" if words else "")
    message = f"{what}: {said}"
    asked = retry_after(headers.get("Retry-After"), headers.get("Date"))
    wait = "" if asked is None else str(math.ceil(asked))
    if kind is errors.TooManyRequests and wait:
        message += f"; it asks to wait {wait} s"
    if kind is errors.Unauthorized:
        message += f" (log in with `docker login {host}`)"
    error = kind(message, detail=detail, headers={"Retry-After": wait} if wait else None)
    error.told = code
    return error


def kind_of(
    status: int, code: str, missing: type[errors.RegistryError] = errors.EndpointUnknown
) -> type[errors.RegistryError]:
    """Return the class for a status and a code; `missing` for a 404 without a usable one."""
    if kind := _BY_STATUS.get(status):
        return kind
    if status >= 500:
        return errors.Unavailable
    return _BY_CODE.get(code, missing if status == 404 else errors.RegistryError)


def _first_error(body: bytes) -> tuple[str, str, object]:
    """Return code, message and detail of the body's first error."""
    try:
        answer: Any = json.loads(body)
        first = answer["errors"][0]
        code, message = str(first.get("code", "")), str(first.get("message", ""))
        return code, _printable(message), first.get("detail")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # A gateway's page says nothing that fits in a line.
        text = body.decode(errors="replace").strip()
        return "", "" if text.startswith("<") else _printable(text.partition("\n")[0]), None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:300])


def next_page(headers: Mapping[str, str]) -> str | None:
    """Return the URL of a listing's next page (RFC 8288; distribution-spec, "Listing Tags")."""
    match = _NEXT.search(headers.get("Link", ""))
    return match[1] if match else None
