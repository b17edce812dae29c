"""Built images: configs, layers and manifests, the same bytes for the same input.

The same digest everywhere needs the same zlib; the digests of the tars (the diff_ids) do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lreg.errors import UsageError
from lreg.images.building.layers import BuiltLayer
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.encoding import json_bytes
from lreg.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lreg.images.building.base import BaseBlob
    from lreg.images.building.config import ImageConfig
    from lreg.images.building.staging import Staging
    from lreg.images.members import Member
    from lreg.oci.platform import Platform


class Content(Protocol):
    """The bytes of a blob."""

    def pieces(self) -> Iterator[bytes]:
        """Yield them, from the beginning each time."""


@dataclass(frozen=True)
class BuiltImage:
    """An image ready to push, while the `Staging` that it was built in lasts.

    Attributes:
        manifests: what it consists of, children before their index, the whole last.
        blobs: configs and layers that were built, each once, with what they hold.
        based_on: the layers of other images that it has as well.
        platforms: what it is for, where that is known.
    """

    manifests: tuple[Manifest, ...]
    blobs: tuple[tuple[Descriptor, Member], ...]
    based_on: tuple[BaseBlob, ...] = ()
    platforms: tuple[Platform, ...] = ()

    @property
    def size(self) -> int:
        """Of everything that it consists of, in bytes."""
        blobs = sum(descriptor.size for descriptor, _ in self.contents())
        return blobs + sum(len(manifest.raw) for manifest in self.manifests)

    @property
    def top(self) -> Manifest:
        """What its tag means."""
        return self.manifests[-1]

    def contents(self) -> Iterator[tuple[Descriptor, Content]]:
        """Yield everything that its manifests name, each blob once, with what it holds."""
        yield from self.blobs
        yield from ((blob.descriptor, blob) for blob in self.based_on)


@dataclass(frozen=True, slots=True)
class Part:
    """The image for one platform.

    Attributes:
        config: its config.
        layers: lowest first: those of other images, then those that were built.
    """

    config: ImageConfig
    layers: Sequence[BaseBlob | BuiltLayer]


def put_together(
    parts: Sequence[Part], staging: Staging, annotations: Mapping[str, str] | None = None
) -> BuiltImage:
    """Return the image of its parts, one for each platform: with an index where they are several.

    Args:
        parts: at least one.
        staging: where its configs are to lie.
        annotations: of the manifests, and of the index where there is one.
    """
    blobs: dict[Digest, tuple[Descriptor, Member]] = {}
    based_on: dict[Digest, BaseBlob] = {}
    manifests: dict[Digest, Manifest] = {}
    children: list[Descriptor] = []
    more = {"annotations": dict(annotations)} if annotations else {}
    for part in parts:
        raw = part.config.to_bytes()
        config = Descriptor(mediatypes.OCI_CONFIG, Digest.of(raw), len(raw))
        blobs[config.digest] = config, staging.add("the config", [raw])
        for layer in part.layers:
            if isinstance(layer, BuiltLayer):
                blobs.setdefault(layer.descriptor.digest, (layer.descriptor, layer.content))
            elif layer.descriptor.distributable:
                based_on.setdefault(layer.descriptor.digest, layer)
        manifest = write_manifest(
            mediatypes.OCI_MANIFEST,
            config=config.to_json(),
            layers=[layer.descriptor.to_json() for layer in part.layers],
            **more,
        )
        manifests[manifest.digest] = manifest
        children.append(replace(manifest.descriptor, platform=part.config.platform))
    if len(children) > 1:
        named = [child.to_json() for child in children]
        top = write_manifest(mediatypes.OCI_INDEX, manifests=named, **more)
        manifests[top.digest] = top
    return BuiltImage(
        tuple(manifests.values()),
        tuple(blobs.values()),
        tuple(based_on.values()),
        tuple(part.config.platform for part in parts),
    )


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """Return SOURCE_DATE_EPOCH (reproducible-builds.org), 0 where it is not set.

    Raises:
        UsageError: it is not a number of seconds.
    """
    text = environ.get("SOURCE_DATE_EPOCH") or "0"
    if not text.isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r:.80}: give whole seconds since 1970")
    return int(text)


def write_manifest(media_type: str, **fields: object) -> Manifest:
    """Return the manifest with these fields, the same bytes for the same fields."""
    named = {"mediaType": media_type, "schemaVersion": 2, **fields}
    return Manifest.parse(json_bytes(named))
