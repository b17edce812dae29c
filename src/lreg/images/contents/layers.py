"""The layers of an image, opened as often as needed, and what is in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.contents.entries import read_entries
from lreg.images.contents.tree import Tree
from lreg.images.contents.unpacking import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lreg.images.contents.entries import Entry
    from lreg.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of one image.

    Attributes:
        descriptors: lowest first.
        read: gives the bytes of one, packed as they are, in pieces; called anew for each reading.
    """

    descriptors: tuple[Descriptor, ...]
    read: Callable[[Descriptor], Iterable[bytes]]

    def open(self, number: int) -> Plain:
        """Return the tar of a layer; raise UsageError where it is no layer of files."""
        descriptor = self.descriptors[number]
        # Charts, signatures and the like are artifacts in images' clothes.
        if ".tar" not in descriptor.media_type:
            raise UsageError(f"{descriptor.digest} is no layer of files: {descriptor.media_type}")
        return Plain(self.read(descriptor))

    def entries(self, number: int) -> Iterator[Entry]:
        """Yield the files of a layer in its order."""
        return read_entries(self.open(number), number)

    def tree(self, only: Iterable[int] | None = None) -> Tree:
        """Return what a container sees: of all layers, or as if there were only some."""
        tree = Tree()
        for number in range(len(self.descriptors)) if only is None else sorted(set(only)):
            tree.apply(self.entries(number))
        return tree

    def hashes(self, number: int) -> dict[int, str]:
        """Return the SHA-256 of the files of a layer by their places in it."""
        layer = self.open(number)
        return {
            entry.place[1]: _hash(layer, entry)
            for entry in read_entries(layer, number)
            if entry.is_file
        }


def _hash(layer: Plain, entry: Entry) -> str:
    hasher = hashlib.sha256()
    for piece in layer.pieces(entry.size):
        hasher.update(piece)
    return hasher.hexdigest()
