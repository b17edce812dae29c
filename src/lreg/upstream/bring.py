"""Whole images brought on request (`lreg cache`), through the fills that clients' pulls use."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lreg.client.progress import Outcome, Tally
from lreg.errors import (
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    TransferBroken,
    UpstreamFailed,
)
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.platform import Platform
from lreg.upstream.here import ABSENT_HERE
from lreg.upstream.plain import not_fetched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence

    from lreg.client.progress import Progress
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.reference import Reference
    from lreg.store.protocol import Held
    from lreg.upstream.mirror import Mirror
    from lreg.upstream.repository import CachedRepository

_DEEPEST = 4
# As deep as nobody signs what signs: with what refers to an image, what refers to that.
_MOST_SIGNED = 32


@dataclass(frozen=True, slots=True)
class Sums:
    """What bringing blobs took; one of which a part was here counts in both.

    Attributes:
        fetched: blobs that came from upstream, with the bytes that did.
        here: blobs that were here already, with the bytes that were.
    """

    fetched: Tally = field(default_factory=Tally)
    here: Tally = field(default_factory=Tally)

    def count(self, blob: Descriptor, fetched: int, outcome: Outcome) -> None:
        """Count a blob of which so many bytes came from upstream."""
        if outcome is not Outcome.SKIPPED:
            self.fetched.add(fetched)
        if fetched < blob.size or outcome is Outcome.SKIPPED:
            self.here.add(blob.size - fetched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought(Sums):
    """What bringing an image took.

    Attributes:
        root: the manifest or index that its tag means here.
        referrers: how many manifests refer to it, and are here; None: they were not asked for.
    """

    root: Descriptor
    referrers: int | None = None


async def bring(
    mirror: Mirror,
    reference: Reference,
    platforms: tuple[Platform, ...] | None,
    listener: Progress,
    *,
    referrers: bool = False,
) -> Brought:
    """Bring an image with everything that it names, and return what that took.

    A cached tag is asked about first; where upstream can't be asked, what is here stays.

    Args:
        mirror: the registry here.
        reference: the image, with its host named.
        platforms: of an index these; () the upstream's `platforms`, else this machine's; None all.
        listener: hears of every blob.
        referrers: whether to bring what refers to it and its images too, and to that.

    Raises:
        NamespaceUnknown: nothing is fetched from that host.
        ManifestUnknown: upstream does not have it, or not for that platform.
        UpstreamFailed, UpstreamDenied, TooManyRequests: it is not here, and upstream does not give
            it.
    """
    host = reference.host or ""
    name = mirror.names.upstream_name(host, reference.repository)
    if (repository := mirror.cached(name)) is None:
        raise not_fetched(str(reference), host)
    began = time.monotonic()
    root = await _current(repository, reference)
    found = [each async for each in _manifests(repository, root, platforms)]
    beside = await _referring(repository, found) if referrers else None
    brought = Brought(root=root.descriptor, referrers=None if beside is None else len(beside))
    for referrer in beside or ():
        found += [each async for each in _manifests(repository, referrer, None)]
    blobs = {blob.digest: blob for each in found for blob in each.blobs if blob.distributable}
    carrier = _Carrier(mirror, repository, listener, brought, began)
    await _all(carrier.bring(blob) for blob in blobs.values())
    return brought


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all of `work` to its end, then raise what failed first."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _current(repository: CachedRepository, reference: Reference) -> Manifest:
    selector = reference.selector
    if not isinstance(selector, Digest):
        # It is not cached yet, it is an own version, or upstream is out of reach.
        with contextlib.suppress(ManifestUnknown, UpstreamFailed):
            await repository.refresh(selector)
    if not (reference.digest and reference.tag):
        return _parsed(await repository.manifest(selector))
    # What a plain name holds is no image of this upstream, whatever its digest.
    try:
        manifest = _parsed(await repository.local.manifest(reference.digest))
    except ABSENT_HERE:
        manifest = await repository.source.fetch(reference.digest)
    await repository.source.keep(manifest, reference.tag, time.time())
    return manifest


async def _referring(repository: CachedRepository, subjects: Sequence[Manifest]) -> list[Manifest]:
    """Return what refers to the manifests, and to that, brought here; upstream is asked anew.

    What upstream lists and does not have is left out.
    """
    met = {each.digest for each in subjects}
    found: list[Manifest] = []
    for _ in range(_MOST_SIGNED):
        names: dict[Digest, Descriptor] = {}
        for subject in subjects:
            listed = await repository.referrers(subject.digest, anyway=True)
            names |= {one.digest: one for one in listed.items if one.digest not in met}
        if not names:
            return found
        met |= names.keys()
        subjects = []
        for digest in names:
            with contextlib.suppress(ManifestUnknown):
                subjects.append(_parsed(await repository.manifest(digest)))
        found += subjects
    raise ManifestInvalid(f"{repository.name}: signatures of signatures of signatures have no end")


async def _manifests(
    repository: CachedRepository,
    root: Manifest,
    platforms: tuple[Platform, ...] | None,
    depth: int = 0,
) -> AsyncIterator[Manifest]:
    """Yield an image for those platforms with its indexes; a lone image whatever it is for."""
    yield root
    if not root.is_index:
        return
    if depth == _DEEPEST:
        raise ManifestInvalid(f"{repository.name}: indexes of indexes of indexes are no image")
    wanted = platforms
    if wanted == ():
        wanted = repository.source.upstream.settings.platforms or (Platform.here(),)
    chosen = [
        child
        for child in root.children
        if child.distributable
        and (
            wanted is None
            or (child.platform and any(each.matches(child.platform) for each in wanted))
        )
    ]
    if not chosen and wanted is not None:
        offered = ", ".join(sorted({str(child.platform) for child in root.children}))
        asked = ", ".join(map(str, wanted))
        raise ManifestUnknown(
            f"{repository.name} has no image for {asked}, only for: {offered or 'none'}"
        )
    for child in chosen:
        manifest = _parsed(await repository.manifest(child.digest))
        async for each in _manifests(repository, manifest, platforms, depth + 1):
            yield each


def _parsed(held: Held) -> Manifest:
    return Manifest.parse(held.data, held.media_type, held.digest.algorithm)


class _Carrier:
    """Brings single blobs and counts them."""

    def __init__(
        self,
        mirror: Mirror,
        repository: CachedRepository,
        listener: Progress,
        brought: Brought,
        began: float,
    ) -> None:
        self._fills = mirror.fills
        self._repository = repository
        self._listener = listener
        self._brought = brought
        self._began = began

    async def bring(self, blob: Descriptor) -> None:
        """Bring one blob and tell how that goes."""
        if await self._repository.source.blobs.adopt(blob.digest):
            # The manifest's own prefetch may have been quicker.
            fetched = self._fills.brought_since(blob.digest, self._began)
            if fetched is None:
                self._done(blob, 0, Outcome.SKIPPED)
            else:
                self._listener.started(blob)
                self._done(blob, fetched, Outcome.COPIED)
            return
        self._listener.started(blob)
        fill, attempt = await self._repository.source.blobs.opened(blob)
        position = attempt.begin
        self._listener.advanced(blob, position)
        try:
            while position < blob.size:
                reached = await attempt.reach(position)
                self._listener.advanced(blob, reached - position)
                position = reached
        except TransferBroken:
            pass  # another attempt may do: the fill's end tells
        try:
            await asyncio.shield(fill.done)
        except RegistryError:
            # It may have been another repository's, which has lost it on the way.
            await self._fills.done(self._repository.source.blobs.wanted(blob))
        self._done(blob, blob.size - attempt.begin, Outcome.COPIED)

    def _done(self, blob: Descriptor, fetched: int, outcome: Outcome) -> None:
        self._brought.count(blob, fetched, outcome)
        self._listener.done(blob, outcome)
