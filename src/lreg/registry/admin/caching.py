"""Bringing images from upstream, told of as it goes; and what of some images is not here."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.admin.events import Advanced, Brought, Count, Done, End, Failed, Started
from lreg.admin.values import ALL_PLATFORMS, Missing, MissingImages, WantedImages
from lreg.client.progress import Outcome, Tally, Together
from lreg.errors import BadRequest, LregError, RegistryError, TransferBroken
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference, canonical_host
from lreg.registry.admin import bodies
from lreg.registry.admin.selecting import called_here
from lreg.upstream.bring import Sums, bring
from lreg.upstream.contents import Contents

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from lreg.admin.events import Event
    from lreg.admin.values import Wanted
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName
    from lreg.registry.admin.routes import CacheImages, ListMissing
    from lreg.registry.http.messages import Request, Response
    from lreg.upstream.mirror import Mirror

# Events wait for others for so many seconds: a fast fill would make thousands of them.
_GATHER = 0.05


async def cache_images(mirror: Mirror, call: CacheImages, request: Request) -> Response:
    """Bring images; what happens goes out as it happens, one event a line."""
    wanted = await bodies.read(request, WantedImages)
    if wanted.jobs < 1:
        raise BadRequest(f"{wanted.jobs} images at a time would be none")
    return bodies.streamed(Stream(mirror, wanted).lines())


class Stream:
    """Brings images and gives the events of it.

    Args:
        mirror: the registry.
        wanted: the images.
    """

    def __init__(self, mirror: Mirror, wanted: WantedImages) -> None:
        self._mirror = mirror
        self._wanted = wanted
        self._slots = asyncio.Semaphore(wanted.jobs)
        self._together = Together()
        self._events: list[Event] = []
        self._advanced: dict[Digest, int] = {}
        self._news = asyncio.Event()
        self._begin = time.monotonic()
        self._sums = Sums()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the events, each a line, the End last; an empty one where nothing happens."""
        work = asyncio.gather(*map(self._bring, self._wanted.images))
        work.add_done_callback(lambda _: self._news.set())
        try:
            while not work.done():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), bodies.PULSE)
                yield self._drained() or b"\n"
                await asyncio.wait({work}, timeout=_GATHER)
            await work
            end = End(
                _count(self._sums.fetched), _count(self._sums.here), self._seconds(self._begin)
            )
            yield self._drained() + bodies.line(end)
        finally:
            # The blobs of an image that was begun come all the same; the images that wait for
            # their turn do not.
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def tell(self, event: Event) -> None:
        """Have an event sent."""
        self._events.append(event)
        self._news.set()

    def advance(self, digest: Digest, count: int) -> None:
        """Have it told that so many more bytes of a blob came."""
        self._advanced[digest] = self._advanced.get(digest, 0) + count
        self._news.set()

    def flush(self) -> None:
        """Put what came into its place among the events."""
        for digest, count in self._advanced.items():
            self._events.append(Advanced(str(digest), count))
        self._advanced.clear()

    def _drained(self) -> bytes:
        self.flush()
        self._news.clear()
        events, self._events = self._events, []
        return b"".join(map(bodies.line, events))

    async def _bring(self, wanted: Wanted) -> None:
        async with self._slots:
            begin = time.monotonic()
            try:
                image = Reference.parse(wanted.image).familiar()
                image = replace(image, host=canonical_host(image.host or ""))
                progress = self._together.one(_Told(self, wanted.image))
                brought = await bring(
                    self._mirror,
                    image,
                    _platforms(wanted),
                    progress,
                    referrers=self._wanted.referrers,
                )
            except LregError as error:
                self.tell(_failed(wanted.image, error))
                return
            fetched, here = _count(brought.fetched), _count(brought.here)
            digest = str(brought.root.digest)
            self.tell(
                Brought(
                    wanted.image, digest, fetched, here, self._seconds(begin), brought.referrers
                )
            )

    def count(self, blob: Descriptor, outcome: Outcome) -> None:
        """Count a blob for the End: once, however many images have it."""
        came = self._mirror.fills.brought_since(blob.digest, self._begin)
        fetched = 0 if outcome is Outcome.SKIPPED else blob.size if came is None else came
        self._sums.count(blob, fetched, outcome)

    @staticmethod
    def _seconds(begin: float) -> float:
        return round(time.monotonic() - begin, 3)


