"""How commands look into images: the layers of a registry's, read by a thread as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from lreg.cli.facts import choose
from lreg.cli.remote import Registries
from lreg.errors import LregError
from lreg.images.contents.layers import Layers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from lreg.cli.access import Access
    from lreg.client.repository import RemoteRepository
    from lreg.oci.descriptor import Descriptor
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
        bridges = []
        for text in images:
            reference = registries.complete(registries.parse(text))
            repository = await registries.repository(reference)
            top = await repository.manifest(reference.selector)
            bridges.append(_Bridge(repository, await _image(repository, top, platform)))
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(None, work, *(bridge.layers for bridge in bridges))
        try:
            return await asyncio.shield(turn)
        finally:
            for bridge in bridges:
                bridge.closed = True
            await asyncio.wait([turn])
            for bridge in bridges:
                await bridge.close()


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


class _Bridge:
    """Layers of a registry for a thread; their bytes come through the event loop."""

    def __init__(self, repository: RemoteRepository, image: Manifest) -> None:
        self.closed = False
        self.layers = Layers(image.layers, self._read)
        self._repository = repository
        self._loop = asyncio.get_running_loop()
        self._open: list[AsyncGenerator[bytes, None]] = []

    async def close(self) -> None:
        """Let go of what was not read to its end, once the thread has ended."""
        for pieces in self._open:
            await pieces.aclose()

    def _read(self, layer: Descriptor) -> Iterator[bytes]:
        pieces = aiter(self._repository.blob(layer))
        self._open.append(pieces)

        async def following() -> bytes:
            return await anext(pieces, b"")

        while not self.closed:
            piece = asyncio.run_coroutine_threadsafe(following(), self._loop).result()
            if not piece:
                return
            yield piece
        raise LregError("it was interrupted")
