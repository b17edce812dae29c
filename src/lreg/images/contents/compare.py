"""What differs between the files of two images."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.images.contents.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.images.contents.entries import Entry
    from lreg.images.contents.layers import Layers


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not the same in both images.

    Attributes:
        path: its path.
        before: what it is in the first image; None where it is not there.
        after: what it is in the second.
        what: in which ways it changed: type, mode, owner, content, target, device, xattrs.
    """

    path: str
    before: Entry | None
    after: Entry | None
    what: tuple[str, ...] = ()


def differences(first: Layers, second: Layers) -> Iterator[Difference]:
    """Yield the differences in the order of paths; times are no difference.

    Raises:
        UsageError: a layer is broken.
    """
    shared = _shared(first, second)
    old, new = ({entry.path: entry for entry in tree} for tree in _trees(first, second, shared))
    hashes = _Hashes(first), _Hashes(second)
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before is None or after is None:
            yield Difference(path, before, after)
        elif (before.place != after.place or before.place[0] >= shared) and (
            what := tuple(_changes(before, after, hashes))
        ):
            yield Difference(path, before, after, what)


def _trees(first: Layers, second: Layers, shared: int) -> tuple[Tree, Tree]:
    """Return what containers of both see; the layers that are the same are read once."""
    trees = Tree(), Tree()
    for number in range(shared):
        entries = list(first.entries(number))
        for tree in trees:
            tree.apply(entries)
    for layers, tree in zip((first, second), trees, strict=True):
        for number in range(shared, len(layers.descriptors)):
            tree.apply(layers.entries(number))
    return trees


def _shared(first: Layers, second: Layers) -> int:
    """Return how many layers, from the lowest on, are the same in both."""
    pairs = zip(first.descriptors, second.descriptors, strict=False)
    for number, (one, other) in enumerate(pairs):
        if one.digest != other.digest:
            return number
    return min(len(first.descriptors), len(second.descriptors))


def _changes(before: Entry, after: Entry, hashes: tuple[_Hashes, _Hashes]) -> Iterator[str]:
    if stat.S_IFMT(before.mode) != stat.S_IFMT(after.mode):
        yield "type"
        return
    if before.mode != after.mode:
        yield "mode"
    if (before.uid, before.gid) != (after.uid, after.gid):
        yield "owner"
    if before.target != after.target:
        yield "target"
    if before.device != after.device:
        yield "device"
    if before.xattrs != after.xattrs:
        yield "xattrs"
    if before.is_file and (
        before.size != after.size or hashes[0].of(before) != hashes[1].of(after)
    ):
        yield "content"


class _Hashes:
    """The hashes of an image's files, a layer at a time, for those that need comparing."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._known: dict[int, dict[int, str]] = {}

    def of(self, entry: Entry) -> str:
        layer, place = entry.place
        if layer not in self._known:
            self._known[layer] = self._layers.hashes(layer)
        return self._known[layer][place]
