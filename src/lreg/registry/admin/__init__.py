"""The admin API: what lreg's own commands ask of a registry beyond the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.registry.admin import caching, facts, images
from lreg.registry.admin.routes import (
    AdminCall,
    CacheImages,
    CheckUpstreams,
    EvictImages,
    ListImages,
    ListMissing,
    ListPulls,
    ListUpstreams,
    OverrideTag,
    PinTags,
    ReadAbout,
    ReadUsage,
    RefreshTags,
    UndoOverride,
    route,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from lreg.registry.http.messages import Request, Response
    from lreg.registry.pulls import Pulls
    from lreg.upstream.mirror import Mirror

__all__ = ["AdminCall", "answer", "route"]

_HANDLERS: dict[type[AdminCall], Callable[[Mirror, Any, Request], Awaitable[Response]]] = {
    ReadAbout: facts.read_about,
    ReadUsage: facts.read_usage,
    ListUpstreams: facts.list_upstreams,
    CheckUpstreams: facts.check_upstreams,
    ListImages: images.list_images,
    PinTags: images.pin_tags,
    EvictImages: images.evict_images,
    RefreshTags: images.refresh_tags,
    OverrideTag: images.override_tag,
    UndoOverride: images.undo_override,
    CacheImages: caching.cache_images,
    ListMissing: caching.list_missing,
}


async def answer(mirror: Mirror, pulls: Pulls, call: AdminCall, request: Request) -> Response:
    """Return the response to a call that `route` gave, to who may ask for it."""
    if isinstance(call, ListPulls):
        return await facts.list_pulls(mirror, pulls, call, request)
    return await _HANDLERS[type(call)](mirror, call, request)
