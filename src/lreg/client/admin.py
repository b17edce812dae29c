"""The admin API of an lreg (lreg.admin), as a client of it sees it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from lreg.admin.codec import decode, decode_event, encode
from lreg.admin.events import End, Event
from lreg.admin.values import (
    PREFIX,
    About,
    Adoption,
    Check,
    Images,
    ImageState,
    Missing,
    MissingImages,
    Override,
    Pattern,
    Pull,
    Refreshed,
    Sighting,
    Sightings,
    Touched,
    Upstreams,
    UpstreamState,
    Usage,
    WantedImages,
)
from lreg.client.connection import Ask
from lreg.errors import EndpointUnknown, TransferBroken, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from msgspec import Struct

    from lreg.client.connection import Connection
    from lreg.client.registry import Registry
    from lreg.client.response import Response

T = TypeVar("T")

_MAX_ANSWER = 256 << 20
# Other registries refuse a path that is not in the spec in ways of their own.
_REFUSALS = frozenset(range(400, 500))


class Admin:
    """The admin API of one lreg, valid as long as its Registry is open.

    Every method may raise what `Registry` says; EndpointUnknown or Unavailable where the lreg there
    is too old or too new for it.

    Attributes:
        host: the registry's name, as in a reference.
        about: what it is.
    """

    def __init__(self, connection: Connection, about: About) -> None:
        self.host = connection.host
        self.about = about
        self._connection = connection

    @classmethod
    async def find(cls, registry: Registry) -> Admin | None:
        """Return the admin API of a registry; None where it is no lreg."""
        connection = registry.connection
        ask = Ask("GET", PREFIX, "the admin API", allow=_REFUSALS)
        async with connection.answer(ask) as response:
            if response.status != 200:
                return None
            try:
                return cls(connection, await _read(About, response, ask.what))
            except (Unavailable, TransferBroken):
                return None

    async def images(self, prefix: str = "") -> tuple[ImageState, ...]:
        """Return every tag of the repositories whose names begin with `prefix`."""
        found = await self._get(Images, "images", "listing images", prefix=prefix)
        return found.images

    def cache(self, wanted: WantedImages) -> AsyncGenerator[Event, None]:
        """Bring images; yield what happens, as it happens, the End last.

        Raises:
            TransferBroken: the stream ended before that.
        """
        return self._stream(self._post_ask("cache", wanted, "caching"))

    async def missing(self, wanted: WantedImages) -> tuple[Missing, ...]:
        """Return which of the images are not wholly there."""
        found = await self._post(MissingImages, "missing", wanted, "looking for images")
        return found.missing

    async def refresh(self, pattern: str = "") -> Refreshed:
        """Ask upstream what the cached tags that match mean now; "" is all of them."""
        return await self._post(Refreshed, "refresh", Pattern(pattern), "refreshing")

    async def pin(self, pattern: str, *, pinned: bool) -> Touched:
        """Keep images from eviction, or give them free; raise ManifestUnknown for none."""
        path = "pin" if pinned else "unpin"
        return await self._post(Touched, path, Pattern(pattern), f"{path}ning {pattern}")

    async def evict(self, pattern: str) -> Touched:
        """Drop the cached content of images; raise ManifestUnknown where none matches."""
        return await self._post(Touched, "evict", Pattern(pattern), f"evicting {pattern}")

    async def adopt(self, image: str, digest: str) -> ImageState:
        """Let an upstream's tag mean a manifest that was pushed by its digest, and be cached.

        Returns:
            What the tag means now: where an own version was pushed, that still.
        """
        return await self._post(ImageState, "adopt", Adoption(image, digest), f"keeping {image}")

    async def override(self, image: str, until: float | None) -> ImageState:
        """Let an own version end at a time, or never; return what the tag means.

        Raises:
            ManifestUnknown: no own version was pushed there.
        """
        what = f"overriding {image}"
        return await self._post(ImageState, "override", Override(image, until), what)

    async def undo(self, image: str) -> ImageState:
        """Take an own version away; return what the tag means now: nothing, or upstream's."""
        return await self._post(ImageState, "undo", Override(image), f"returning to {image}")

    async def usage(self) -> Usage:
        """Return what the store takes."""
        return await self._get(Usage, "usage", "measuring the store")

    async def sightings(self, nonce: str) -> tuple[Sighting, ...]:
        """Return who asked for the canary of a nonce, oldest first; this needs no login."""
        found = await self._get(Sightings, f"canaries/{nonce}", "asking for a canary")
        return found.seen

    async def pulls(self, seconds: float) -> list[Pull]:
        """Return what was pulled in the last so many seconds, oldest first."""
        ask = self._ask("GET", f"pulls?{urlencode({'since': f'{seconds:.3f}'})}", "reading pulls")
        async with self._connection.answer(ask) as response:
            return [_decoded(Pull, line, ask.what) async for line in _lines(response)]

    async def upstreams(self) -> tuple[UpstreamState, ...]:
        """Return how the upstreams were when they were last asked for something."""
        return (await self._get(Upstreams, "upstreams", "listing upstreams")).upstreams

    async def check(self, host: str = "") -> tuple[UpstreamState, ...]:
        """Have the upstreams asked now, or one of them; raise NameUnknown where it is none."""
        found = await self._post(Upstreams, "upstreams/check", Check(host), "checking upstreams")
        return found.upstreams

    async def _get(self, kind: type[T], path: str, what: str, **parameters: str) -> T:
        query = f"?{urlencode(parameters)}" if any(parameters.values()) else ""
        async with self._connection.answer(self._ask("GET", f"{path}{query}", what)) as response:
            return await _read(kind, response, what)

    async def _post(self, kind: type[T], path: str, value: Struct, what: str) -> T:
        async with self._connection.answer(self._post_ask(path, value, what)) as response:
            return await _read(kind, response, what)

    @staticmethod
    def _ask(method: str, path: str, what: str, body: bytes | None = None) -> Ask:
        headers = {"Content-Type": "application/json"} if body else None
        return Ask(
            method, f"{PREFIX}/{path}", what, headers=headers, body=body, missing=EndpointUnknown
        )

    def _post_ask(self, path: str, value: Struct, what: str) -> Ask:
        return self._ask("POST", path, what, encode(value))

    async def _stream(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with self._connection.answer(ask) as response:
            async for line in _lines(response):
                try:
                    event = decode_event(line)
                except ValueError as error:
                    raise _strange(ask.what, str(error)) from error
                yield event
                if isinstance(event, End):
                    return
        raise TransferBroken(f"{self.host} broke off before all images were there: try again")


async def _lines(response: Response) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a body as they arrive; empty ones only show that it lives."""
    rest = b""
    async with aclosing(response.arriving()) as pieces:
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in filter(None, lines):
                yield line
    if rest:
        yield rest


async def _read(kind: type[T], response: Response, what: str) -> T:
    return _decoded(kind, await response.read(_MAX_ANSWER), what)


def _decoded(kind: type[T], raw: bytes, what: str) -> T:
    try:
        return decode(kind, raw)
    except ValueError as error:
        raise _strange(what, str(error)) from error


def _strange(what: str, why: str) -> Unavailable:
    return Unavailable(f"{what}: the lreg there is of another version: {why}")
