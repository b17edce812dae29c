"""Images on their way in a tar: an OCI layout that Docker can load too (image-layout.md).

What the images are made of comes before its content, so that whoever reads the tar from a pipe
knows of every blob who wants it.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from lreg.errors import UsageError
from lreg.images.tars import write_end, write_member
from lreg.oci import mediatypes
from lreg.oci.encoding import json_bytes
from lreg.oci.manifest import MAX_MANIFEST_SIZE
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName

    Read = Callable[[Descriptor], Iterable[bytes]]

# What skopeo selects by (image-spec, annotations.md), what containerd calls an image it imports.
REF_NAME, CONTAINERD_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"
# Which blobs are left out, and in which repository they are since an earlier bundle.
SINCE = "dev.lreg.bundle.since"
# Which manifests are left out, that an index names.
ABSENT = "dev.lreg.bundle.absent"
# Of an image in the index: that its name is upstream's to change.
ORIGIN, CACHED = "dev.lreg.bundle.origin", "cached"
INDEX = "index.json"
# Of all manifests of a layout together that is read as it comes: of ten thousand images.
MAX_MANIFESTS_SIZE = 64 << 20
_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Carried:
    """An image that is to be carried.

    Attributes:
        names: what it is called, if anything: references with a tag, or with a digest.
        manifests: what it consists of, children before their index, the whole last.
        is_cached: whether it is to be said that these names are upstream's to change.
    """

    names: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    is_cached: bool = False

    @property
    def root(self) -> Manifest:
        """What the names mean."""
        return self.manifests[-1]

    @property
    def blobs(self) -> dict[Digest, Descriptor]:
        """Configs and layers that a registry must hold, each once."""
        return {
            blob.digest: blob
            for manifest in self.manifests
            for blob in manifest.blobs
            if blob.distributable
        }


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file of the layout: its name, its size in bytes, and those bytes."""

    name: str
    size: int
    pieces: Iterable[bytes]


def carried_files(
    images: Sequence[Carried], read: Read, since: Mapping[Digest, RepositoryName] | None = None
) -> Iterator[CarriedFile]:
    """Yield the files of a layout of these images; each is to be read before the next.

    Args:
        images: at least one.
        read: gives the bytes of a blob.
        since: blobs to leave out, with the repository that has them where this goes.

    Raises:
        UsageError: there are more than whoever reads it would take.
    """
    left_out = since or {}
    # An index before what it names: so who reads it knows each manifest for one when it comes.
    manifests = {each.digest: each for image in images for each in reversed(image.manifests)}
    blobs = {digest: blob for image in images for digest, blob in image.blobs.items()}
    since_there = {digest: left_out[digest] for digest in blobs if digest in left_out}
    index = _index(images, since_there, _absent(manifests))
    count = sum(len(image.names) for image in images)
    _check(count, len(index), sum(len(each.raw) for each in manifests.values()))
    yield _file("oci-layout", _VERSION)
    yield _file(INDEX, index)
    if not left_out:
        yield _file("manifest.json", json_bytes(_docker_images(images, manifests)))
    for manifest in manifests.values():
        yield _file(blob_path(manifest.digest), manifest.raw)
    for blob in blobs.values():
        if blob.digest not in left_out:
            yield CarriedFile(blob_path(blob.digest), blob.size, read(blob))


def _check(count: int, index: int, manifests: int) -> None:
    for what, size, most in (
        ("index", index, MAX_MANIFEST_SIZE),
        ("manifests", manifests, MAX_MANIFESTS_SIZE),
    ):
        if size > most:
            raise UsageError(
                f"{count} names are too many at once: their {what} would have {size} bytes, and "
                f"{most} are the most that is read; take fewer"
            )


def write_tar(files: Iterable[CarriedFile], target: BinaryIO) -> None:
    """Write a tar of the files, the same bytes for the same files; raise OSError."""
    for file in files:
        header = tarfile.TarInfo(file.name)
        header.size = file.size
        write_member(target, header, file.pieces)
    write_end(target)


def _file(name: str, data: bytes) -> CarriedFile:
    return CarriedFile(name, len(data), [data])


def blob_path(digest: Digest) -> str:
    """Return where a blob or manifest lies in a layout (image-layout.md, "Blobs")."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _absent(manifests: Mapping[Digest, Manifest]) -> list[str]:
    named = (child for each in manifests.values() for child in each.children)
    return sorted(
        {str(child.digest) for child in named if child.distributable} - set(map(str, manifests))
    )


def _index(
    images: Sequence[Carried], since: Mapping[Digest, RepositoryName], absent: Sequence[str]
) -> bytes:
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [
            image.root.descriptor.to_json() | _called(name, is_cached=image.is_cached)
            for image in images
            for name in image.names or [""]
        ],
    }
    annotations = {}
    if since:
        base = {str(digest): str(repository) for digest, repository in since.items()}
        annotations[SINCE] = json.dumps(base, sort_keys=True)
    if absent:
        annotations[ABSENT] = json.dumps(absent)
    return json_bytes(fields | ({"annotations": annotations} if annotations else {}))


def _called(name: str, *, is_cached: bool) -> dict[str, Any]:
    if not name:
        return {}
    containerds = str(Reference.parse(name).familiar())
    origin = {ORIGIN: CACHED} if is_cached else {}
    return {"annotations": {REF_NAME: name, CONTAINERD_NAME: containerds, **origin}}


def _docker_images(
    images: Sequence[Carried], manifests: Mapping[Digest, Manifest]
) -> list[dict[str, Any]]:
    """Return what `docker load` goes by (moby's image/spec/v1.2.md); artifacts are left out."""
    listed = []
    for image in images:
        chosen = _for_here(image.root, manifests)
        if chosen and chosen.config and chosen.config.media_type in mediatypes.IMAGE_CONFIGS:
            listed.append(
                {
                    "Config": blob_path(chosen.config.digest),
                    "RepoTags": [name for name in image.names if "@" not in name],
                    "Layers": [blob_path(layer.digest) for layer in chosen.layers],
                }
            )
    return listed


def _for_here(root: Manifest, manifests: Mapping[Digest, Manifest]) -> Manifest | None:
    if not root.is_index:
        return root
    here = Platform.here()
    children = [child for child in root.children if child.platform and child.digest in manifests]
    fitting = [child for child in children if child.platform and here.matches(child.platform)]
    return manifests[(fitting or children)[0].digest] if children else None
