"""Images that others are built on: found elsewhere, read only where their files matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.manifest import Manifest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import Reference


class Base(Protocol):
    """An image for one platform, in a registry or wherever it was found."""

    @property
    def manifest(self) -> Manifest:
        """Its manifest, never an index."""

    def read(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of its config or of a layer, verified by their end.

        Raises:
            LregError: they can't be had.
        """


class Bases(Protocol):
    """Where images that others are built on are found."""

    def find(self, reference: Reference, platform: Platform) -> Base:
        """Return the image that a Dockerfile calls so, for this platform.

        Raises:
            LregError: there is none, or it can't be asked for.
        """


class NoBases:
    """Bases where there are none."""

    def find(self, reference: Reference, platform: Platform) -> Base:
        """Raise UsageError."""
        raise UsageError(f"{reference} for {platform}: there is no registry to take it from")


@dataclass(frozen=True, slots=True)
class BaseBlob:
    """A layer that stays where it is until it is wanted."""

    base: Base
    descriptor: Descriptor

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes."""
        return self.base.read(self.descriptor)
