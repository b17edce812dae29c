"""Listings by pages: `n`, `last`, and the Link to what comes next (spec, "Listing Tags")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lreg.errors import PaginationInvalid

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request
    from lreg.store.protocol import Page

# A client that names no number, or a larger one, gets this many and a Link.
MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a listing that a request asks for: up to `limit` entries after `last`."""

    limit: int
    last: str

    @classmethod
    def of(cls, request: Request) -> Window:
        """Return the window of a request's parameters; raise PaginationInvalid."""
        parameters = request.parameters()
        number = parameters.get("n", [str(MAX_PAGE)])[-1]
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise PaginationInvalid(f"n={number!r:.40} is not a number of results")
        return cls(min(int(number), MAX_PAGE), parameters.get("last", [""])[-1])

    def links(self, request: Request, page: Page[object]) -> dict[str, str]:
        """Return the Link header to the next page (RFC 8288), or nothing at the end."""
        if not page.more or not self.limit:
            return {}
        query = urlencode({"n": self.limit, "last": str(page.items[-1])})
        return {"Link": f'<{request.path}?{query}>; rel="next"'}
