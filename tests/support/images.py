"""Images made from nothing: no client and no internet needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha256(data: bytes) -> str:
    """Return the digest of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def noise(size: int, seed: str) -> bytes:
    """Return `size` bytes that don't compress, the same for the same seed; a gigabyte a second."""
    cipher = Cipher(algorithms.AES(hashlib.sha256(seed.encode()).digest()), modes.CTR(bytes(16)))
    return cipher.encryptor().update(bytes(size))


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes and their type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The digest of the bytes."""
        return sha256(self.data)

    def descriptor(self, **more: object) -> dict[str, Any]:
        """Return the descriptor of this content, with `more` properties."""
        size = len(self.data)
        return {"mediaType": self.media_type, "digest": self.digest, "size": size} | more


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and its config and layers, in this order.

    Attributes:
        tars: the layers before compression; none for an artifact.
    """

    manifest: Content
    blobs: tuple[Content, ...]
    tars: tuple[bytes, ...] = ()
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index (or Docker's manifest list) and its images."""

    manifest: Content
    images: tuple[Image, ...]


def tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of those files, the same bytes every time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _content(media_type: str, value: object) -> Content:
    return Content(media_type, json.dumps(value, separators=(",", ":")).encode())


def image(*layers: Mapping[str, bytes], architecture: str = "amd64", docker: bool = False) -> Image:
    """Return an image of those layers, of Docker's schema 2 if asked to."""
    return layered(*map(tar, layers), architecture=architecture, docker=docker)


def layered(*tars: bytes, architecture: str = "amd64", docker: bool = False) -> Image:
    """Return an image whose layers are those tars; see `image`."""
    config = _content(
        DOCKER_CONFIG if docker else OCI_CONFIG,
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(each) for each in tars]},
            "history": [{"created_by": "lreg tests"} for _ in tars],
        },
    )
    kind = DOCKER_LAYER if docker else OCI_LAYER
    zipped = tuple(Content(kind, gzip.compress(each, 1, mtime=0)) for each in tars)
    manifest = _content(
        media_type := DOCKER_MANIFEST if docker else OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.descriptor(),
            "layers": [each.descriptor() for each in zipped],
        },
    )
    return Image(manifest, (config, *zipped), tars, architecture)


def hello(name: str, size: int = 0, **more: Any) -> Image:
    """Return an image of two layers that is like no other of another name.

    Args:
        name: makes it unique.
        size: of the second layer, in bytes, incompressible.
        more: as `image` takes it.
    """
    first = {"hello": b"#!/bin/sh\necho " + name.encode()}
    return image(first, {"data/noise": noise(size or 1000, name)}, **more)


def index(*images: Image, docker: bool = False) -> Index:
    """Return an index of those images, one a platform."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    manifests = [
        each.manifest.descriptor(platform={"os": "linux", "architecture": each.architecture})
        for each in images
    ]
    value = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return Index(_content(media_type, value), images)


def multi_arch(name: str, docker: bool = False) -> Index:
    """Return an index of three small images, for amd64, arm64 and s390x."""
    platforms = ("amd64", "arm64", "s390x")
    made = [hello(f"{name}-{each}", architecture=each, docker=docker) for each in platforms]
    return index(*made, docker=docker)


def attested(*images: Image) -> Index:
    """Return an index of those images, the first with a provenance, as BuildKit writes it."""
    config = _content(OCI_CONFIG, {"architecture": "unknown", "os": "unknown", "config": {}})
    statement = Content("application/vnd.in-toto+json", b'{"_type":"provenance"}')
    about = _content(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [statement.descriptor()],
        },
    )
    subject = images[0].manifest.digest
    of_it = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject,
    }
    nowhere = {"os": "unknown", "architecture": "unknown"}
    value = json.loads(index(*images).manifest.data)
    value["manifests"].append(about.descriptor(platform=nowhere, annotations=of_it))
    return Index(_content(OCI_INDEX, value), (*images, Image(about, (config, statement))))


def artifact(subject: Content, artifact_type: str, data: bytes) -> Image:
    """Return an artifact that says something about `subject`, such as a signature."""
    empty = Content(OCI_EMPTY, b"{}")
    blob = Content("text/plain", data)
    manifest = _content(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": empty.descriptor(),
            "layers": [blob.descriptor()],
            "subject": subject.descriptor(),
        },
    )
    return Image(manifest, (empty, blob))


def write_layout(folder: Path, tagged: Mapping[str, Image | Index]) -> Path:
    """Write an OCI image layout and return its folder."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for each in tagged.values():
        for content in _everything(each):
            (blobs / content.digest.removeprefix("sha256:")).write_bytes(content.data)
    manifests = [
        each.manifest.descriptor(annotations={"org.opencontainers.image.ref.name": tag})
        for tag, each in tagged.items()
    ]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def read_layout(folder: Path) -> dict[str, bytes]:
    """Return every blob of an OCI image layout by its digest."""
    return {f"sha256:{file.name}": file.read_bytes() for file in folder.glob("blobs/sha256/*")}


def layout_digests(image: Image | Index) -> set[str]:
    """Return the digest of everything that belongs to an image or an index."""
    return {content.digest for content in _everything(image)}


def _everything(image: Image | Index) -> Sequence[Content]:
    if isinstance(image, Index):
        return [image.manifest, *(c for each in image.images for c in _everything(each))]
    return [image.manifest, *image.blobs]


def write_docker_archive(file: Path, image: Image, name: str) -> Path:
    """Write what `docker save` would have written for the image called `name`."""
    config = image.blobs[0]
    config_name = config.digest.removeprefix("sha256:") + ".json"
    layers = {f"{sha256(each).removeprefix('sha256:')}/layer.tar": each for each in image.tars}
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": list(layers)}]
    listed = {"manifest.json": json.dumps(manifest).encode(), config_name: config.data}
    file.write_bytes(tar(listed | layers))
    return file
