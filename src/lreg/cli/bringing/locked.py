"""What of a lock file is in the local registry, of whatever kind that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.admin.values import Missing, Wanted, WantedImages
from lreg.cli.output.origins import short
from lreg.errors import BlobUnknown, ManifestUnknown, NameUnknown
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lreg.cli.registries.remote import Registries
    from lreg.client.repository import RemoteRepository
    from lreg.images.lock import Locked
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform

ABSENT = (ManifestUnknown, NameUnknown, BlobUnknown)


def wanted_of(locked: Iterable[Locked]) -> tuple[Wanted, ...]:
    """Return the images of a lock file as an lreg is asked for them."""
    return tuple(Wanted(str(one.reference), tuple(map(str, one.platforms))) for one in locked)


async def missing_of(registries: Registries, locked: Sequence[Locked]) -> list[Missing]:
    """Return which of the images are not wholly in the local registry, and what is missing.

    An lreg is asked for what it holds, so that it fetches nothing. Another registry holds an image
    under the name that it has in its own.
    """
    if admin := await registries.admin():
        return list(await admin.missing(WantedImages(wanted_of(locked))))
    found = [(one, await _why_missing(registries, one)) for one in locked]
    return [Missing(str(one.reference), why) for one, why in found if why]


async def _why_missing(registries: Registries, locked: Locked) -> str:
    here = Reference(registries.local_host, locked.reference.repository)
    repository = await registries.repository(here)
    try:
        lacking = await lacking_blobs(repository, locked.digest, locked.platforms)
        means = (await repository.resolve(locked.tag)).digest if locked.tag else locked.digest
    except ABSENT:
        return "nothing of it is here"
    if lacking:
        return f"{lacking} of its blobs are not here"
    return "" if means == locked.digest else f"the tag means {short(str(means))}"


async def lacking_blobs(
    repository: RemoteRepository, digest: Digest, platforms: Sequence[Platform]
) -> int:
    """Return how many blobs of an image are not in the repository; raise where a manifest isn't."""
    manifest = await repository.manifest(digest)
    count = 0
    for child in manifest.children:
        wanted = not platforms or (
            child.platform and any(one.matches(child.platform) for one in platforms)
        )
        if wanted and child.distributable:
            count += await lacking_blobs(repository, child.digest, ())
    for blob in manifest.blobs:
        count += blob.distributable and not await repository.has_blob(blob.digest)
    return count
