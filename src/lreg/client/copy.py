"""Copying an image from one repository to another, or from anywhere to one, byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from lreg.client.blobs import RemoteBlob
from lreg.client.progress import Copied, Outcome, Silent
from lreg.client.watching import Watched, WatchedBlob
from lreg.errors import ManifestInvalid, ManifestUnknown, NameUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import (
        Coroutine,
        Iterable,
        Sequence,
    )

    from lreg.client.progress import Progress
    from lreg.client.repository import RemoteRepository
    from lreg.client.watching import Content
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Tag


# An index of indexes with signatures of signatures: ten times what anybody makes.
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Options:
    """How to copy.

    Attributes:
        platform: of an index only this platform's image; None for all of it.
        referrers: also what refers to the image: signatures, SBOMs, and what refers to those.
        parallel: how many blobs move at a time.
        ask: whether to ask in the usual way what the target has. One that caches another registry
            may say that of what it would have to fetch: without `ask` only what it keeps counts,
            and manifests are always pushed.
    """

    platform: Platform | None = None
    referrers: bool = False
    parallel: int = 4
    ask: bool = True


async def copy_image(
    source: RemoteRepository,
    selector: Tag | Digest,
    target: RemoteRepository,
    tag: Tag | None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy what `selector` means in `source` to `target`, under `tag` or by digest alone.

    Digests are kept: every manifest arrives byte for byte. A platform of an index is copied as
    that platform's own manifest, which then stands under the tag (an index that names images
    which are not there is never made). Blobs that the target has are skipped, blobs that another
    repository of the same registry has are mounted, the rest are streamed, several at a time.
    Children go before their index and the tag comes last, so a copy that breaks off leaves no
    tag on half an image; done again it goes on where it was.

    Raises:
        ManifestUnknown: the source has no such image, or not for that platform.
        DigestInvalid, SizeInvalid: the source sent something else than its manifests name.
    """
    options = options or Options()
    root = await find_image(source, selector, options.platform)
    plan = _Plan(source, referrers=options.referrers)
    await plan.add(root)
    copied = Copied(root=root.descriptor, referrers=plan.referring)
    copier = _Copier(target, options, progress or Silent(), copied)
    await copier.blobs((blob, source.blob(blob)) for blob in plan.blobs.values())
    await copier.manifests(plan.manifests.values(), root, tag)
    return copier.copied


