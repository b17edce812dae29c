"""Images out of archives: OCI layouts (a folder or a tar of it), and what `docker save` writes."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError, UsageError
from lreg.images.building.build import write_manifest
from lreg.images.carrying import CONTAINERD_NAME, REF_NAME, blob_path
from lreg.images.members import open_files
from lreg.images.packings import packing_of
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from lreg.images.members import Files, Member
    from lreg.oci.platform import Platform

# Of an image with all its platforms: an index of a hundred of them has 50 kB.
_MAX_MANIFESTS_SIZE = 4 * MAX_MANIFEST_SIZE
# An index of indexes is rare; one of those of those is none.
_MAX_DEPTH = 3
_MAX_SHOWN = 10
# What tells that a manifest says something of an image, and is none (containerd's).
_SUBJECT = "io.containerd.manifest.subject"
# Of a layer, by what packed it.
_MEDIA_TYPES = {"gzip": mediatypes.OCI_LAYER_GZIP, "zstd": mediatypes.OCI_LAYER_ZSTD}


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """An image ready to push; its blobs can be read while its `open_archive` lasts.

    Attributes:
        manifests: what it consists of, children before their index, the whole last.
        blobs: configs and layers that a registry must hold, each once, with what they hold; of an
            OCI layout their digests are what it claims, for the registry to verify.
        names: what the archive calls it: references, or tags alone.
    """

    manifests: tuple[Manifest, ...]
    blobs: tuple[tuple[Descriptor, Member], ...]
    names: tuple[str, ...] = ()

    def reader(self) -> Callable[[Descriptor], Iterator[bytes]]:
        """Return what gives the bytes of each of its blobs."""
        holds = {blob.digest: member for blob, member in self.blobs}
        return lambda blob: holds[blob.digest].pieces()


@contextmanager
def open_archive(path: Path, platform: Platform | None = None) -> Iterator[ArchivedImage]:
    """Give the only image of an archive.

    Args:
        path: an OCI layout's folder, the tar of one, or a tar of `docker save`; packed or not.
        platform: of an index only this image; None: all of it.

    Raises:
        UsageError: it can't be read, is none of these, has several images, or lacks something.
    """
    with opened(str(path), open_files(path), platform) as images:
        with _said_of(str(path)):
            _only([_shown(image) for image in images])
        yield images[0]


@contextmanager
def opened(
    what: str,
    opening: AbstractContextManager[Files],
    platform: Platform | None = None,
    of_part: Platform | None = None,
) -> Iterator[tuple[ArchivedImage, ...]]:
    """Give the images of an archive, each once, with all its names.

    Args:
        what: what the archive is called in errors.
        opening: gives its files.
        platform: as for `open_archive`.
        of_part: of an index that lacks some of its images only this one, as engines keep them;
            None: such an index is an error.

    Raises:
        UsageError: as `open_archive`, but that it may have several.
    """
    with ExitStack() as stack:
        with _said_of(what):
            images = _images(stack.enter_context(opening), platform, of_part)
        yield tuple(images)


@contextmanager
def _said_of(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{what} can't be read: {error.strerror or error}") from error
    except LregError as error:
        raise UsageError(f"{what}: {error}") from error


def _images(
    files: Files, platform: Platform | None, of_part: Platform | None
) -> list[ArchivedImage]:
    # `docker save` has written both since version 25.
    if index := files.find("index.json"):
        top = Manifest.parse(index.read(MAX_MANIFEST_SIZE))
        return _of_layout(files, top, platform, of_part)
    if not files.is_folder and (listed := files.find("manifest.json")):
        return _of_docker(files, listed)
    raise UsageError("it is neither an OCI layout nor what `docker save` writes")


def _of_layout(
    files: Files, index: Manifest, platform: Platform | None, of_part: Platform | None
) -> list[ArchivedImage]:
    """Return the images of an OCI layout (image-spec, image-layout.md)."""
    names: dict[Digest, dict[str, None]] = {}
    children = [child for child in index.children if _SUBJECT not in child.annotations]
    descriptors = {child.digest: child for child in children}
    for child in children:
        names.setdefault(child.digest, {}).update(dict.fromkeys(_names(child)))
    images = []
    for digest, called in names.items():
        layout = _Layout(files)
        root = layout.manifest(descriptors[digest])
        wanted = platform or (None if layout.has_all(root) else of_part)
        if wanted and root.is_index:
            root = layout.manifest(_of_platform(root, wanted))
        layout.add(root)
        images.append(
            ArchivedImage(
                tuple(layout.manifests.values()), tuple(layout.blobs.values()), tuple(called)
            )
        )
    return images


class _Layout:
    """What belongs to an image in an OCI layout, each piece once."""

    def __init__(self, files: Files) -> None:
        self.manifests: dict[Digest, Manifest] = {}
        self.blobs: dict[Digest, tuple[Descriptor, Member]] = {}
        self._files = files
        self._left = _MAX_MANIFESTS_SIZE

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """Return a manifest, its digest verified."""
        member = self._member(descriptor)
        self._left -= member.size
        if self._left < 0:
            raise UsageError(f"its manifests have more than {_MAX_MANIFESTS_SIZE} bytes together")
        raw, digest = member.read(MAX_MANIFEST_SIZE), descriptor.digest
        if Digest.of(raw, digest.algorithm) != digest:
            raise UsageError(f"{member.name} holds other bytes than its digest is of")
        return Manifest.parse(raw, descriptor.media_type, digest.algorithm)

    def add(self, manifest: Manifest, depth: int = 0) -> None:
        """Add a manifest with all that it names."""
        if depth > _MAX_DEPTH:
            raise UsageError("its indexes lie in one another too deeply")
        for child in manifest.children:
            if child.digest not in self.manifests and child.distributable:
                self.add(self.manifest(child), depth + 1)
        self.manifests[manifest.digest] = manifest
        for blob in manifest.blobs:
            if blob.digest not in self.blobs and blob.distributable:
                self.blobs[blob.digest] = blob, self._member(blob)

    def has_all(self, index: Manifest) -> bool:
        """Return whether no image is missing that an index names."""
        return all(self._find(child) for child in index.children if child.distributable)

    def _find(self, descriptor: Descriptor) -> Member | None:
        return self._files.find(blob_path(descriptor.digest))

    def _member(self, descriptor: Descriptor) -> Member:
        digest = descriptor.digest
        member = self._find(descriptor)
        if member is None:
            if descriptor.platform:
                raise UsageError(
                    f"it lacks the image for {str(descriptor.platform)!r:.80} that its index "
                    "names: take one that it has by --platform"
                )
            raise UsageError(f"it lacks {digest}, which its image names")
        if member.size != descriptor.size:
            raise UsageError(f"{member.name} has {member.size} bytes, not {descriptor.size}")
        return member


def _of_platform(index: Manifest, platform: Platform) -> Descriptor:
    offered = [child for child in index.children if child.platform]
    for child in offered:
        if child.platform and platform.matches(child.platform):
            return child
    names = sorted({str(child.platform) for child in offered})
    raise UsageError(f"it has no image for {platform}, only for: {_listed(names)}")


def _names(image: Descriptor) -> list[str]:
    """Return what an index calls an image: a name, or a tag alone where that is all."""
    names = [image.annotations.get(key) for key in (REF_NAME, CONTAINERD_NAME)]
    texts = [name for name in names if isinstance(name, str)]
    whole = [name for name in texts if {":", "/"} & set(name)]
    return (whole or texts)[:1]


def _shown(image: ArchivedImage) -> str:
    return image.names[0] if image.names else str(image.manifests[-1].digest)


def _only(names: list[str]) -> None:
    """Raise UsageError unless the archive has one image."""
    if not names:
        raise UsageError("it has no image")
    if len(names) > 1:
        raise UsageError(f"it has {len(names)} images, and one is wanted: {_listed(names)}")


def _listed(names: Iterable[str]) -> str:
    shown = [f"{name!r:.100}" for name in names]
    more = ["…"] if len(shown) > _MAX_SHOWN else []
    return ", ".join(shown[:_MAX_SHOWN] + more) or "none"


def _of_docker(files: Files, listed: Member) -> list[ArchivedImage]:
    """Return the images of a docker-archive (moby's image/spec/v1.2.md, manifest.json)."""
    images = _json(listed)
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise UsageError("its manifest.json is no list of images")
    # Images that share layers name the same files.
    hashed: dict[int, Descriptor] = {}
    return [_saved(files, image, hashed) for image in images]


def _saved(files: Files, image: dict[str, Any], hashed: dict[int, Descriptor]) -> ArchivedImage:
    names = image.get("Layers") or []
    if not isinstance(names, list):
        raise UsageError("the Layers in its manifest.json are no list")
    config = _named(files, image.get("Config"))
    raw = config.read(MAX_MANIFEST_SIZE)
    described = Descriptor(mediatypes.OCI_CONFIG, Digest.of(raw), len(raw))
    found = [_named(files, name) for name in names]
    # Layers that are the same have one name, or several that are links.
    members = {member.offset: member for member in found}
    for offset, member in members.items():
        if offset not in hashed:
            hashed[offset] = _layer(member)
    layers = [hashed[member.offset] for member in found]
    _check(layers, _json(config))
    manifest = write_manifest(
        mediatypes.OCI_MANIFEST,
        config=described.to_json(),
        layers=[layer.to_json() for layer in layers],
    )
    blobs = {described.digest: (described, config)}
    blobs |= {hashed[offset].digest: (hashed[offset], member) for offset, member in members.items()}
    return ArchivedImage((manifest,), tuple(blobs.values()), _tags(image))


def _json(member: Member) -> Any:
    try:
        return json.loads(member.read(MAX_MANIFEST_SIZE))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{member.name!r:.200} is not JSON: {error}") from error


def _tags(image: dict[str, Any]) -> tuple[str, ...]:
    tags = image.get("RepoTags")
    return tuple(map(str, tags)) if isinstance(tags, list) else ()


def _named(files: Files, name: object) -> Member:
    if not isinstance(name, str) or (member := files.find(name)) is None:
        raise UsageError(f"it lacks {name!r:.200}, which its manifest.json names")
    return member


def _layer(member: Member) -> Descriptor:
    """Return the descriptor of a layer, which is a tar, or packed by some who write these."""
    hasher = Algorithm.SHA256.hasher()
    kind = mediatypes.OCI_LAYER
    for number, piece in enumerate(member.pieces()):
        if number == 0:
            kind = _MEDIA_TYPES.get(packing_of(piece), kind)
        hasher.update(piece)
    return Descriptor(kind, Digest.finished(Algorithm.SHA256, hasher), member.size)


def _check(layers: list[Descriptor], config: object) -> None:
    """Raise UsageError where the layers are not what their config says (config.md, diff_ids)."""
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    named = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(named, list | None) or len(named or ()) != len(layers):
        raise UsageError(f"its config does not name the {len(layers)} layers that it has")
    for layer, diff_id in zip(layers, named or (), strict=True):
        if layer.media_type == mediatypes.OCI_LAYER and str(layer.digest) != diff_id:
            raise UsageError(f"layer {diff_id!r:.100} of it holds other bytes: {layer.digest}")
