"""Writing a layer: the same files give the same bytes (image-spec, layer.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.images.building.packing import Compression, packer
from lreg.images.contents.entries import header_of, link_to
from lreg.images.tars import write_end, write_member
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lreg.images.building.packing import Writer
    from lreg.images.building.staging import Staging
    from lreg.images.contents.entries import Entry
    from lreg.images.members import Member


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A file of a layer; two with the same `place` are hard links to one."""

    entry: Entry
    content: Member | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How layers are written.

    Attributes:
        epoch: every time in the image, in seconds since 1970.
        compression: of the layers.
        keep_times: give files the times that they have, in whole seconds, instead.
        told: is called with the size in bytes of every piece that went into a layer.
    """

    epoch: int = 0
    compression: Compression = Compression.GZIP
    keep_times: bool = False
    told: Callable[[int], object] = lambda _size: None


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer: how a manifest names it, the digest of its tar, and its bytes."""

    descriptor: Descriptor
    diff_id: Digest
    content: Member


def write_layer(files: Iterable[LayerFile], staging: Staging, recipe: Recipe) -> BuiltLayer:
    """Write files in their order, a folder before its content, as a layer into `staging`.

    Raises:
        UsageError: a file can't be read, or is no longer as long as it was.
    """
    plain = _Hashing()

    def write(target: Writer) -> None:
        packed.target = target
        plain.target = packing = packer(recipe.compression, packed)
        _write_tar(files, plain, recipe)
        packing.close()

    packed = _Hashing()
    content = staging.fill("the layer", write)
    descriptor = Descriptor(recipe.compression.media_type, packed.digest, content.size)
    return BuiltLayer(descriptor, plain.digest, content)


class _Hashing:
    """Passes on what is written, and knows its digest."""

    target: Writer

    def __init__(self) -> None:
        self._hasher = Algorithm.SHA256.hasher()

    def write(self, data: bytes) -> None:
        self._hasher.update(data)
        self.target.write(data)

    @property
    def digest(self) -> Digest:
        return Digest.finished(Algorithm.SHA256, self._hasher)


def _write_tar(files: Iterable[LayerFile], target: Writer, recipe: Recipe) -> None:
    written: dict[tuple[int, int], str] = {}
    for file in files:
        entry = file.entry
        first = written.setdefault(entry.place, entry.path) if file.content else entry.path
        is_link = first != entry.path
        header = link_to(entry, first) if is_link else header_of(entry)
        header.mtime = int(entry.mtime) if recipe.keep_times else recipe.epoch
        write_member(target, header, () if is_link else _told(file.content, recipe))
    write_end(target)


def _told(content: Member | None, recipe: Recipe) -> Iterator[bytes]:
    for piece in content.pieces() if content else ():
        yield piece
        recipe.told(len(piece))
