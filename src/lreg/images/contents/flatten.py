"""An image's root as one tar, as `docker export` writes that of a container."""

from __future__ import annotations

import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO, cast

from lreg.images.contents.entries import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lreg.images.contents.entries import Entry
    from lreg.images.contents.layers import Layers
    from lreg.images.contents.tree import Tree
    from lreg.images.contents.unpacking import Plain

_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def write_root(layers: Layers, tree: Tree, target: BinaryIO) -> None:
    """Write the files of `tree`, which is of `layers`, as a tar.

    Folders come first, then files layer by layer, as they can be read: nothing is kept.
    The same image gives the same bytes.

    Raises:
        UsageError: a layer is broken.
        OSError: `target` can't be written.
    """
    files: dict[tuple[int, int], list[Entry]] = {}
    rest = []
    with tarfile.open(
        fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8"
    ) as tar:
        for entry in tree:
            if entry.is_folder:
                tar.addfile(_header(entry))
            elif entry.is_file:
                files.setdefault(entry.place, []).append(entry)
            else:
                rest.append(entry)
        for number in sorted({layer for layer, _ in files}):
            _add_files(tar, layers.open(number), number, files)
        for entry in rest:
            tar.addfile(_header(entry))


def _add_files(
    tar: tarfile.TarFile,
    layer: Plain,
    number: int,
    files: dict[tuple[int, int], list[Entry]],
) -> None:
    """Add the files of one layer that are seen, under all their names."""
    for entry in read_entries(layer, number):
        names = files.get(entry.place)
        if not names:
            continue
        first = names[0]
        tar.addfile(_header(first), cast("BinaryIO", _Content(layer.pieces(entry.size))))
        for other in names[1:]:
            link = tarfile.TarInfo(other.path)
            link.type, link.linkname = tarfile.LNKTYPE, first.path
            tar.addfile(link)


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.type = _TYPES[stat.S_IFMT(entry.mode)]
    header.mode = stat.S_IMODE(entry.mode)
    header.uid, header.gid = entry.uid, entry.gid
    header.mtime = entry.mtime
    header.size = entry.size
    header.linkname = entry.target
    header.devmajor, header.devminor = entry.device
    header.pax_headers = dict(entry.xattrs)
    return header


class _Content:
    """Pieces as a file that tarfile reads in its own."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = b""

    def read(self, count: int) -> bytes:
        parts = []
        while count and (self._rest or self._next()):
            parts.append(self._rest[:count])
            self._rest = self._rest[count:]
            count -= len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bool:
        self._rest = next(self._pieces, b"")
        return bool(self._rest)
