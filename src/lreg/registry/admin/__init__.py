"""The admin API: what lreg's own commands ask of a registry beyond the spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.admin.values import Sightings
from lreg.registry.admin import bodies, caching, facts, images
from lreg.registry.admin.routes import (
    AdminCall,
    AdoptImage,
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
    ReadCanary,
    ReadUsage,
    RefreshTags,
    UndoOverride,
    route,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from lreg.registry.canaries import Canaries
    from lreg.registry.http.messages import Request, Response
    from lreg.registry.pulls import Pulls
    from lreg.upstream.mirror import Mirror

__all__ = ["AdminCall", "Known", "answer", "route"]

_HANDLERS: dict[type[AdminCall], Callable[[Mirror, Any, Request], Awaitable[Response]]] = {
    ReadAbout: facts.read_about,
    ReadUsage: facts.read_usage,
    ListUpstreams: facts.list_upstreams,
    CheckUpstreams: facts.check_upstreams,
    ListImages: images.list_images,
    PinTags: images.pin_tags,
    EvictImages: images.evict_images,
    RefreshTags: images.refresh_tags,
    AdoptImage: images.adopt_image,
    OverrideTag: images.override_tag,
    UndoOverride: images.undo_override,
    CacheImages: caching.cache_images,
    ListMissing: caching.list_missing,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the API tells of: the images, who pulled them, who asked for canaries."""

    mirror: Mirror
    pulls: Pulls
    canaries: Canaries


async def answer(known: Known, call: AdminCall, request: Request) -> Response:
    """Return the response to a call that `route` gave, to who may ask for it."""
    match call:
        case ListPulls():
            return await facts.list_pulls(known.mirror, known.pulls, call, request)
        case ReadCanary(nonce):
            return bodies.write(Sightings(known.canaries.sightings(nonce)))
    return await _HANDLERS[type(call)](known.mirror, call, request)
