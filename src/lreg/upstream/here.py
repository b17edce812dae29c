"""What every repository that upstream has a part in does as the one here does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown, NameUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Algorithm, Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import CachingRepository
    from lreg.store.protocol import Page, ReferrersList, Upload

# What a repository here says of what it does not hold.
ABSENT_HERE = (ManifestUnknown, BlobUnknown, NameUnknown)


class Here:
    """A repository whose changes and listings are those of `local`, the one in the store."""

    def __init__(self, local: CachingRepository) -> None:
        self.local = local

    @property
    def name(self) -> RepositoryName:
        """Its canonical name."""
        return self.local.name

    async def put_manifest(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Take a push; what a client was told to be here is brought here."""
        try:
            await self.local.put_manifest(manifest, tags)
        except ManifestBlobUnknown:
            for blob in manifest.blobs:
                if blob.distributable:
                    await self._supply(blob)
            await self.local.put_manifest(manifest, tags)

    async def _supply(self, blob: Descriptor) -> None:
        """Bring a blob that `peek` tells of, and that `local` does not hold, to where it does."""

    async def delete_manifest(self, want: Tag | Digest) -> None:
        """Forget a tag or a manifest here."""
        await self.local.delete_manifest(want)

    async def delete_blob(self, digest: Digest) -> None:
        """Forget a blob here."""
        await self.local.delete_blob(digest)

    async def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Link a blob that is in the store."""
        return await self.local.mount(digest, source)

    async def start_upload(self, algorithm: Algorithm) -> Upload:
        """Begin an upload."""
        return await self.local.start_upload(algorithm)

    def upload(self, upload_id: str) -> Upload:
        """Return an upload begun here."""
        return self.local.upload(upload_id)

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """List the tags that are here."""
        return await self.local.tags(limit, last)

    async def referrers(self, subject: Digest) -> ReferrersList:
        """List the referrers that are here."""
        return await self.local.referrers(subject)
