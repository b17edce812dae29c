"""One repository at its upstream: asked, fetched from, and remembered.

Whatever is asked of upstream is asked once, however many wait for it, and goes on to its end even
where they leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from enum import Enum
from typing import TYPE_CHECKING

from lreg.errors import (
    BlobUnknown,
    LregError,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    StoreFull,
    UploadUnknown,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.store.protocol import BLOB_TYPE, Growing
from lreg.upstream.dial import State
from lreg.upstream.fill import Wanted
from lreg.upstream.memory import Lately, Once
from lreg.upstream.trouble import ABSENT, translated

if TYPE_CHECKING:
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import CachingRepository, Tagged
    from lreg.store.protocol import Readable
    from lreg.upstream.dial import Upstream
    from lreg.upstream.fill import Attempt, Fill
    from lreg.upstream.fills import Fills

log = logging.getLogger(__name__)

# For so long upstream's 404 is believed, and a check that failed counts as one; in seconds.
_ABSENT_SECONDS = 20.0
_FAILED_SECONDS = 60.0
# So often it is looked whether the blobs of an image are all here.
_LOOKED_SECONDS = 30.0
# A client that could be answered from here waits no longer than this for a check.
_CHECK_SECONDS = 10.0
# An image has some dozens of layers; what says that it has thousands is not brought unasked.
_MOST_PREFETCHED = 256


class Verdict(Enum):
    """What came of asking upstream about a tag."""

    CURRENT = "what is here is upstream's"
    MOVED = "it was another, which is here now"
    UNKNOWN = "upstream could not be asked"


class Source:
    """Where the content of one cached repository comes from.

    Args:
        upstream: the registry.
        path: the repository's name there.
        local: the repository here.
        fills: brings blobs.
        prefetch: whether the blobs of an image are brought before they are asked for.
        guarded: whether some of what the store has is not for everybody: then upstream is asked
            whether a blob is its own, before one that came from elsewhere is given out here.
    """

    def __init__(
        self,
        upstream: Upstream,
        path: RepositoryName,
        local: CachingRepository,
        fills: Fills,
        *,
        prefetch: bool,
        guarded: bool,
    ) -> None:
        self.upstream = upstream
        self._path = path
        self._local = local
        self._fills = fills
        self._prefetch = prefetch
        self._guarded = guarded
        self._fetching: Once[Tag | Digest, Manifest] = Once()
        self._checking: Once[Tag, Verdict] = Once()
        self._bringing: Once[Digest, None] = Once()
        self._absent: Lately[Tag | Digest, RegistryError] = Lately()
        self._lacking: Lately[Digest, BlobUnknown] = Lately()
        self._failed: Lately[Tag, bool] = Lately()
        self._named: Lately[Digest, Descriptor] = Lately()
        self._looked: Lately[Digest, bool] = Lately()
        self._ours: Lately[Digest, bool] = Lately()

    async def fetch(self, want: Tag | Digest, *, lazily: bool = False) -> Manifest:
        """Return upstream's manifest, which is stored here by then.

        Args:
            want: a tag, or a digest.
            lazily: whether to give up at once where upstream was out of reach a moment ago.

        Raises:
            ManifestUnknown: upstream does not have it.
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not give it.
        """
        if error := self._absent.recall(want):
            raise error.with_traceback(None)
        self._respect(lazily=lazily)
        return await self._fetching.result(want, lambda: self._fetch(want, None))

    async def check(self, tag: Tag, tagged: Tagged, *, anyway: bool = False) -> Verdict:
        """Ask upstream, by HEAD, whether a cached tag is still what it was.

        Args:
            tag: the tag.
            tagged: what it means here.
            anyway: whether to ask even where that failed a moment ago.

        Raises:
            ManifestUnknown: upstream has it no more.
        """
        if self.upstream.offline:
            return Verdict.UNKNOWN
        if not anyway:
            if error := self._absent.recall(tag):
                raise error.with_traceback(None)
            if self.upstream.resting or self._failed.recall(tag):
                return Verdict.UNKNOWN
        return await self._checking.result(tag, lambda: self._check(tag, tagged))

    async def blob(self, digest: Digest) -> Readable:
        """Return a blob that is not here yet: from elsewhere in the store, or as it comes.

        Raises:
            BlobUnknown: upstream does not have it.
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not give it.
        """
        if error := self._lacking.recall(digest):
            raise error.with_traceback(None)
        if await self._adopt(digest):
            return await self._local.blob(digest)
        self._respect(lazily=False)
        try:
            _, attempt = await self._fills.opened(await self._wanted(digest))
            descriptor = attempt.partial.open()
        except BlobUnknown as error:
            self._lacking.remember(digest, error, _ABSENT_SECONDS)
            raise
        except UploadUnknown as error:
            raise UpstreamFailed(f"{self.upstream.host} sent a wrong blob {digest}") from error
        return Growing(digest, BLOB_TYPE, attempt.size or 0, descriptor, attempt.reach)

    async def whole(self, blob: Descriptor) -> None:
        """Return once a blob of a manifest that is here is here as well, or can't be had."""
        if not await self._adopt(blob.digest):
            with contextlib.suppress(RegistryError):
                await self._fills.done(self.wanted(blob))

    async def opened(self, blob: Descriptor) -> tuple[Fill, Attempt]:
        """Have a blob of a manifest that is here brought in its turn; return how it begins.

        Raises:
            BlobUnknown, UpstreamFailed, UpstreamDenied, TooManyRequests: it does not.
        """
        return await self._fills.opened(self.wanted(blob), background=True)

    def wanted(self, blob: Descriptor) -> Wanted:
        """Return what to bring for a blob that a manifest of this repository names."""
        return Wanted(blob.digest, blob.size, self.upstream, self._path, self._local)

    def is_complete(self, digest: Digest) -> bool:
        """Return whether it was looked lately that the blobs of a manifest come."""
        return self._looked.recall(digest) is True

    def prefetch(self, manifest: Manifest) -> None:
        """Have the blobs of an image brought, those that are not here, its config first."""
        for blob in manifest.blobs:
            self._named.remember(blob.digest, blob)
        if not self._prefetch or not manifest.blobs or self.upstream.resting:
            return
        if not self.is_complete(manifest.digest):
            self._bringing.start(manifest.digest, lambda: self._bring_missing(manifest))

    async def _bring_missing(self, manifest: Manifest) -> None:
        self._looked.remember(manifest.digest, True, _LOOKED_SECONDS)
        for blob in manifest.blobs[:_MOST_PREFETCHED]:
            if blob.distributable and not await self._adopt(blob.digest):
                try:
                    self._fills.start(self.wanted(blob), background=True)
                except RegistryError:
                    return

    async def _adopt(self, digest: Digest) -> bool:
        """Link a blob that the store has from elsewhere; return whether it is here now."""
        if self._guarded and not await self._is_ours(digest):
            return False
        return await self._local.adopt(digest)

    async def _is_ours(self, digest: Digest) -> bool:
        """Return whether upstream gives us the blob for this repository, as far as it tells."""
        if self._ours.recall(digest):
            return True
        with contextlib.suppress(RegistryError):
            if await self._has_blob(digest):
                self._ours.remember(digest, True, _LOOKED_SECONDS)
                return True
        return False

    def _respect(self, *, lazily: bool) -> None:
        """Raise where upstream is not to be asked now."""
        upstream = self.upstream
        if upstream.offline:
            raise UpstreamUnreachable(
                f"{upstream.host}/{self._path}: this is not here, and {upstream.host} is not "
                "asked: this registry is offline"
            )
        upstream.respect()
        if lazily and upstream.resting and upstream.state is State.UNREACHABLE:
            raise UpstreamUnreachable(upstream.reason)

    async def _fetch(self, want: Tag | Digest, tag: Tag | None) -> Manifest:
        """Get a manifest and store it, under `want` or `tag` where one of them is a tag."""
        begin = time.time()
        try:
            async with self.upstream.repository(self._path) as remote:
                manifest = await remote.manifest(want)
        except LregError as error:
            problem = translated(error, ManifestUnknown, self.upstream.host)
            if isinstance(problem, ManifestUnknown):
                self._absent.remember(want, problem, _ABSENT_SECONDS)
            raise problem from error
        target = tag if isinstance(want, Digest) else want
        await self._keep(manifest, target, begin)
        self.prefetch(manifest)
        return manifest

    async def _keep(self, manifest: Manifest, tag: Tag | None, checked: float) -> None:
        try:
            await self._local.put_fetched(manifest, tag, checked, adopt=not self._guarded)
        except StoreFull as error:
            # Who asked can have it all the same.
            log.warning("manifest.not_kept", extra={"error": str(error)})

    async def _check(self, tag: Tag, tagged: Tagged) -> Verdict:
        begin = time.time()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                async with self.upstream.repository(self._path) as remote:
                    there = (await remote.resolve(tag)).digest
                if there == tagged.digest:
                    await self._local.note_checked(tag, there, begin)
                    return Verdict.CURRENT
                await self._move(tag, there, begin)
        except ABSENT as error:
            problem = ManifestUnknown(str(error))
            self._absent.remember(tag, problem, _ABSENT_SECONDS)
            raise problem from error
        except (LregError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                error = UpstreamTimeout(f"{self.upstream.host} does not answer")
                self.upstream.note(error)
            fields = {"image": f"{self.upstream.host}/{self._path}:{tag}", "error": str(error)}
            log.warning("tag.not_checked", extra=fields)
            self._failed.remember(tag, True, _FAILED_SECONDS)
            return Verdict.UNKNOWN
        return Verdict.MOVED

    async def _move(self, tag: Tag, digest: Digest, checked: float) -> None:
        """Let a tag mean another manifest, which may be here already."""
        try:
            held = await self._local.manifest(digest)
        except (ManifestUnknown, NameUnknown):
            await self._fetch(digest, tag)
        else:
            manifest = Manifest.parse(held.data, held.media_type, digest.algorithm)
            await self._local.put_fetched(manifest, tag, checked, adopt=not self._guarded)

    async def _wanted(self, digest: Digest) -> Wanted:
        """Return what to bring for a digest that a client may have: upstream says so.

        Either by a manifest that it gave us for this repository, or when it is asked now.
        """
        named = self._named.recall(digest) or await self._local.names_blob(digest)
        if (named is None or self._guarded) and not await self._has_blob(digest):
            raise BlobUnknown(f"{self.upstream.host}/{self._path} has no blob {digest}")
        if named is not None:
            return self.wanted(named)
        return Wanted(digest, None, self.upstream, self._path, self._local)

    async def _has_blob(self, digest: Digest) -> bool:
        try:
            async with self.upstream.repository(self._path) as remote:
                return await remote.has_blob(digest)
        except LregError as error:
            raise translated(error, BlobUnknown, self.upstream.host) from error
