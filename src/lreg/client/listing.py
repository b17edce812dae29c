"""Listings that come in pages (distribution-spec, "Listing Tags"; distribution's catalog)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lreg.client.answers import next_page
from lreg.client.connection import Ask
from lreg.errors import EndpointUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lreg.client.auth import Scope
    from lreg.client.connection import Connection
    from lreg.client.response import Response
    from lreg.errors import RegistryError

# A page of 1000 names of 255 bytes, and room for a registry that sends more than was asked for.
_MAX_PAGE = 64 << 20


async def listing(
    connection: Connection,
    path: str,
    key: str,
    scope: Scope,
    missing: type[RegistryError] = EndpointUnknown,
) -> AsyncIterator[str]:
    """Yield the names that a listing holds under `key`, page after page.

    Raises:
        Unavailable: an answer is not a listing.
    """
    what = f"listing {key}"
    next_path: str | None = path
    seen = set()
    while next_path and next_path not in seen:
        seen.add(next_path)
        ask = Ask("GET", next_path, what, scope, missing=missing)
        async with connection.answer(ask) as response:
            fields = await read_object(response, what, _MAX_PAGE)
            next_path = next_page(response.headers)
        # A repository without tags has null for a list in Go's JSON.
        names = fields.get(key) or ()
        if not isinstance(names, list | tuple):
            raise Unavailable(f"{what}: {connection.host} did not answer with a list")
        for name in names:
            yield str(name)


async def read_object(response: Response, what: str, limit: int) -> dict[str, Any]:
    """Return the JSON object of a body; raise Unavailable where it is something else."""
    body = await response.read(limit)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Unavailable(f"{what}: {response.url} did not answer with a JSON object")
    return fields
