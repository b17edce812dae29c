"""What is not in the local registry, of whatever kind that is: of images by name, of a lock file.

Nobody else is asked, and an lreg fetches nothing for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.admin.values import Missing, Wanted, WantedImages
from lreg.cli.output.origins import short
from lreg.cli.registries.naming import repository_of
from lreg.errors import BlobUnknown, ManifestUnknown, NameInvalid, NameUnknown
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lreg.cli.registries.remote import Registries
    from lreg.client.admin import Admin
    from lreg.client.repository import RemoteRepository
    from lreg.images.lock import Locked
    from lreg.oci.digest import Digest

ABSENT = (ManifestUnknown, NameUnknown, BlobUnknown)


async def missing_images(
    registries: Registries, images: Sequence[str], platforms: Sequence[str] = ()
) -> list[Missing]:
    """Return which images are not wholly in the local registry, and what is missing.

    Args:
        registries: how to reach it.
        images: names as Docker means them; one that begins with the registry's own host is one
            of its own.
        platforms: which images of an index have to be there.
    """
    if admin := await registries.admin():
        return await _of_lreg(admin, registries.local_host, images, tuple(platforms))
    found = [(image, await _why_not(registries, image, platforms)) for image in images]
    return [Missing(image, why) for image, why in found if why]


async def _of_lreg(
    admin: Admin, own_host: str, images: Sequence[str], platforms: tuple[str, ...]
) -> list[Missing]:
    async def lacking(names: Sequence[str]) -> dict[str, Missing]:
        wanted = WantedImages(tuple(Wanted(name, platforms) for name in names))
        return {one.image: one for one in await admin.missing(wanted)} if names else {}

    full = {image: _full(image, own_host) for image in images}
    missing = await lacking(list(full.values()))
    # What was pushed without a host answers for all hosts.
    plain = {image: _plain(name) for image, name in full.items() if name in missing}
    nowhere = await lacking(list(plain.values()))
    return [
        Missing(image, missing[full[image]].why) for image, name in plain.items() if name in nowhere
    ]


def _full(image: str, own_host: str) -> str:
    reference = Reference.parse(image)
    try:
        repository_of(reference.familiar())
    except NameInvalid:  # an address in brackets begins no repository's name
        return _plain(image)
    return _plain(image) if reference.host == own_host else str(reference.familiar())


def _plain(image: str) -> str:
    reference = Reference.parse(image)
    tag = reference.familiar().tag
    return str(replace(reference, host=None, tag=tag))


async def _why_not(registries: Registries, image: str, platforms: Sequence[str]) -> str:
    reference = replace(Reference.parse(image).familiar(), host=registries.local_host)
    if image.startswith(f"{registries.local_host}/"):
        reference = Reference.parse(image)
    repository = await registries.repository(reference)
    try:
        digest = (await repository.resolve(reference.selector)).digest
        lacking = await _lacking_blobs(
            repository, digest, [Platform.parse(one) for one in platforms]
        )
    except ABSENT:
        return "it is not here"
    return f"{lacking} of its blobs are not here" if lacking else ""


def wanted_of(locked: Iterable[Locked]) -> tuple[Wanted, ...]:
    """Return the images of a lock file as an lreg is asked for them."""
    return tuple(Wanted(str(one.reference), tuple(map(str, one.platforms))) for one in locked)


async def missing_locked(registries: Registries, locked: Sequence[Locked]) -> list[Missing]:
    """Return which of the images are not wholly in the local registry, and what is missing.

    An lreg is asked for what it holds, so that it fetches nothing. Another registry holds an image
    under the name that it has in its own.
    """
    if admin := await registries.admin():
        return list(await admin.missing(WantedImages(wanted_of(locked))))
    found = [(one, await _why_of_lock(registries, one)) for one in locked]
    return [Missing(str(one.reference), why) for one, why in found if why]


async def _why_of_lock(registries: Registries, locked: Locked) -> str:
    here = Reference(registries.local_host, locked.reference.repository)
    repository = await registries.repository(here)
    try:
        lacking = await _lacking_blobs(repository, locked.digest, locked.platforms)
        means = (await repository.resolve(locked.tag)).digest if locked.tag else locked.digest
    except ABSENT:
        return "nothing of it is here"
    if lacking:
        return f"{lacking} of its blobs are not here"
    return "" if means == locked.digest else f"the tag means {short(str(means))}"


async def _lacking_blobs(
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
            count += await _lacking_blobs(repository, child.digest, ())
    for blob in manifest.blobs:
        count += blob.distributable and not await repository.has_blob(blob.digest)
    return count
