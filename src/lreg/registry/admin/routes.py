"""From a request line to a call of the admin API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from lreg.admin.values import PREFIX
from lreg.errors import EndpointUnknown, Unsupported


@dataclass(frozen=True, slots=True)
class AdminCall:
    """What a request asks for.

    Attributes:
        is_open: whether whoever can connect may ask for it; else only who may write.
    """

    is_open: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ReadAbout(AdminCall):
    """What is this registry? So that a client knows it for an lreg."""

    is_open = True


@dataclass(frozen=True, slots=True)
class ListImages(AdminCall):
    """Which tags are there, and where is each from?"""


@dataclass(frozen=True, slots=True)
class ListMissing(AdminCall):
    """Which of these images are not wholly there?"""


@dataclass(frozen=True, slots=True)
class ReadUsage(AdminCall):
    """What does the store take?"""


@dataclass(frozen=True, slots=True)
class ListPulls(AdminCall):
    """What was pulled, by whom?"""


@dataclass(frozen=True, slots=True)
class ReadCanary(AdminCall):
    """Who asked for this canary? Only who made the nonce up can know it."""

    is_open = True

    nonce: str


@dataclass(frozen=True, slots=True)
class ListUpstreams(AdminCall):
    """How are the upstreams?"""


@dataclass(frozen=True, slots=True)
class CheckUpstreams(AdminCall):
    """Ask them now."""


@dataclass(frozen=True, slots=True)
class CacheImages(AdminCall):
    """Bring images from upstream."""


@dataclass(frozen=True, slots=True)
class RefreshTags(AdminCall):
    """Ask upstream now what tags mean."""


@dataclass(frozen=True, slots=True)
class PinTags(AdminCall):
    """Keep images from eviction, or no more."""

    pinned: bool


@dataclass(frozen=True, slots=True)
class EvictImages(AdminCall):
    """Drop cached content."""


@dataclass(frozen=True, slots=True)
class AdoptImage(AdminCall):
    """Take what was pushed by its digest for what upstream has."""


@dataclass(frozen=True, slots=True)
class OverrideTag(AdminCall):
    """Say until when an own version counts."""


@dataclass(frozen=True, slots=True)
class UndoOverride(AdminCall):
    """Take an own version away."""


_CANARY = re.compile(r"canaries/([0-9a-f]{32})")
_CALLS: dict[tuple[str, str], AdminCall] = {
    ("GET", ""): ReadAbout(),
    ("GET", "images"): ListImages(),
    ("POST", "missing"): ListMissing(),
    ("GET", "usage"): ReadUsage(),
    ("GET", "pulls"): ListPulls(),
    ("GET", "upstreams"): ListUpstreams(),
    ("POST", "upstreams/check"): CheckUpstreams(),
    ("POST", "cache"): CacheImages(),
    ("POST", "refresh"): RefreshTags(),
    ("POST", "pin"): PinTags(pinned=True),
    ("POST", "unpin"): PinTags(pinned=False),
    ("POST", "evict"): EvictImages(),
    ("POST", "adopt"): AdoptImage(),
    ("POST", "override"): OverrideTag(),
    ("POST", "undo"): UndoOverride(),
}


@lru_cache(maxsize=64)
def route(method: str, path: str) -> AdminCall | None:
    """Return what a request asks of the admin API, None where its path is of none of it.

    Raises:
        EndpointUnknown: nothing is at this path of the API.
        Unsupported: something is, but not for this method.
    """
    if path != PREFIX and not path.startswith(f"{PREFIX}/"):
        return None
    tail = path.removeprefix(PREFIX).removeprefix("/")
    if method in ("GET", "HEAD") and (match := _CANARY.fullmatch(tail)):
        return ReadCanary(match[1])
    if call := _CALLS.get(("GET" if method == "HEAD" else method, tail)):
        return call
    allowed = [other for other, known in _CALLS if known == tail]
    if not allowed:
        raise EndpointUnknown(f"the admin API has nothing at {path!r:.300}")
    if allowed == ["GET"]:
        allowed.append("HEAD")
    raise Unsupported(f"{method:.20} is not supported here", headers={"Allow": ", ".join(allowed)})
