"""Bundles: images in an OCI layout's tar, packed by zstd, to be carried across an air gap.

Of a bundle that is read nothing is believed: names lead nowhere, sizes are bounded, every digest is
verified by who takes the content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lreg.errors import LregError, UsageError
from lreg.images.carrying import (
    ABSENT,
    CACHED,
    INDEX,
    MAX_MANIFESTS_SIZE,
    ORIGIN,
    REF_NAME,
    SINCE,
    write_tar,
)
from lreg.images.contents.unpacking import Plain
from lreg.images.tars import tar_headers
from lreg.oci.digest import Digest
from lreg.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from lreg.oci.reference import Reference, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from lreg.images.carrying import CarriedFile

_PIECE = 1 << 20
# Layers are packed already; what is not packs well at any level.
_LEVEL = 1
_MAX_HEADERS = 256 << 20
# An index of indexes is rare; one of those of those is none.
_MAX_DEPTH = 3
# What annotations raise that are not what lreg writes there.
_STRANGE = (ValueError, TypeError, AttributeError, RecursionError, LregError)


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
        names: what it is called, with a tag or a digest; and whether that is upstream's to change.
        manifests: what it consists of, children before their index, the whole last.
    """

    names: Mapping[Reference, bool]
    manifests: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is read once, forward: `read_bundle` makes it.

    Attributes:
        images: what is in it.
        since: blobs that were left out, with the repository that had them.
    """

    images: tuple[BundledImage, ...]
    since: Mapping[Digest, RepositoryName]
    _files: Iterator[tuple[str, int, Iterator[bytes]]]

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
    manifests = _manifests(index, files)
    images = []
    for digest, names in _names(index).items():
        order: dict[Digest, Manifest] = {}
        _collect(manifests[digest], manifests, order)
        images.append(BundledImage(names, tuple(order.values())))
    return Bundle(tuple(images), _since(index), files)


def _files(plain: Plain) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    for header in tar_headers(plain, _MAX_HEADERS, or_nothing=True):
        if header.isreg():
            yield header.name, header.size, plain.pieces(header.size)


def _index(files: Iterator[tuple[str, int, Iterator[bytes]]]) -> Manifest:
    name = ""
    for name, size, pieces in files:
        if name == INDEX:
            return Manifest.parse(_bytes(name, size, pieces))
        if name != "oci-layout":
            break
    if not name:
        raise UsageError("nothing comes, or not enough to be a bundle: what gives it has failed")
    raise UsageError("it is no bundle: `lreg bundle create` makes them")


def _manifests(
    index: Manifest, files: Iterator[tuple[str, int, Iterator[bytes]]]
) -> dict[Digest, Manifest]:
    """Return the manifests of all images, which come first, an index before what it names."""
    manifests: dict[Digest, Manifest] = {}
    absent = _absent(index)
    missing, left = {child.digest for child in index.children}, MAX_MANIFESTS_SIZE
    while missing:
        name, size, pieces = next(files, ("", 0, iter(())))
        if name == "manifest.json":
            continue
        digest = _digest(name)
        if digest not in missing:
            raise UsageError(
                "it is no bundle, which says what it holds before it holds it: load an archive "
                "by `lreg upload`"
            )
        left -= size
        if left < 0:
            raise UsageError(f"its manifests have more than {MAX_MANIFESTS_SIZE} bytes together")
        raw = _bytes(name, size, pieces)
        if Digest.of(raw, digest.algorithm) != digest:
            raise UsageError(f"it is broken: {digest} holds other bytes")
        manifest = manifests[digest] = Manifest.parse(raw, algorithm=digest.algorithm)
        missing |= {child.digest for child in manifest.children if child.distributable}
        missing -= manifests.keys() | absent
    return manifests


def _bytes(name: str, size: int, pieces: Iterator[bytes]) -> bytes:
    if size > MAX_MANIFEST_SIZE:
        raise UsageError(f"{name:.200} of it has {size} bytes: {MAX_MANIFEST_SIZE} are the most")
    return b"".join(pieces)


def _names(index: Manifest) -> dict[Digest, dict[Reference, bool]]:
    """Return what the index calls each of its images, and whether that is upstream's to change."""
    names: dict[Digest, dict[Reference, bool]] = {}
    for child in index.children:
        text = child.annotations.get(REF_NAME)
        name = Reference.parse(text) if isinstance(text, str) else None
        # An OCI layout may say nothing but the tag.
        if name is None or not (name.tag or name.digest):
            raise UsageError(
                f"{child.digest} of it has no name: load it by `lreg upload --as NAME`"
            )
        is_cached = child.annotations.get(ORIGIN) == CACHED
        names.setdefault(child.digest, {})[name] = is_cached
    return names


def _since(index: Manifest) -> dict[Digest, RepositoryName]:
    """Return which blobs are left out, and which repositories have them."""
    try:
        listed = json.loads(index.annotations.get(SINCE, "{}"))
        return {Digest.parse(key): RepositoryName.parse(name) for key, name in listed.items()}
    except _STRANGE as error:
        raise UsageError(f"its index does not say what it was made since: {error}") from error


def _absent(index: Manifest) -> frozenset[Digest]:
    """Return which manifests are left out, that an index names."""
    try:
        return frozenset(map(Digest.parse, json.loads(index.annotations.get(ABSENT, "[]"))))
    except _STRANGE as error:
        raise UsageError(f"its index does not say which images it lacks: {error}") from error


def _digest(name: str) -> Digest | None:
    folder, _, rest = name.partition("/")
    if folder != "blobs":
        return None
    try:
        return Digest.parse(rest.replace("/", ":", 1))
    except LregError:
        return None


def _collect(
    root: Manifest,
    manifests: Mapping[Digest, Manifest],
    order: dict[Digest, Manifest],
    depth: int = 0,
) -> None:
    """Put a manifest into `order` after those it names; an index can't name itself, by its hash."""
    if depth > _MAX_DEPTH:
        raise UsageError("its indexes lie in one another too deeply")
    for child in root.children:
        if child.digest in manifests and child.digest not in order:
            _collect(manifests[child.digest], manifests, order, depth + 1)
    order[root.digest] = root
