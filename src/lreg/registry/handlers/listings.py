"""Which repositories there are, and which tags (spec, "Listing Tags"; distribution's catalog)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.registry import responses
from lreg.registry.pages import Window

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request, Response
    from lreg.registry.routes import ListRepositories, ListTags
    from lreg.store.protocol import Repositories


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
