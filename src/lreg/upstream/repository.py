"""A repository of an upstream, read as store.protocol.Repository says.

A tag is answered by, in this order: what was pushed under its full name; what was pushed under its
plain name, as the tools of a local registry do; what is cached, once it is fresh; upstream.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.client.referrers import fallback_tag
from lreg.errors import (
    BlobUnknown,
    ContentTooLarge,
    ManifestInvalid,
    ManifestUnknown,
    TooManyRequests,
    UpstreamDenied,
    UpstreamFailed,
)
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.store.protocol import BLOB_TYPE, Described, Held, Origin, ReferrersList
from lreg.upstream.freshness import left
from lreg.upstream.here import ABSENT_HERE, Here
from lreg.upstream.source import Verdict
from lreg.upstreams import Ttl

if TYPE_CHECKING:
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.reference import Tag
    from lreg.store.caching import CachingRepository, CachingStore, Tagged
    from lreg.store.protocol import Content, Readable
    from lreg.upstream.figures import Figures
    from lreg.upstream.freshness import Freshness
    from lreg.upstream.source import Source


class CachedRepository(Here):
    """A repository of an upstream.

    Args:
        local: the one here under its full name.
        plain: the one here under its plain name.
        source: upstream's.
        freshness: how long tags are believed.
        store: where both of them are.
        figures: where to count.
    """

    def __init__(
        self,
        local: CachingRepository,
        plain: CachingRepository,
        source: Source,
        freshness: Freshness,
        store: CachingStore,
        figures: Figures,
    ) -> None:
        super().__init__(local)
        self.source = source
        self._plain = plain
        self._freshness = freshness
        self._store = store
        self._figures = figures
        self._host = source.upstream.host

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest at once, where it lies in memory and may be given."""
        if isinstance(want, Digest):
            return self._hit(self.local.held(want) or self._plain.held(want))
        tagged = self.local.held_tag(want)
        held = self.local.held(want) if tagged and self._is_settled(want, tagged) else None
        if held is None or tagged is None or held.digest != tagged.digest:
            return None
        return self._hit(held) if tagged.record.cached else held

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob at once, where it lies in memory."""
        return self._hit(self.local.held_blob(digest) or self._plain.held_blob(digest))

    async def manifest(self, want: Tag | Digest, *, lazily: bool = False) -> Held:
        """Return the manifest, from here or from upstream.

        Args:
            want: a tag or a digest.
            lazily: whether to give up at once where upstream was out of reach a moment ago.

        Raises:
            ManifestUnknown: upstream does not have it either.
            UpstreamFailed, UpstreamDenied, TooManyRequests: it is not here, and upstream does not
                give it.
        """
        if isinstance(want, Digest):
            return await self._by_digest(want, lazily=lazily)
        tagged = await self.current(want)
        pushed = tagged is not None and not tagged.record.cached
        if pushed and (held := await _tagged_in(self.local, want)):
            return held
        if self._plain.has_tag(want) and (held := await _tagged_in(self._plain, want)):
            return held
        if tagged and not pushed:
            return await self._cached(want, tagged)
        if self._freshness.of(self.name, want).mode == "offline":
            raise UpstreamFailed(f"{self.name}:{want} is not here, and is not to be asked for")
        return await self._fetched(want, lazily=lazily)

    async def blob(self, digest: Digest) -> Readable:
        """Return the blob, from here or as it comes from upstream."""
        coming = self.source.blobs.coming(digest)
        for repository in (self.local, self._plain):
            try:
                found = await repository.blob(digest)
            except ABSENT_HERE:
                continue
            self._store.used(digest)
            self._figures.hits[self._host] += 1
            return replace(found, origin=Origin.CACHE)
        self._figures.misses[self._host] += 1
        return await self.source.blobs.read(digest, coming)

    async def peek(self, digest: Digest) -> Content:
        """Return what is known of the blob: it is here, or a manifest that is here names it.

        Nobody is asked: a client that is about to push looks for its own blobs like this.
        """
        for repository in (self.local, self._plain):
            try:
                return await repository.peek(digest)
            except ABSENT_HERE:
                continue
        if named := await self.local.names_blob(digest):
            return Described(digest, BLOB_TYPE, named.size)
        raise BlobUnknown(f"no blob {digest} in {self.name}")

    async def referrers(self, subject: Digest, *, anyway: bool = False) -> ReferrersList:
        """List what refers to a manifest: what was pushed here, and what upstream lists.

        Where upstream does not tell, and nothing is kept of what it told before, all that is known
        here is the answer, as long as that is anything, or the manifest itself is here: there are
        runtimes that ask before they pull, and give up where they get no list.

        Args:
            subject: the manifest, which need not be here.
            anyway: whether upstream itself is to be asked, and its failure to be told, even where
                what it told is believed still.

        Raises:
            UpstreamFailed, UpstreamDenied, TooManyRequests: there is no such answer.
        """
        here = await self.local.referring(subject)
        plain = await self._plain.referring(subject)
        own = {one.digest: one for one in (*plain.pushed, *here.pushed)}
        ttl = self._freshness.of(self.name, fallback_tag(subject))
        if anyway and ttl.mode != "offline":
            ttl = Ttl("always")
        elif ttl.mode == "immutable" and here.listed and not here.listed.referrers:
            # Signatures come after what they sign: that there is none changes most of all.
            ttl = self._freshness.default
        is_here = plain.is_own or (here.is_here and not anyway)
        is_enough = bool(own or here.fetched or is_here)
        try:
            there = await self.source.referrers.find(subject, here, ttl, lazily=is_enough)
        except (UpstreamFailed, UpstreamDenied, TooManyRequests):
            if not (is_enough or self.source.upstream.offline or ttl.mode == "offline"):
                raise
            there = ReferrersList(here.fetched, Origin.STALE)
        self._count(there.origin)
        found = {one.digest: one for one in there.items} | own
        return replace(there, items=[found[digest] for digest in sorted(found)])

    async def current(self, tag: Tag) -> Tagged | None:
        """Return what a tag means here, an own version that has ended taken away."""
        tagged = await self.local.tagged(tag)
        if tagged is None or tagged.record.cached:
            return tagged
        if not self._freshness.is_over(tagged.record.until):
            return tagged
        await self.local.expire(tag, time.time())
        return await self.local.tagged(tag)

    async def refresh(self, tag: Tag) -> bool:
        """Ask upstream about a cached tag now; return whether it has moved.

        Raises:
            ManifestUnknown: it is not cached, or upstream has it no more.
            UpstreamFailed: upstream could not be asked.
        """
        tagged = await self.current(tag)
        if tagged is None or not tagged.record.cached:
            raise ManifestUnknown(f"{self.name}:{tag} is not cached here")
        verdict = await self.source.check(tag, tagged, anyway=True)
        if verdict is Verdict.UNKNOWN:
            raise UpstreamFailed(f"{self._host} could not be asked: {self.source.upstream.reason}")
        return verdict is Verdict.MOVED

    async def _by_digest(self, digest: Digest, *, lazily: bool) -> Held:
        for repository in (self.local, self._plain):
            try:
                held = await repository.manifest(digest)
            except ABSENT_HERE:
                continue
            self._figures.hits[self._host] += 1
            self._prefetch(held)
            return replace(held, origin=Origin.CACHE)
        return await self._fetched(digest, lazily=lazily)

    async def _cached(self, tag: Tag, tagged: Tagged) -> Held:
        """Return what is cached, once upstream has been asked where it is to be."""
        now, origin = time.time(), Origin.CACHE
        if not self._is_fresh(tag, tagged, now) and not await self._is_current(tag, tagged):
            origin = Origin.STALE
        if (held := await _tagged_in(self.local, tag)) is None:
            return await self._fetched(tag, lazily=False)
        self._count(origin)
        self._prefetch(held)
        age = max(0.0, now - tagged.record.checked) if origin is Origin.STALE else None
        return replace(held, origin=origin, age=age)

    async def _is_current(self, tag: Tag, tagged: Tagged) -> bool:
        """Return whether upstream says what the tag means, where it can be asked.

        Raises:
            ManifestUnknown: it has the tag no more, and nobody pinned it here.
        """
        try:
            return await self.source.check(tag, tagged) is not Verdict.UNKNOWN
        except ManifestUnknown:
            if not tagged.record.pinned:
                raise
        return False

    async def _fetched(self, want: Tag | Digest, *, lazily: bool) -> Held:
        self._figures.misses[self._host] += 1
        manifest = await self.source.fetch(want, lazily=lazily)
        held = Held(manifest.digest, manifest.media_type, manifest.raw, Origin.UPSTREAM)
        tagged = None if isinstance(want, Digest) else await self.local.tagged(want)
        if tagged is None or isinstance(want, Digest) or tagged.digest == manifest.digest:
            return held
        # It was pushed meanwhile.
        return await _tagged_in(self.local, want) or held

    async def _supply(self, blob: Descriptor) -> None:
        if await self.local.mount(blob.digest, self._plain.name):
            return
        if await self.local.names_blob(blob.digest):
            await self.source.blobs.whole(blob)

    def _count(self, origin: Origin) -> None:
        """Count an answer by where it is from."""
        kind = self._figures.misses if origin is Origin.UPSTREAM else self._figures.hits
        kind[self._host] += 1
        self._figures.stale[self._host] += origin is Origin.STALE

    def _hit(self, held: Held | None) -> Held | None:
        """Count what lies in memory, and say whose it is."""
        if held is None:
            return None
        self._figures.hits[self._host] += 1
        return Held(held.digest, held.media_type, held.data, Origin.CACHE)

    def _is_settled(self, tag: Tag, tagged: Tagged) -> bool:
        """Return whether the tag means that, without anybody being asked."""
        if not tagged.record.cached:
            return not self._freshness.is_over(tagged.record.until)
        return not self._plain.has_tag(tag) and self._is_fresh(tag, tagged, time.time())

    def _is_fresh(self, tag: Tag, tagged: Tagged, now: float) -> bool:
        """Return whether a cached tag is believed, at a time in seconds since 1970."""
        # A crash may have come between what upstream said and what was made of it.
        if tagged.record.upstream not in (None, tagged.digest):
            return False
        checked = 0.0 if tagged.record.gone else tagged.record.checked
        return left(self._freshness.of(self.name, tag), checked, now) > 0

    def is_gone(self, tag: Tag, tagged: Tagged) -> bool:
        """Return whether a cached tag is given to nobody any more: upstream has deleted it."""
        record, mode = tagged.record, self._freshness.of(self.name, tag).mode
        is_asked = not self.source.upstream.offline and mode in {"seconds", "always"}
        return record.gone and record.cached and not record.pinned and is_asked

    def _prefetch(self, held: Held) -> None:
        if self.source.blobs.is_complete(held.digest):
            return
        # What a volume of another registry holds need not be a manifest that lreg knows.
        with contextlib.suppress(ManifestInvalid, ContentTooLarge):
            manifest = Manifest.parse(held.data, held.media_type, held.digest.algorithm)
            self.source.blobs.prefetch(manifest)


async def _tagged_in(repository: CachingRepository, tag: Tag) -> Held | None:
    """Return what a tag means; None where it was taken away meanwhile: it is upstream's again."""
    try:
        return await repository.manifest(tag)
    except ABSENT_HERE:
        return None
