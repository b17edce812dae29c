"""Bundles: images in an OCI layout's tar, packed by zstd, to be carried across an air gap.

Of a bundle that is read nothing is believed: names lead nowhere, sizes are bounded, every digest is
verified by who takes the content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lreg.errors import LregError, UsageError
from lreg.images.carrying import REF_NAME, SINCE, write_tar
from lreg.images.contents.unpacking import Plain
from lreg.images.tars import tar_headers
from lreg.oci.digest import Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from lreg.images.carrying import CarriedFile
    from lreg.oci.descriptor import Descriptor

_PIECE = 1 << 20
# Layers are packed already; what is not packs well at any level.
_LEVEL = 1
# Of an index with the names of ten thousand images.
_MAX_INDEX = 16 << 20
_MAX_HEADERS = 256 << 20


def write_bundle(files: Iterable[CarriedFile], target: BinaryIO) -> None:
    """Write a bundle of the files of a layout; raise OSError."""
    import zstandard  # noqa: PLC0415 -- only bundles need it

    packer = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
    with packer.stream_writer(target, closefd=False) as packed:
        write_tar(files, cast("BinaryIO", packed))


@dataclass(frozen=True, slots=True)
class BundledImage:
    """An image in a bundle.

    Attributes:
        names: what it is called, with a tag or a digest.
        manifests: what it consists of, children before their index, the whole last.
    """

    names: tuple[Reference, ...]
    manifests: tuple[Manifest, ...]


@dataclass(slots=True)
class Bundle:
    """A bundle that is read once, forward: `read_bundle` makes it.

    Attributes:
        images: what is in it; complete as soon as the first blob is given.
        since: blobs that were left out, with the repository that had them.
    """

    images: tuple[BundledImage, ...] = ()
    since: dict[Digest, str] = field(default_factory=dict)
    _files: Iterator[tuple[str, int, Iterator[bytes]]] = field(default_factory=lambda: iter(()))

    def blobs(self) -> Iterator[tuple[Digest, int, Iterator[bytes]]]:
        """Yield digest, size and bytes of what comes; each is to be read before the next.

        Raises:
            UsageError: the bundle is broken.
        """
        for name, size, pieces in self._files:
            if digest := _digest(name):
                yield digest, size, pieces


def read_bundle(packed: Iterable[bytes]) -> Bundle:
    """Return a bundle, read as far as its first blob.

    Args:
        packed: its bytes, in pieces.

    Raises:
        UsageError: it is none, or broken.
    """
    files = _files(Plain(packed))
    index = _index(files)
    since = _since(index)
    wanted = dict.fromkeys(child.digest for child in index.children)
    manifests: dict[Digest, Manifest] = {}
    while missing := [digest for digest in wanted if digest not in manifests]:
        name, size, pieces = next(files, ("", 0, iter(())))
        digest = _digest(name)
        if digest not in missing:
            if name == "manifest.json":
                continue
            raise UsageError(
                "it is no bundle, which says what it holds before it holds it: load an archive "
                "by `lreg upload`"
            )
        manifest = _manifest(digest, size, pieces)
        manifests[digest] = manifest
        wanted |= dict.fromkeys(child.digest for child in manifest.children if child.distributable)
    return Bundle(tuple(_images(index, manifests)), since, files)


def _files(plain: Plain) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    for header in tar_headers(plain, _MAX_HEADERS):
        if header.isreg():
            yield header.name, header.size, plain.pieces(header.size)


def _index(files: Iterator[tuple[str, int, Iterator[bytes]]]) -> Manifest:
    for name, size, pieces in files:
        if name == "index.json":
            if size > _MAX_INDEX:
                raise UsageError(f"its index has {size} bytes: {_MAX_INDEX} are the most")
            return Manifest.parse(b"".join(pieces))
        if name != "oci-layout":
            break
    raise UsageError("it is no bundle: `lreg bundle create` makes them")


def _since(index: Manifest) -> dict[Digest, str]:
    try:
        listed = json.loads(index.annotations.get(SINCE, "{}"))
        return {Digest.parse(digest): str(name) for digest, name in listed.items()}
    except (ValueError, AttributeError, LregError) as error:
        raise UsageError(f"its index is broken: {error}") from error


def _digest(name: str) -> Digest | None:
    folder, _, rest = name.partition("/")
    if folder != "blobs":
        return None
    try:
        return Digest.parse(rest.replace("/", ":", 1))
    except LregError:
        return None


def _manifest(digest: Digest | None, size: int, pieces: Iterator[bytes]) -> Manifest:
    if size > MAX_MANIFEST_SIZE:
        raise UsageError(f"a manifest of it has {size} bytes: {MAX_MANIFEST_SIZE} are the most")
    raw = b"".join(pieces)
    if digest is None or Digest.of(raw, digest.algorithm) != digest:
        raise UsageError(f"it is broken: {digest} holds other bytes")
    return Manifest.parse(raw, algorithm=digest.algorithm)


def _images(index: Manifest, manifests: dict[Digest, Manifest]) -> Iterator[BundledImage]:
    names: dict[Digest, list[Descriptor]] = {}
    for child in index.children:
        names.setdefault(child.digest, []).append(child)
    for digest, called in names.items():
        texts = (child.annotations.get(REF_NAME) for child in called)
        order: dict[Digest, Manifest] = {}
        _collect(manifests[digest], manifests, order)
        yield BundledImage(
            tuple(Reference.parse(text) for text in texts if text), tuple(order.values())
        )


def _collect(
    root: Manifest, manifests: dict[Digest, Manifest], order: dict[Digest, Manifest]
) -> None:
    """Put a manifest into `order` after those it names; an index can't name itself, by its hash."""
    for child in root.children:
        if child.digest in manifests and child.digest not in order:
            _collect(manifests[child.digest], manifests, order)
    order[root.digest] = root
