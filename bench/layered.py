"""An image that runtimes can unpack, and its archive."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import zlib
from typing import TYPE_CHECKING

from bench import content as contents
from bench.content import MANIFEST_TYPE, MIB, REPOSITORY, TAG
from bench.internet import Image

if TYPE_CHECKING:
    from pathlib import Path


_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
# Of a file's bytes those that don't compress; programs and libraries are about like that.
_DENSE, _FILE = 0.6, 4 * MIB


def make_layered(folder: Path, layers: int, size: int) -> Image:
    """Write an image's blobs, each layer about ``size`` bytes when compressed; return the image."""
    folder.mkdir(parents=True)
    made, tars = [], []
    for number in range(layers):
        data = _tar(number, int(size / _DENSE))
        tars.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
        packer = zlib.compressobj(1, wbits=31)
        made.append(
            contents.write(folder / f"layer-{number}", [packer.compress(data), packer.flush()])
        )
    fields = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": tars},
    }
    config = contents.write(folder / "config", [json.dumps(fields).encode()])
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": contents.descriptor(_CONFIG, config),
            "layers": [contents.descriptor(_LAYER, layer) for layer in made],
        }
    ).encode()
    return Image(manifest, contents.digest_of(manifest), config, tuple(made))


def _tar(number: int, size: int) -> bytes:
    dense = random.Random(number)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for at in range(0, size, _FILE):
            length = min(_FILE, size - at)
            noise = dense.randbytes(int(length * _DENSE))
            data = noise + bytes(length - len(noise))
            entry = tarfile.TarInfo(f"layer-{number}/file-{at}")
            entry.size, entry.mode = length, 0o644
            opened.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def archive(file: Path, image: Image) -> Path:
    """Write the image as a tar of an OCI image layout, which ``ctr`` and skopeo read."""
    names = {
        "org.opencontainers.image.ref.name": TAG,
        "io.containerd.image.name": f"localhost/{REPOSITORY}:{TAG}",
    }
    entry = {
        "mediaType": MANIFEST_TYPE,
        "digest": image.digest,
        "size": len(image.manifest),
        "annotations": names,
    }
    with tarfile.open(file, "w") as opened:
        _add(opened, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(opened, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        _add(opened, _place(image.digest), image.manifest)
        for blob in (image.config, *image.layers):
            opened.add(blob.path, _place(blob.digest))
    return file


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(opened: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    opened.addfile(entry, io.BytesIO(data))