class _Told:
    """Tells of one image's blobs."""

    def __init__(self, stream: Stream, image: str) -> None:
        self._stream = stream
        self._image = image

    def started(self, descriptor: Descriptor) -> None:
        """Tell that its bytes begin to move."""
        self._stream.flush()
        digest = str(descriptor.digest)
        self._stream.tell(Started(self._image, digest, descriptor.size, descriptor.media_type))

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """Tell how many came, with the next events."""
        self._stream.advance(descriptor.digest, count)

    def done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Tell that it is here."""
        self._stream.count(descriptor, outcome)
        self._stream.flush()
        digest, kind = str(descriptor.digest), descriptor.media_type
        self._stream.tell(Done(self._image, digest, descriptor.size, outcome, kind))


def _failed(image: str, error: LregError) -> Failed:
    match error:
        case RegistryError():
            return Failed(image, str(error), error.code, error.status)
        case TransferBroken():
            return Failed(image, str(error), "UNAVAILABLE", 502)
        case _:
            return Failed(image, str(error), "UNSUPPORTED", 400)


def _platforms(wanted: Wanted) -> tuple[Platform, ...] | None:
    """Return which images of an index are wanted; () is for the settings to say, None is all."""
    if ALL_PLATFORMS in wanted.platforms:
        return None
    return tuple(map(Platform.parse, wanted.platforms))


def _count(tally: Tally) -> Count:
    return Count(tally.count, tally.size)


async def list_missing(mirror: Mirror, call: ListMissing, request: Request) -> Response:
    """Tell which images are not wholly here; nobody else is asked."""
    wanted = await bodies.read(request, WantedImages)
    blobs = {one.repository.text: one.blobs for one in await mirror.local.holdings()}
    found = []
    for one in wanted.images:
        reference = Reference.parse(one.image)
        name = called_here(mirror, reference)
        if why := await _lack(mirror, name, reference, one, blobs.get(name.text, {})):
            found.append(Missing(one.image, why))
    return bodies.write(MissingImages(tuple(found)))


async def _lack(
    mirror: Mirror,
    name: RepositoryName,
    reference: Reference,
    wanted: Wanted,
    here: Mapping[Digest, int],
) -> str:
    """Return what is missing of an image, in words; "" for nothing."""
    repository = mirror.local.repository(name)
    tagged = await repository.tagged(reference.tag) if reference.tag else None
    if tagged and not tagged.record.cached:
        # An own version stands in front of it; it was whole when it was pushed.
        return ""
    digest = reference.digest or (tagged.digest if tagged else None)
    cached = mirror.cached(name)
    contents = Contents()
    if digest:
        await contents.add(repository, digest, _platforms_here(mirror, name, wanted))
    lacking = [blob.size for found, blob in contents.blobs.items() if found not in here]
    if not contents.manifests:
        why = "it is not here"
    elif contents.absent or lacking:
        why = f"{len(contents.absent) + len(lacking)} pieces are not here, {sum(lacking)} bytes"
    elif reference.tag and tagged is None:
        why = "its tag is not here"
    elif reference.tag and tagged and cached and cached.is_gone(reference.tag, tagged):
        why = f"gone upstream: `lreg pin {name}:{reference.tag}` keeps it"
    else:
        moved = tagged and tagged.digest != digest
        why = f"its tag means sha256:{tagged.digest.short}" if tagged and moved else ""
    return why


def _platforms_here(
    mirror: Mirror, name: RepositoryName, wanted: Wanted
) -> tuple[Platform, ...] | None:
    """Return which images of an index should be here, None for all."""
    platforms = _platforms(wanted)
    if platforms != ():
        return platforms
    upstream = mirror.upstream_of(name)
    return (upstream.settings.platforms if upstream else ()) or (Platform.here(),)
