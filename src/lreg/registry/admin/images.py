"""The images that are here: listed, kept, dropped, replaced, asked about anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lreg.admin.values import (
    Adoption,
    Images,
    ImageState,
    Override,
    Pattern,
    Refreshed,
    Touched,
    Trouble,
)
from lreg.errors import BadRequest, LregError, ManifestUnknown
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import Reference
from lreg.registry.admin import bodies
from lreg.registry.admin.selecting import (
    Describer,
    Image,
    called_here,
    images_of,
    name_of,
    select,
)
from lreg.upstream.contents import Contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.reference import RepositoryName, Tag
    from lreg.registry.admin.routes import (
        AdoptImage,
        EvictImages,
        ListImages,
        OverrideTag,
        PinTags,
        RefreshTags,
        UndoOverride,
    )
    from lreg.registry.http.messages import Request, Response
    from lreg.store.caching import Holding
    from lreg.upstream.mirror import Mirror
    from lreg.upstream.repository import CachedRepository

# So many tags are asked about at a time.
_PARALLEL = 8


async def list_images(mirror: Mirror, call: ListImages, request: Request) -> Response:
    """List every tag and where it is from."""
    prefix = request.parameters().get("prefix", [""])[-1]
    describer = await Describer.of(mirror, prefix)
    # Tens of thousands of tags take a second.
    return await asyncio.to_thread(lambda: bodies.write(Images(tuple(describer.all(prefix)))))


async def pin_tags(mirror: Mirror, call: PinTags, request: Request) -> Response:
    """Keep images from eviction, or give them free."""
    asked = await bodies.read(request, Pattern)
    found = await select(mirror, asked.pattern)
    for name, tag, _ in found:
        await mirror.local.repository(name).pin(tag, call.pinned)
    return bodies.write(Touched(tuple(map(name_of, found))))


async def evict_images(mirror: Mirror, call: EvictImages, request: Request) -> Response:
    """Drop the blobs of cached images, but what other images that are here need."""
    asked = await bodies.read(request, Pattern)
    found = [
        image
        for image in await select(mirror, asked.pattern)
        if image[2].record.cached and not image[2].record.pinned
    ]
    going, holdings = await _blobs(mirror, found), await mirror.local.holdings()
    staying = await _blobs(mirror, _neighbours(found, going, holdings))
    freed = await mirror.local.evict(going - staying, idle=0.0)
    return bodies.write(Touched(tuple(map(name_of, found)), freed))


def _neighbours(
    found: Sequence[Image], going: set[Digest], holdings: Sequence[Holding]
) -> list[Image]:
    """Return the other tags of the repositories that hold any of the blobs."""
    leaving = {(name, tag) for name, tag, _ in found}
    return [
        (one.repository, tag, tagged)
        for one in holdings
        if not going.isdisjoint(one.blobs)
        for tag, tagged in one.tags.items()
        if (one.repository, tag) not in leaving
    ]


async def _blobs(mirror: Mirror, images: Sequence[Image]) -> set[Digest]:
    contents = Contents(referrers=True)
    for name, _, tagged in images:
        await contents.add(mirror.local.repository(name), tagged.digest)
    return set(contents.blobs)


async def refresh_tags(mirror: Mirror, call: RefreshTags, request: Request) -> Response:
    """Ask upstream what cached tags mean now: those that match, or all of them."""
    asked = await bodies.read(request, Pattern)
    pattern = asked.pattern
    found = await (select(mirror, pattern) if pattern else images_of(mirror.local))
    cached = [image for image in found if image[2].record.cached]
    return bodies.later(lambda: _refresh(mirror, cached))


async def _refresh(mirror: Mirror, images: Sequence[Image]) -> Refreshed:
    slots = asyncio.Semaphore(_PARALLEL)

    async def moved(image: Image) -> bool | Trouble:
        name, tag, _ = image
        async with slots:
            if (repository := mirror.cached(name)) is None:
                return Trouble(name_of(image), "its upstream is no longer on the list")
            try:
                return await _refreshed(repository, tag)
            except LregError as error:
                return Trouble(name_of(image), str(error))

    outcomes = await asyncio.gather(*map(moved, images))
    pairs = list(zip(images, outcomes, strict=True))
    return Refreshed(
        moved=tuple(name_of(image) for image, outcome in pairs if outcome is True),
        same=sum(outcome is False for outcome in outcomes),
        failed=tuple(outcome for outcome in outcomes if isinstance(outcome, Trouble)),
    )


async def _refreshed(repository: CachedRepository, tag: Tag) -> bool:
    """Ask upstream about a tag, and for what it lists as referring to it; return if it moved."""
    has_moved = await repository.refresh(tag)
    if tagged := await repository.local.tagged(tag):
        await repository.source.referrers.renew(tagged.digest)
    return has_moved


async def adopt_image(mirror: Mirror, call: AdoptImage, request: Request) -> Response:
    """Let a tag mean a manifest that is here, as if upstream had just given it; never a pushed one.

    When upstream was asked is not known: it is asked once it can be.
    """
    asked = await bodies.read(request, Adoption)
    name, tag = _named(mirror, asked.image)
    if mirror.cached(name) is None:
        raise BadRequest(f"{asked.image}: no upstream is behind it, so it has to be pushed")
    repository = mirror.local.repository(name)
    held = await repository.manifest(Digest.parse(asked.digest))
    manifest = Manifest.parse(held.data, held.media_type, held.digest.algorithm)
    await repository.put_fetched(manifest, tag, checked=0.0)
    return await _told(mirror, name, tag)


async def override_tag(mirror: Mirror, call: OverrideTag, request: Request) -> Response:
    """Say until when the version counts that was pushed over an upstream's."""
    asked = await bodies.read(request, Override)
    name, tag = _named(mirror, asked.image)
    if asked.until is not None and mirror.cached(name) is None:
        raise BadRequest(
            f"{asked.image}: no upstream is behind this name that counts when its time is over: "
            "give the upstream's, such as docker.io/library/alpine:3.8"
        )
    await mirror.local.repository(name).set_until(tag, asked.until)
    return await _told(mirror, name, tag)


async def undo_override(mirror: Mirror, call: UndoOverride, request: Request) -> Response:
    """Take the version away that was pushed over an upstream's."""
    asked = await bodies.read(request, Override)
    name, tag = _named(mirror, asked.image)
    if mirror.cached(name) is None:
        raise ManifestUnknown(
            f"{asked.image}: there is no upstream behind it; `lreg rm` removes it"
        )
    await mirror.local.repository(name).undo(tag)
    return await _told(mirror, name, tag)


async def _told(mirror: Mirror, name: RepositoryName, tag: Tag) -> Response:
    """Return the response that says what a tag means now."""
    tagged = await mirror.local.repository(name).tagged(tag)
    if tagged is None:
        return bodies.write(ImageState(name.text, tag.text))
    return bodies.write(Describer(mirror, {}).one(name, tag, tagged))


def _named(mirror: Mirror, text: str) -> tuple[RepositoryName, Tag]:
    """Return the repository and the tag of an image as it is called here."""
    reference = Reference.parse(text)
    if reference.digest or reference.tag is None:
        raise ManifestUnknown(f"{text!r:.300}: give the repository and a tag")
    return called_here(mirror, reference), reference.tag
