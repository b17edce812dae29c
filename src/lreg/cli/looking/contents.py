"""How commands look into images, of a registry (read by a thread as they come) or an engine."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from lreg.cli.looking.facts import choose
from lreg.cli.registries.bridge import in_thread
from lreg.cli.registries.remote import Registries
from lreg.errors import LregError
from lreg.images.contents.layers import Layers
from lreg.images.held import held_images
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.cli.looking.entries import Where
    from lreg.cli.registries.bridge import Bridge
    from lreg.client.repository import RemoteRepository
    from lreg.oci.manifest import Manifest

T = TypeVar("T")


def look_into(images: tuple[str, ...], where: Where, work: Callable[..., T]) -> T:
    """Return what `work` makes of the layers of images.

    Args:
        images: references, as commands take them.
        where: what holds them.
        work: called with a `Layers` for each image, in a thread where a registry holds them.

    Raises:
        LregError: an image is none of files, or the engine lacks it.
        ManifestUnknown: there is no such image.
    """
    if where.engine is None:
        return asyncio.run(_look(images, where, work))
    with ExitStack() as stack:
        return work(*(_held(image, where, stack) for image in images))


def _held(image: str, where: Where, stack: ExitStack) -> Layers:
    """Return the layers of an image of an engine, readable as long as `stack` lasts."""
    # Of an index engines give away what is for one platform.
    platform = where.platform or Platform.here()
    _, (archived,) = stack.enter_context(held_images(image, where.engine, platform))
    return Layers(archived.manifests[-1].layers, archived.reader())


async def _look(images: tuple[str, ...], where: Where, work: Callable[..., T]) -> T:
    async with Registries(where.access) as registries:
        found = []
        for text in images:
            reference = await registries.locate(text)
            repository = await registries.repository(reference)
            top = await repository.manifest(reference.selector)
            found.append((repository, await _image(repository, top, where.platform)))
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
