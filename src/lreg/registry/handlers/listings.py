"""Which repositories there are, and which tags (spec, "Listing Tags"; distribution's catalog)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.registry import responses
from lreg.registry.pages import Window
from lreg.store.protocol import Page

if TYPE_CHECKING:
    from lreg.oci.reference import RepositoryName
    from lreg.registry.http.messages import Request, Response
    from lreg.registry.routes import ListRepositories, ListTags
    from lreg.store.protocol import Repositories, Repository
    from lreg.upstream.mirror import Mirror

# So many names are looked through at a time, at least.
_AT_ONCE = 1000


class Public:
    """The repositories that everybody may know of who can connect.

    Args:
        mirror: all of them.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def repository(self, name: RepositoryName) -> Repository:
        """Return a handle on a repository."""
        return self._mirror.repository(name)

    async def repositories(self, limit: int, last: str = "") -> Page[RepositoryName]:
        """Return up to `limit` of them after `last`."""
        found: list[RepositoryName] = []
        more = True
        while more and len(found) <= limit:
            page = await self._mirror.repositories(max(limit, _AT_ONCE), last)
            found += [name for name in page.items if not self._mirror.is_private(name)]
            last, more = page.items[-1].text if page.items else last, page.more
        return Page(found[:limit], len(found) > limit)


async def list_repositories(
    store: Repositories, call: ListRepositories, request: Request
) -> Response:
    """List repositories by name."""
    window = Window.of(request)
    page = await store.repositories(window.limit, window.last)
    names = [str(name) for name in page.items]
    return responses.json_body({"repositories": names}, window.links(request, page))


async def list_tags(store: Repositories, call: ListTags, request: Request) -> Response:
    """List the tags of one repository; spec, "Listing Tags"."""
    window = Window.of(request)
    page = await store.repository(call.name).tags(window.limit, window.last)
    listing = {"name": str(call.name), "tags": [str(tag) for tag in page.items]}
    return responses.json_body(listing, window.links(request, page))
