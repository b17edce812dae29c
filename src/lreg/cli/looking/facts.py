"""What `lreg inspect` knows of an image: fetched, or picked out of what was fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import ManifestInvalid, ManifestUnknown
from lreg.oci import mediatypes
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.client.repository import RemoteRepository
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import Tag

_MAX_CONFIG = 16 << 20
# Builders hang provenance into an index as images for this platform.
_NO_PLATFORM = Platform("unknown", "unknown")
_USUAL = Platform("linux", "amd64")


@dataclass(frozen=True)
class ImageFacts:
    """One image, or another artifact that is a manifest with blobs.

    Attributes:
        manifest: its manifest.
        config: the decoded image config; empty where the config is of another type.
        referrers: what refers to the manifest.
    """

    manifest: Manifest
    config: Mapping[str, Any]
    referrers: tuple[Descriptor, ...]

    @property
    def platform(self) -> Platform | None:
        """What it runs on, where it says so."""
        return Platform.from_json(self.config) if self.config.get("architecture") else None

    @property
    def size(self) -> int:
        """The bytes of config and layers, as they are transferred."""
        return sum(blob.size for blob in self.manifest.blobs)


@dataclass(frozen=True)
class Facts:
    """What a name means.

    Attributes:
        top: the manifest or index it means.
        referrers: what refers to an index `top`; empty for an image, which has its own.
        image: the image `top` is, or the one of its images to look at; None in an empty index.
    """

    top: Manifest
    referrers: tuple[Descriptor, ...]
    image: ImageFacts | None


def choose(offered: Iterable[Descriptor], wanted: Platform | None) -> Descriptor | None:
    """Return the image of an index to look at; None where it offers none.

    Args:
        offered: what the index names.
        wanted: the platform asked for; without one this machine's comes first, then linux/amd64,
            then whatever is first.

    Raises:
        ManifestUnknown: none is for the platform asked for.
    """
    images = [one for one in offered if one.platform != _NO_PLATFORM]
    for platform in [wanted] if wanted else [Platform.here(), _USUAL]:
        for image in images:
            if image.platform and platform.matches(image.platform):
                return image
    if wanted:
        names = ", ".join(sorted({str(one.platform) for one in images if one.platform}))
        raise ManifestUnknown(f"there is no image for {wanted}, only for: {names or 'none'}")
    return images[0] if images else None


async def find_manifest(
    repository: RemoteRepository, selector: Tag | Digest, platform: Platform | None
) -> Manifest:
    """Return the manifest that `selector` means, or that of a platform in an index.

    Raises:
        ManifestUnknown: there is none.
    """
    top = await repository.manifest(selector)
    if platform is None or not top.is_index:
        return top
    chosen = choose(top.children, platform)
    return await repository.manifest(chosen.digest) if chosen else top


async def find_facts(
    repository: RemoteRepository, selector: Tag | Digest, platform: Platform | None
) -> Facts:
    """Return what there is to know of an image.

    Raises:
        ManifestUnknown: there is no such image, or none for that platform.
        ManifestInvalid: its config is not one.
    """
    top = await repository.manifest(selector)
    if not top.is_index:
        image = await _image(repository, top)
        if platform and image.platform and not platform.matches(image.platform):
            raise ManifestUnknown(f"this is no image for {platform}, but for {image.platform}")
        return Facts(top, (), image)
    chosen = choose(top.children, platform)
    referrers = await repository.referrers(top.digest)
    if chosen is None:
        return Facts(top, referrers, None)
    manifest = await repository.manifest(chosen.digest)
    # An index may name an index.
    return Facts(top, referrers, None if manifest.is_index else await _image(repository, manifest))


async def _image(repository: RemoteRepository, manifest: Manifest) -> ImageFacts:
    referrers = await repository.referrers(manifest.digest)
    if manifest.config is None or manifest.config.media_type not in mediatypes.IMAGE_CONFIGS:
        return ImageFacts(manifest, {}, referrers)
    if manifest.config.size > _MAX_CONFIG:
        raise ManifestInvalid(f"the image config has {manifest.config.size} bytes: too many")
    raw = b"".join([piece async for piece in repository.blob(manifest.config)])
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"the image config is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ManifestInvalid("the image config is not a JSON object")
    return ImageFacts(manifest, config, referrers)
