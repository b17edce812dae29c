"""The blobs of one cached repository that are not here yet: found in the store, or brought."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from lreg.errors import BlobUnknown, LregError, RegistryError, UploadUnknown, UpstreamFailed
from lreg.store.protocol import BLOB_TYPE, Growing
from lreg.upstream.fill import Wanted
from lreg.upstream.memory import ABSENT_SECONDS, Lately, Once
from lreg.upstream.trouble import translated

if TYPE_CHECKING:
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName
    from lreg.store.caching import CachingRepository
    from lreg.store.protocol import Readable
    from lreg.upstream.dial import Upstream
    from lreg.upstream.fill import Attempt, Fill
    from lreg.upstream.fills import Fills

# So often it is looked whether the blobs of an image are all here, in seconds.
_LOOKED_SECONDS = 30.0
# An image has some dozens of layers; what says that it has thousands is not brought unasked.
_MOST_PREFETCHED = 256


class Blobs:
    """Where the blobs of one cached repository come from.

    Args:
        upstream: the registry.
        path: the repository's name there.
        local: the repository here.
        fills: brings them.
        prefetch: whether those of an image are brought before they are asked for.
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
        self.guarded = guarded
        self._upstream = upstream
        self._path = path
        self._local = local
        self._fills = fills
        self._prefetch = prefetch
        self._bringing: Once[Digest, None] = Once()
        self._lacking: Lately[Digest, BlobUnknown] = Lately()
        self._named: Lately[Digest, Descriptor] = Lately()
        self._looked: Lately[Digest, bool] = Lately()
        self._ours: Lately[Digest, bool] = Lately()

    def coming(self, digest: Digest) -> Fill | None:
        """Return how a blob comes already, from wherever; None where it does not."""
        return self._fills.find(digest)

    async def read(self, digest: Digest, coming: Fill | None) -> Readable:
        """Return a blob that is not here yet: from elsewhere in the store, or as it comes.

        Args:
            digest: its name.
            coming: what `coming` said before the store was looked through: of a fill that ended
                meanwhile neither tells any more.

        Raises:
            BlobUnknown: upstream does not have it.
            UpstreamFailed, UpstreamDenied, TooManyRequests: it does not give it.
        """
        if error := self._lacking.recall(digest):
            raise error.with_traceback(None)
        if await self.adopt(digest):
            return await self._local.blob(digest)
        if coming is None:
            self._upstream.respect()
        try:
            attempt = await self._attempt(digest, coming)
            descriptor = attempt.partial.open()
        except BlobUnknown as error:
            self._lacking.remember(digest, error, ABSENT_SECONDS)
            raise
        except UploadUnknown as error:
            raise UpstreamFailed(f"{self._upstream.host} sent a wrong blob {digest}") from error
        return Growing(digest, BLOB_TYPE, attempt.size or 0, descriptor, attempt.reach)

    async def _attempt(self, digest: Digest, coming: Fill | None) -> Attempt:
        """Return how a blob comes; upstream is asked for nothing that it is already giving us."""
        if coming and coming.gives(self._upstream, self._path):
            return await asyncio.shield(coming.opened)
        _, attempt = await self._fills.opened(await self._wanted(digest))
        return attempt

    async def whole(self, blob: Descriptor) -> None:
        """Return once a blob of a manifest that is here is here as well, or can't be had."""
        if not await self.adopt(blob.digest):
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
        return Wanted(blob.digest, blob.size, self._upstream, self._path, self._local)

    def is_complete(self, digest: Digest) -> bool:
        """Return whether it was looked lately that the blobs of a manifest come."""
        return self._looked.recall(digest) is True

    def prefetch(self, manifest: Manifest) -> None:
        """Have the blobs of an image brought, those that are not here, its config first."""
        for blob in manifest.blobs:
            self._named.remember(blob.digest, blob)
        if not self._prefetch or not manifest.blobs or self._upstream.resting:
            return
        if not self.is_complete(manifest.digest):
            self._bringing.start(manifest.digest, lambda: self._bring_missing(manifest))

    async def _bring_missing(self, manifest: Manifest) -> None:
        self._looked.remember(manifest.digest, True, _LOOKED_SECONDS)
        for blob in manifest.blobs[:_MOST_PREFETCHED]:
            if blob.distributable and not await self.adopt(blob.digest):
                try:
                    self._fills.start(self.wanted(blob), background=True)
                except RegistryError:
                    return

    async def adopt(self, digest: Digest) -> bool:
        """Link a blob that the store has from elsewhere; return whether it is here now."""
        if self.guarded and not await self._is_ours(digest):
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

    async def _wanted(self, digest: Digest) -> Wanted:
        """Return what to bring for a digest that a client may have: upstream says so.

        Either by a manifest that it gave us for this repository, or when it is asked now.
        """
        named = self._named.recall(digest) or await self._local.names_blob(digest)
        if (named is None or self.guarded) and not await self._has_blob(digest):
            raise BlobUnknown(f"{self._upstream.host}/{self._path} has no blob {digest}")
        if named is not None:
            return self.wanted(named)
        return Wanted(digest, None, self._upstream, self._path, self._local)

    async def _has_blob(self, digest: Digest) -> bool:
        try:
            async with self._upstream.repository(self._path) as remote:
                return await remote.has_blob(digest)
        except LregError as error:
            raise translated(error, BlobUnknown, self._upstream.host) from error
