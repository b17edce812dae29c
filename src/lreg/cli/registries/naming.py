"""What images that lie on this machine are called in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.oci.reference import Reference, RepositoryName, Tag, canonical_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.images.archive import ArchivedImage


def repository_of(name: Reference) -> RepositoryName:
    """Return which repository of the registry here holds what is called so; raise NameInvalid."""
    host = canonical_host(name.host or "")
    return RepositoryName.parse(f"{host}/{name.repository}") if host else name.repository


class Naming:
    """How names become names in the registry.

    Args:
        called: what the one image is to be called; None: what it is called where it is.
        strip_host: whether to drop the host that a name begins with.
        own: what references to the registry's own images begin with: that is no part of a name.
    """

    def __init__(self, called: str | None, *, strip_host: bool, own: str) -> None:
        self._called = Reference.parse(called) if called else None
        self._own = own
        self._strip = strip_host

    def targets(self, images: Sequence[ArchivedImage]) -> list[tuple[ArchivedImage, Reference]]:
        """Return each image with each of its names there, which have no host and a tag.

        What is called by its digest gets no tag, and is called by it there.

        Raises:
            UsageError: an image has no name, is not what its name is the digest of, or several are
                to have the one given.
        """
        if self._called and len(images) != 1:
            raise UsageError(f"--as names one image, and there are {len(images)}")
        return [(image, name) for image in images for name in self._names(image)]

    def _names(self, image: ArchivedImage) -> list[Reference]:
        # An OCI layout may say nothing but the tag.
        tags = [name for name in image.names if not {":", "/"} & set(name)]
        if self._called:
            return [self._kept(self._called, image, tags[0] if tags else "latest")]
        names = [Reference.parse(name) for name in image.names if name not in tags]
        if not names:
            raise UsageError("the image there has no name: give it one by --as NAME")
        return [self._kept(name, image, "latest") for name in names]

    def _kept(self, name: Reference, image: ArchivedImage, tag: str) -> Reference:
        hostless = self._strip or name.host == self._own
        repository = name.repository if hostless else repository_of(name)
        if name.tag or not name.digest:
            return Reference(None, repository, name.tag or Tag.parse(tag))
        if name.digest != (held := image.manifests[-1].digest):
            raise UsageError(
                f"{name} is {held} as it comes from there, which nobody would find by that name: "
                "give it one with a tag by --as NAME:TAG"
            )
        return Reference(None, repository, digest=held)
