"""Images on their way in a tar: an OCI layout that Docker can load too (image-layout.md).

What the images are made of comes before its content, so that whoever reads the tar from a pipe
knows of every blob who wants it.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from lreg.images.tars import write_end, write_member
from lreg.images.whole import whole_file
from lreg.oci import mediatypes
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName

    Read = Callable[[Descriptor], Iterable[bytes]]

# What skopeo selects by (image-spec, annotations.md), what containerd calls an image it imports.
REF_NAME, CONTAINERD_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"
# Which blobs are left out, and in which repository they are since an earlier bundle.
SINCE = "dev.lreg.bundle.since"
_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Carried:
    """An image that is to be carried.

    Attributes:
        names: what it is called, if anything: references with a tag, or with a digest.
        manifests: what it consists of, children before their index, the whole last.
    """

    names: tuple[str, ...]
    manifests: tuple[Manifest, ...]

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
    """
    left_out = since or {}
    # An index before what it names: so who reads it knows each manifest for one when it comes.
    manifests = {each.digest: each for image in images for each in reversed(image.manifests)}
    blobs = {digest: blob for image in images for digest, blob in image.blobs.items()}
    yield _file("oci-layout", _VERSION)
    yield _file("index.json", _index(images, {d: left_out[d] for d in blobs if d in left_out}))
    if not left_out:
        yield _file("manifest.json", _json(_docker_images(images, manifests)))
    for manifest in manifests.values():
        yield _file(_path(manifest.digest), manifest.raw)
    for blob in blobs.values():
        if blob.digest not in left_out:
            yield CarriedFile(_path(blob.digest), blob.size, read(blob))


def write_tar(files: Iterable[CarriedFile], target: BinaryIO) -> None:
    """Write a tar of the files, the same bytes for the same files; raise OSError."""
    for file in files:
        header = tarfile.TarInfo(file.name)
        header.size = file.size
        write_member(target, header, file.pieces)
    write_end(target)


def write_folder(files: Iterable[CarriedFile], folder: Path) -> None:
    """Write the files into a folder, made if it is not there; its index last; raise OSError."""
    index = None
    for file in files:
        if file.name == "index.json":
            index = file
        elif file.name != "manifest.json":
            _write(folder / file.name, file.pieces)
    if index:
        _write(folder / index.name, index.pieces)


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.writelines(pieces)


def _file(name: str, data: bytes) -> CarriedFile:
    return CarriedFile(name, len(data), [data])


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _index(images: Sequence[Carried], since: Mapping[Digest, RepositoryName]) -> bytes:
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [
            image.root.descriptor.to_json() | _called(name)
            for image in images
            for name in image.names or [""]
        ],
    }
    if since:
        base = {str(digest): str(repository) for digest, repository in since.items()}
        fields["annotations"] = {SINCE: json.dumps(base, sort_keys=True)}
    return _json(fields)


def _called(name: str) -> dict[str, Any]:
    if not name:
        return {}
    containerds = str(Reference.parse(name).familiar())
    return {"annotations": {REF_NAME: name, CONTAINERD_NAME: containerds}}


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
                    "Config": _path(chosen.config.digest),
                    "RepoTags": [name for name in image.names if "@" not in name],
                    "Layers": [_path(layer.digest) for layer in chosen.layers],
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


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