async def push_image(
    blobs: Iterable[tuple[Descriptor, Content]],
    manifests: Sequence[Manifest],
    target: RemoteRepository,
    tag: Tag | None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Push an image that lies in no registry, in the order and manner of `copy_image`.

    Args:
        blobs: what the manifests name and a registry must hold; the registry verifies it. What
            another repository of it has (a RemoteBlob) is mounted from there.
        manifests: children before their index, the whole last.
        target: where to.
        tag: what it is to be called there; None: by digest alone.
        options: `platform` and `referrers` have no meaning here.
        progress: hears of it.

    Raises what iterating a blob raises.
    """
    root = manifests[-1]
    copier = _Copier(
        target, options or Options(), progress or Silent(), Copied(root=root.descriptor)
    )
    await copier.blobs(blobs)
    await copier.manifests(manifests, root, tag)
    return copier.copied


async def manifests_of(source: RemoteRepository, root: Manifest) -> tuple[Manifest, ...]:
    """Return what an image consists of: its manifests, children before their index, `root` last."""
    plan = _Plan(source, referrers=False)
    await plan.add(root)
    return tuple(plan.manifests.values())


async def find_image(
    source: RemoteRepository, selector: Tag | Digest, platform: Platform | None
) -> Manifest:
    """Return what `selector` means: of an index only the image for a platform, where one is given.

    Raises:
        ManifestUnknown: the source has no such image, or not for that platform.
    """
    root = await source.manifest(selector)
    if platform and root.is_index:
        return await _of_platform(source, root, platform)
    return root


async def _of_platform(source: RemoteRepository, index: Manifest, platform: Platform) -> Manifest:
    offered = [child for child in index.children if child.platform]
    for child in offered:
        if child.platform and platform.matches(child.platform):
            return await source.manifest(child.digest)
    names = ", ".join(sorted({str(child.platform) for child in offered}))
    raise ManifestUnknown(
        f"{source.host}/{source.name} has no image for {platform}, only for: {names or 'none'}"
    )


async def _together(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all of `work`; what fails first ends the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


class _Plan:
    """Everything that belongs to an image, each piece once.

    Attributes:
        manifests: in the order in which they can be pushed: children, the index, its referrers.
        blobs: what the manifests name and a registry must hold.
        referring: how many of the manifests are here because they refer to others.
    """

    def __init__(self, source: RemoteRepository, *, referrers: bool) -> None:
        self.manifests: dict[Digest, Manifest] = {}
        self.blobs: dict[Digest, Descriptor] = {}
        self.referring = 0
        self._source = source
        self._referrers = referrers
        self._met: set[Digest] = set()

    async def add(self, manifest: Manifest, depth: int = 0) -> None:
        """Add the manifest, what it names and, where wanted, what refers to it."""
        if depth > _MAX_DEPTH:
            raise ManifestInvalid(f"what {self._source.name} names lies too deep in one another")
        self._met.add(manifest.digest)
        for child in manifest.children:
            if child.digest not in self._met and child.distributable:
                await self.add(await self._source.manifest(child.digest), depth + 1)
        self.manifests[manifest.digest] = manifest
        self.blobs |= {blob.digest: blob for blob in manifest.blobs if blob.distributable}
        if self._referrers:
            for referrer in await self._source.referrers(manifest.digest):
                if referrer.digest not in self._met:
                    self.referring += 1
                    await self.add(await self._source.manifest(referrer.digest), depth + 1)


class _Copier:
    """Moves single pieces, and counts what became of them."""

    def __init__(
        self, target: RemoteRepository, options: Options, progress: Progress, copied: Copied
    ) -> None:
        self.copied = copied
        self._ask = options.ask
        self._slots = asyncio.Semaphore(options.parallel)
        self._target = target
        self._progress = progress

    async def blobs(self, blobs: Iterable[tuple[Descriptor, Content]]) -> None:
        """Bring blobs to the target, several at a time, each in one of the three ways."""
        await _together([self._blob(blob, content) for blob, content in blobs])

    async def manifests(
        self, manifests: Iterable[Manifest], root: Manifest, tag: Tag | None
    ) -> None:
        """Bring manifests to the target in their order, under the tag the root, last."""
        for manifest in manifests:
            if manifest.digest != root.digest or tag is None:
                await self._manifest(manifest, manifest.digest)
        if tag is not None:
            await self._manifest(root, tag)

    async def _blob(self, blob: Descriptor, content: Content) -> None:
        async with self._slots:
            self._done(blob, await self._bring(blob, content))

    async def _bring(self, blob: Descriptor, content: Content) -> Outcome:
        if await self._has(blob):
            return Outcome.SKIPPED
        if self._is_beside(content) and await self._target.mount(
            blob.digest, content.repository.name
        ):
            return Outcome.MOUNTED
        watched = (
            WatchedBlob(content, blob, self._progress)
            if isinstance(content, RemoteBlob)
            else Watched(content, blob, self._progress)
        )
        await self._target.push_blob(blob, watched)
        return Outcome.COPIED

    async def _has(self, blob: Descriptor) -> bool:
        if self._ask:
            return await self._target.has_blob(blob.digest)
        return await self._target.keeps(blob.digest)

    def _is_beside(self, content: Content) -> TypeGuard[RemoteBlob]:
        """Return whether another repository of the target's registry has it."""
        return isinstance(content, RemoteBlob) and content.repository.host == self._target.host

    async def _manifest(self, manifest: Manifest, selector: Tag | Digest) -> None:
        descriptor = manifest.descriptor
        if self._ask and await self._means(selector) == manifest.digest:
            return self._done(descriptor, Outcome.SKIPPED)
        self._progress.started(descriptor)
        await self._target.put_manifest(manifest, selector)
        self._progress.advanced(descriptor, descriptor.size)
        return self._done(descriptor, Outcome.COPIED)

    async def _means(self, selector: Tag | Digest) -> Digest | None:
        try:
            return (await self._target.resolve(selector)).digest
        # A cache in front of a registry that is out of reach can't say what that has there.
        except (ManifestUnknown, NameUnknown, Unavailable):
            return None

    def _done(self, descriptor: Descriptor, outcome: Outcome) -> None:
        self.copied.count(descriptor, outcome)
        self._progress.done(descriptor, outcome)
