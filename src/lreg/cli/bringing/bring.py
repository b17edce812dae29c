"""How `lreg cache` brings images: by the fills of an lreg, or by copies into another registry."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lreg.admin.events import Advanced, Brought, Count, Done, End, Failed, Started
from lreg.admin.values import ALL_PLATFORMS, Wanted, WantedImages
from lreg.client.answers import kind_of
from lreg.client.copy import Options, copy_image
from lreg.client.progress import Outcome, Together
from lreg.errors import LregError, UsageError
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from lreg.admin.events import Event
    from lreg.cli.registries.remote import Registries
    from lreg.client.admin import Admin
    from lreg.client.progress import Progress, Tally


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that is not there now: why, and what exit code that is."""

    image: str
    why: str
    exit_code: int = 1


@dataclass(slots=True)
class Bringing:
    """What became of the images that were wanted.

    Attributes:
        brought: those that are there now.
        failed: those that are not.
        end: what all of it took.
    """

    brought: list[Brought] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    end: End = field(default_factory=lambda: End(Count(), Count(), 0.0))

    def sort(self, wanted: WantedImages) -> None:
        """Put the images into the order in which they were wanted."""
        places = {image.image: place for place, image in enumerate(wanted.images)}
        self.brought.sort(key=lambda one: places.get(one.image, -1))
        self.failed.sort(key=lambda one: places.get(one.image, -1))


async def by_fills(
    admin: Admin, wanted: WantedImages, progress: Progress, stop_at: Container[str] = ()
) -> Bringing:
    """Have an lreg bring the images, and show what it tells.

    Args:
        admin: the lreg.
        wanted: the images.
        progress: shows it.
        stop_at: begin no more where one of these fails.
    """
    bringing = Bringing()
    moving: dict[str, Descriptor] = {}
    async with aclosing(admin.cache(wanted)) as events:
        async for event in events:
            _show(event, moving, progress)
            match event:
                case Brought():
                    bringing.brought.append(event)
                case Failed(image, message, code, status):
                    kind = kind_of(status, code)
                    bringing.failed.append(Failure(image, message, kind.exit_code))
                    if image in stop_at:
                        break
                case End():
                    bringing.end = event
    bringing.sort(wanted)
    return bringing


def _show(event: Event, moving: dict[str, Descriptor], progress: Progress) -> None:
    match event:
        case Started() | Done():
            descriptor = Descriptor(event.media_type, Digest.parse(event.digest), event.size)
            if isinstance(event, Started):
                moving[event.digest] = descriptor
                progress.started(descriptor)
            else:
                progress.done(descriptor, Outcome(event.outcome))
        case Advanced() if event.digest in moving:
            progress.advanced(moving[event.digest], event.count)


async def by_copies(
    registries: Registries, wanted: WantedImages, progress: Progress, stop_at: Container[str] = ()
) -> Bringing:
    """Copy the images into the local registry, each under the name that it has in its own.

    Args:
        registries: theirs and the local one.
        wanted: the images.
        progress: shows it.
        stop_at: begin no more where one of these fails.
    """
    begin = time.monotonic()
    slots, together, bringing = asyncio.Semaphore(wanted.jobs), Together(), Bringing()

    async def bring(image: Wanted) -> None:
        async with slots:
            if any(one.image in stop_at for one in bringing.failed):
                return
            try:
                watched = together.one(progress)
                brought = await _copy(registries, image, watched, referrers=wanted.referrers)
                bringing.brought.append(brought)
            except LregError as error:
                bringing.failed.append(Failure(image.image, str(error), error.exit_code))

    await asyncio.gather(*map(bring, wanted.images))
    bringing.sort(wanted)
    fetched = _sum([one.fetched for one in bringing.brought])
    here = _sum([one.here for one in bringing.brought])
    bringing.end = End(fetched, here, time.monotonic() - begin)
    return bringing


async def _copy(
    registries: Registries, wanted: Wanted, progress: Progress, *, referrers: bool
) -> Brought:
    begin = time.monotonic()
    source = Reference.parse(wanted.image)
    target = Reference(registries.local_host, source.repository)
    copied = await copy_image(
        await registries.repository(source),
        source.selector,
        await registries.repository(target),
        source.tag,
        options=Options(platform=_one_platform(wanted), referrers=referrers),
        progress=progress,
    )
    here = Count(
        copied.mounted.count + copied.skipped.count, copied.mounted.size + copied.skipped.size
    )
    seconds = time.monotonic() - begin
    return Brought(
        wanted.image,
        str(copied.root.digest),
        _count(copied.copied),
        here,
        round(seconds, 3),
        copied.referrers if referrers else None,
    )


def _one_platform(wanted: Wanted) -> Platform | None:
    """Return the platform to copy, None for all of an index.

    Raises:
        UsageError: there are several: an index with some images missing can't be pushed.
    """
    platforms = wanted.platforms
    # An index that is named by its digest has to come whole.
    if ALL_PLATFORMS in platforms or Reference.parse(wanted.image).digest:
        return None
    if len(platforms) > 1:
        raise UsageError("the registry here is not an lreg: name one --platform, or all of them")
    return Platform.parse(platforms[0]) if platforms else Platform.here()


def _count(tally: Tally) -> Count:
    return Count(tally.count, tally.size)


def _sum(counts: Sequence[Count]) -> Count:
    return Count(sum(one.count for one in counts), sum(one.size for one in counts))
