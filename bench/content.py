"""What the servers hold and are sent: one image, small blobs, large blobs, and fresh ones."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REPOSITORY = "bench/image"
TAG = "latest"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MIB = 2**20
_TAIL = 32


@dataclass(frozen=True, slots=True)
class Blob:
    """A file, its digest, and its size in bytes; with ``tail``, bytes that follow the file's."""

    path: Path
    digest: str
    size: int
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Content:
    """What every server is filled with before it is measured.

    Attributes:
        manifest: the image's manifest, as stored.
        config: the image's configuration.
        small: fifty blobs of 1 to 50 KiB.
        quarters: four blobs of 256 MiB.
        giant: one blob of 1 GiB.
    """

    manifest: bytes
    config: Blob
    small: tuple[Blob, ...]
    quarters: tuple[Blob, ...]
    giant: Blob

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Every blob there is."""
        return (self.config, *self.small, *self.quarters, self.giant)

    @property
    def manifest_path(self) -> str:
        """The manifest's path at a registry, by tag."""
        return f"/v2/{REPOSITORY}/manifests/{TAG}"


def blob_path(blob: Blob, repository: str = REPOSITORY) -> str:
    """Return a blob's path at a registry."""
    return f"/v2/{repository}/blobs/{blob.digest}"


def make(folder: Path, *, scale: int = 1) -> Content:
    """Write the content into ``folder`` and return it; ``scale`` divides the large blobs' size."""
    folder.mkdir(parents=True)
    config = write(folder / "config", [b'{"architecture":"amd64","os":"linux","rootfs":{}}'])
    small = tuple(write(folder / f"small-{kib}", [os.urandom(kib * 1024)]) for kib in range(1, 51))
    quarter = 256 * MIB // scale
    quarters = tuple(random(folder / f"quarter-{i}", quarter) for i in range(4))
    giant = random(folder / "giant", 4 * quarter)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [
            descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob) for blob in small[:8]
        ],
    }
    return Content(json.dumps(manifest).encode(), config, small, quarters, giant)


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(media_type: str, blob: Blob) -> dict[str, object]:
    """Return how a manifest names a blob."""
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def random(path: Path, size: int) -> Blob:
    """Write a file of random bytes."""
    return write(path, _random(size))


def gzipped(path: Path, size: int) -> Blob:
    """Write a file of ``size`` random bytes as gzip stores what it can't make smaller.

    skopeo compresses a layer that does not begin as gzip does, whatever its media type.
    """
    return write(path, _stored(_random(size)))


def _stored(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(0, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _random(size: int) -> Iterator[bytes]:
    return (os.urandom(min(16 * MIB, size)) for _ in range(-(-size // (16 * MIB))))


def write(path: Path, pieces: Iterable[bytes]) -> Blob:
    """Write a file to the disk."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return Blob(path, f"sha256:{digest.hexdigest()}", path.stat().st_size)


class Fresh:
    """Endless blobs that no server has seen: one file, each time with another tail.

    The file is hashed once, so a new blob's digest costs nothing while servers are measured.
    """

    def __init__(self, base: Blob) -> None:
        self._base = base
        with base.path.open("rb") as file:
            self._digest = hashlib.file_digest(file, "sha256")

    def blob(self) -> Blob:
        """Return a new blob; it is 32 bytes longer than the file."""
        tail = os.urandom(_TAIL)
        digest = self._digest.copy()
        digest.update(tail)
        return Blob(self._base.path, f"sha256:{digest.hexdigest()}", self._base.size + _TAIL, tail)
