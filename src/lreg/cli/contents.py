"""How commands look into images: the layers of a registry's, read by a thread as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from lreg.cli.bridge import in_thread
from lreg.cli.facts import choose
from lreg.cli.remote import Registries
from lreg.errors import LregError
from lreg.images.contents.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.cli.access import Access
    from lreg.cli.bridge import Bridge
    from lreg.client.repository import RemoteRepository
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform

T = TypeVar("T")


def look_into(
    images: tuple[str, ...],
    access: Access,
    platform: Platform | None,
    work: Callable[..., T],
) -> T:
    """Return what `work` makes of the layers of images.

    Args:
        images: references, as commands take them.
        access: how to reach their registries.
        platform: of an index this image; None: this machine's.
        work: called in a thread, with a `Layers` for each image.

    Raises:
        LregError: an image is none of files.
        ManifestUnknown: there is no such image.
    """
    return asyncio.run(_look(images, access, platform, work))


async def _look(
    images: tuple[str, ...], access: Access, platform: Platform | None, work: Callable[..., T]
) -> T:
    async with Registries(access) as registries:
        found = []
        for text in images:
            reference = registries.complete(registries.parse(text))
            repository = await registries.repository(reference)
            top = await repository.manifest(reference.selector)
            found.append((repository, await _image(repository, top, platform)))
        return await in_thread(lambda bridge: work(*(_layers(bridge, *each) for each in found)))


def _layers(bridge: Bridge, repository: RemoteRepository, image: Manifest) -> Layers:
    return Layers(image.layers, lambda layer: bridge.pieces(repository.blob(layer)))


async def _image(
    repository: RemoteRepository, top: Manifest, platform: Platform | None
) -> Manifest:
    """Return the image to look at; an index may name an index."""
    while top.is_index:
        chosen = choose(top.children, platform)
        if chosen is None:
            raise LregError(f"{top.digest} is an index of nothing")
        top = await repository.manifest(chosen.digest)
    return top
