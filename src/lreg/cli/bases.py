"""The images that others are built on, out of registries: the one here first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from lreg.client.copy import find_image
from lreg.errors import ManifestUnknown, NameUnknown, Unreachable
from lreg.oci.reference import RepositoryName

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from typing import Any

    from lreg.cli.remote import Registries
    from lreg.client.repository import RemoteRepository
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference

T = TypeVar("T")


class Loop:
    """The event loop, for a thread beside it."""

    def __init__(self) -> None:
        """Take the loop that runs here."""
        self._loop = asyncio.get_running_loop()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` does, done by the loop; to be called from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass(frozen=True, slots=True)
class RegistryBase:
    """An image in a registry.

    Attributes:
        repository: where it is.
        manifest: its manifest for one platform.
        loop: what fetches it.
    """

    repository: RemoteRepository
    manifest: Manifest
    loop: Loop

    def read(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of its config or of a layer; raises what `RemoteBlob` does."""
        pieces = aiter(self.repository.blob(blob))
        try:
            while piece := self.loop.wait(_next(pieces)):
                yield piece
        finally:
            self.loop.wait(pieces.aclose())


async def _next(pieces: Any) -> bytes:
    return await anext(pieces, b"")


class RegistryBases:
    """Where images that others are built on are found: in the registry here, then in their own.

    In the one here as an lreg calls them (docker.io/library/alpine), then without the host. To be
    used by a thread beside the loop.
    """

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._loop = Loop()
        self._found: dict[tuple[Reference, Platform], RegistryBase] = {}

    def find(self, reference: Reference, platform: Platform) -> RegistryBase:
        """Return the image for a platform.

        Raises:
            ManifestUnknown: there is none, or not for that platform.
        """
        key = reference, platform
        if key not in self._found:
            self._found[key] = self._loop.wait(self._find(reference, platform))
        return self._found[key]

    async def _find(self, reference: Reference, platform: Platform) -> RegistryBase:
        tried = []
        for place in self._places(reference):
            repository = await self._registries.repository(place)
            try:
                manifest = await find_image(repository, place.selector, platform)
            except (ManifestUnknown, NameUnknown, Unreachable) as error:
                tried.append(str(error))
            else:
                return RegistryBase(repository, manifest, self._loop)
        raise ManifestUnknown(f"there is no image {reference}: {'; '.join(tried)}")

    def _places(self, reference: Reference) -> list[Reference]:
        named, here = reference.familiar(), self._registries.local_host
        if named.host == here:
            return [named]
        mirrored = RepositoryName(f"{named.host}/{named.repository}")
        plain = replace(named, host=here)
        own = [replace(plain, repository=reference.repository)] if not reference.host else []
        return list(dict.fromkeys([replace(plain, repository=mirrored), *own, plain, named]))
