"""Which images are not in the local registry, of whatever kind that is; nobody else is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.admin.values import Missing, Wanted, WantedImages
from lreg.cli.bringing.locked import ABSENT, lacking_blobs
from lreg.cli.registries.naming import repository_of
from lreg.errors import NameInvalid
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.cli.registries.remote import Registries
    from lreg.client.admin import Admin


async def lacking_of(
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
    found = [(image, await _why(registries, image, platforms)) for image in images]
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


async def _why(registries: Registries, image: str, platforms: Sequence[str]) -> str:
    reference = replace(Reference.parse(image).familiar(), host=registries.local_host)
    if image.startswith(f"{registries.local_host}/"):
        reference = Reference.parse(image)
    repository = await registries.repository(reference)
    try:
        digest = (await repository.resolve(reference.selector)).digest
        lacking = await lacking_blobs(
            repository, digest, [Platform.parse(one) for one in platforms]
        )
    except ABSENT:
        return "it is not here"
    return f"{lacking} of its blobs are not here" if lacking else ""
