"""Writing an image where registries are not: an OCI layout, as a folder or as one tar."""

from __future__ import annotations

import json
import os
import tarfile
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from lreg.images.build import BuiltImage
    from lreg.oci.reference import Reference

_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


def write_layout(image: BuiltImage, names: Sequence[Reference], folder: Path) -> None:
    """Write an OCI layout into a folder (image-spec, image-layout.md), made if it is not there.

    What the folder has already stays; an index.json there is replaced.

    Raises:
        UsageError: it can't be written.
    """
    try:
        for name, _, pieces in _files(image, names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            with part.open("wb") as file:
                file.writelines(pieces)
            os.replace(part, path)
    except OSError as error:
        raise UsageError(f"{folder} can't be written: {error.strerror or error}") from error


def write_archive(image: BuiltImage, names: Sequence[Reference], path: Path) -> None:
    """Write a tar of an OCI layout, the same bytes for the same image and names.

    Raises:
        UsageError: it can't be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            for name, size, pieces in _files(image, names):
                _write_member(file, name, size, pieces)
            file.write(bytes(2 * tarfile.BLOCKSIZE))
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from error


def _write_member(file: BinaryIO, name: str, size: int, pieces: Iterator[bytes]) -> None:
    header = tarfile.TarInfo(name)
    header.size = size
    file.write(header.tobuf(tarfile.PAX_FORMAT))
    file.writelines(pieces)
    file.write(bytes(-size % tarfile.BLOCKSIZE))


def _files(
    image: BuiltImage, names: Sequence[Reference]
) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, size and bytes of each file; the index last, when all that it names is there."""
    yield "oci-layout", len(_VERSION), iter([_VERSION])
    for descriptor, content in image.contents():
        digest = descriptor.digest
        yield f"blobs/{digest.algorithm}/{digest.hex}", descriptor.size, content.pieces()
    for manifest in image.manifests:
        digest = manifest.digest
        yield f"blobs/{digest.algorithm}/{digest.hex}", len(manifest.raw), iter([manifest.raw])
    index = json.dumps(_index(image, names), separators=(",", ":"), sort_keys=True).encode()
    yield "index.json", len(index), iter([index])


def _index(image: BuiltImage, names: Sequence[Reference]) -> dict[str, object]:
    described = image.top.descriptor.to_json()
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described | {"annotations": _called(name)} for name in names] or [described],
    }


def _called(name: Reference) -> dict[str, str]:
    # What skopeo selects by; what containerd calls an image that it imports.
    return {
        "org.opencontainers.image.ref.name": str(name.tag),
        "io.containerd.image.name": str(name.familiar()),
    }
