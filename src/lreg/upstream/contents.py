"""What an image consists of, as far as its manifests are here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lreg.errors import ContentTooLarge, ManifestInvalid, ManifestUnknown, NameUnknown
from lreg.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform
    from lreg.store.protocol import Repository


@dataclass(slots=True)
class Contents:
    """The pieces of an image.

    Attributes:
        referrers: whether what refers to it, as far as that is here, is a part of it.
        manifests: its manifests and indexes that are here.
        absent: those that are not.
        blobs: what the former name.
    """

    referrers: bool = False
    manifests: set[Digest] = field(default_factory=set)
    absent: set[Digest] = field(default_factory=set)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)

    async def add(
        self, repository: Repository, digest: Digest, platforms: Sequence[Platform] | None = None
    ) -> None:
        """Add an image.

        Args:
            repository: the one in the store, which asks nobody else.
            digest: of its manifest or index.
            platforms: of an index these images alone; None: all of them.
        """
        waiting: list[tuple[Digest, Sequence[Platform] | None]] = [(digest, platforms)]
        while waiting:
            digest, platforms = waiting.pop()
            if digest in self.manifests or digest in self.absent:
                continue
            if (manifest := await manifest_of(repository, digest)) is None:
                self.absent.add(digest)
                continue
            self.manifests.add(digest)
            self.blobs |= {blob.digest: blob for blob in manifest.blobs if blob.distributable}
            waiting += [
                (child.digest, platforms)
                for child in manifest.children
                if child.distributable and _is_wanted(child, platforms)
            ]
            if self.referrers:
                found = (await repository.referrers(digest)).items
                waiting += [(referrer.digest, None) for referrer in found]


async def manifest_of(repository: Repository, digest: Digest) -> Manifest | None:
    """Return a manifest that is here, None where it is not or is of a kind that lreg can't read."""
    try:
        held = await repository.manifest(digest)
        # A volume of another registry may hold kinds that lreg never took.
        return Manifest.parse(held.data, held.media_type, digest.algorithm)
    except (ManifestUnknown, NameUnknown, ManifestInvalid, ContentTooLarge):
        return None


def _is_wanted(child: Descriptor, platforms: Sequence[Platform] | None) -> bool:
    if platforms is None or child.platform is None:
        return platforms is None
    return any(platform.matches(child.platform) for platform in platforms)
