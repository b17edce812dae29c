"""The images that others are built on, out of registries: the one here first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lreg.cli.registries.naming import repository_of
from lreg.client.copy import find_image
from lreg.errors import ManifestUnknown, NameInvalid, NameUnknown, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.cli.registries.bridge import Bridge
    from lreg.cli.registries.remote import Registries
    from lreg.client.repository import RemoteRepository
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class RegistryBase:
    """An image in a registry.

    Attributes:
        repository: where it is.
        manifest: its manifest for one platform.
        bridge: to the loop that fetches it.
    """

    repository: RemoteRepository
    manifest: Manifest
    bridge: Bridge

    def read(self, blob: Descriptor) -> Iterator[bytes]:
        """Return the bytes of its config or of a layer; iterating raises what RemoteBlob does."""
        return self.bridge.pieces(self.repository.blob(blob))


class RegistryBases:
    """Where images that others are built on are found: in the registry here, then in their own.

    In the one here as an lreg calls them (docker.io/library/alpine), then without the host. To be
    used by a thread beside the loop.
    """

    def __init__(self, registries: Registries, bridge: Bridge) -> None:
        self._registries = registries
        self._bridge = bridge
        self._found: dict[tuple[Reference, Platform], RegistryBase] = {}

    def find(self, reference: Reference, platform: Platform) -> RegistryBase:
        """Return the image for a platform.

        Raises:
            ManifestUnknown: there is none, or not for that platform.
        """
        key = reference, platform
        if key not in self._found:
            self._found[key] = self._bridge.ask(self._find(reference, platform))
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
                return RegistryBase(repository, manifest, self._bridge)
        raise ManifestUnknown(f"there is no image {reference}: {'; '.join(tried)}")

    def _places(self, reference: Reference) -> list[Reference]:
        named, here = reference.familiar(), self._registries.local_host
        if named.host == here:
            return [named]
        plain = replace(named, host=here)
        mirrored = []
        with suppress(NameInvalid):  # an address in brackets begins no repository's name
            mirrored = [replace(plain, repository=repository_of(named))]
        own = [replace(plain, repository=reference.repository)] if not reference.host else []
        return list(dict.fromkeys([*mirrored, *own, plain, named]))
