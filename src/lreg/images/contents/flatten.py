"""An image's root as one tar, as `docker export` writes that of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.images.contents.entries import header_of, link_to, read_entries
from lreg.images.tars import write_end, write_member

if TYPE_CHECKING:
    from typing import BinaryIO

    from lreg.images.contents.entries import Entry
    from lreg.images.contents.layers import Layers
    from lreg.images.contents.tree import Tree
    from lreg.images.contents.unpacking import Plain


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
    for entry in tree:
        if entry.is_folder:
            write_member(target, header_of(entry))
        elif entry.is_file:
            files.setdefault(entry.place, []).append(entry)
        else:
            rest.append(entry)
    for number in sorted({layer for layer, _ in files}):
        _write_files(target, layers.open(number), number, files)
    for entry in rest:
        write_member(target, header_of(entry))
    write_end(target)


def _write_files(
    target: BinaryIO,
    layer: Plain,
    number: int,
    files: dict[tuple[int, int], list[Entry]],
) -> None:
    """Write the files of one layer that are seen, under all their names."""
    for entry in read_entries(layer, number):
        names = files.get(entry.place)
        if not names:
            continue
        first, *others = names
        write_member(target, header_of(first), layer.pieces(entry.size))
        for other in others:
            write_member(target, link_to(other, first.path))
