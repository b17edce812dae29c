"""One file out of an image, without reading the layers below the one that has it."""

from __future__ import annotations

import posixpath
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import IO, TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.contents.entries import inside, read_entries
from lreg.images.contents.tree import AUFS, MAX_LINKS, OPAQUE, WHITEOUT, hidden
from lreg.images.temporary import keep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lreg.images.contents.entries import Entry
    from lreg.images.contents.layers import Layers

# A larger file lies on the disk until it is known to be the last of its name in its layer.
_IN_MEMORY = 8 << 20


@dataclass(slots=True)
class _Found:
    """What one layer says of a path: it is there, it lies elsewhere, or is hidden from below."""

    entry: Entry | None = None
    elsewhere: str | None = None
    is_hard: bool = False
    hides: bool = False


class _Unsure(Exception):
    """Where a file of a layer lies depends on links that only the layers below have."""


@contextmanager
def open_file(layers: Layers, path: str) -> Iterator[IO[bytes]]:
    """Give the content of a file; links are followed within the image.

    Raises:
        UsageError: there is no such file, it has no content, or a layer is broken.
    """
    wanted = inside(path)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        try:
            is_there = _from_above(layers, wanted, kept)
        except _Unsure:
            is_there = _of_all(layers, wanted, kept)
        if not is_there:
            raise LregError(f"the image has no file {path!r:.200}: `lreg files` lists them")
        kept.seek(0)
        yield kept


def _of_all(layers: Layers, wanted: str, kept: IO[bytes]) -> bool:
    """Keep the content of a file that is found in the root that all layers make."""
    entry = layers.tree().file(wanted)
    if entry is None:
        return False
    if not entry.is_file:
        raise UsageError(f"{wanted!r:.200} is no file with content")
    number, _ = entry.place
    layer = layers.open(number)
    for each in read_entries(layer, number):
        if each.place == entry.place:
            _keep(kept, layer.pieces(each.size))
    return True


def _from_above(layers: Layers, wanted: str, kept: IO[bytes]) -> bool:
    """Keep the content of a file; layers below the one that has it are not read."""
    top = len(layers.descriptors)
    for _ in range(MAX_LINKS):
        found, top = _search(layers, wanted, top, kept)
        if found.entry:
            return True
        if found.elsewhere is None:
            return False
        wanted = found.elsewhere
    raise UsageError(f"{wanted!r:.200} leads through links in a circle")


def _search(layers: Layers, wanted: str, top: int, kept: IO[bytes]) -> tuple[_Found, int]:
    """Look from layer `top` downward; return what was found, and below which layer to go on."""
    folders: set[str] = set()
    for number in reversed(range(top)):
        found = _Found()
        layer = layers.open(number)
        above, folders_here = frozenset(folders), {""}
        for entry in read_entries(layer, number):
            if entry.is_folder:
                folders_here.add(entry.path)
            _see_that_it_is_sure(entry, wanted, folders_here)
            _judge(found, entry, wanted, above)
            if found.entry is entry:
                _keep(kept, layer.pieces(entry.size))
        folders |= {path for path in folders_here if _is_below(wanted, path)}
        if found.entry:
            return found, number
        if found.elsewhere is not None:
            # A hard link is to a file in its own layer or below; a symbolic one to any.
            return found, number + 1 if found.is_hard else len(layers.descriptors)
        if found.hides:
            break
    return _Found(), 0


def _keep(kept: IO[bytes], pieces: Iterable[bytes]) -> None:
    kept.seek(0)
    kept.truncate()
    keep(pieces, kept)


def _see_that_it_is_sure(entry: Entry, wanted: str, folders: set[str]) -> None:
    """Raise _Unsure where a file may be the wanted one by a folder that is a link further down.

    Who makes layers says for each file that its folders are folders, or nothing of them.
    """
    folder = posixpath.dirname(entry.path)
    if entry.name.startswith(WHITEOUT):
        gone = posixpath.basename(folder) if entry.name == OPAQUE else hidden(entry)
        is_alike = gone in wanted.split("/")
    else:
        is_alike = entry.name == posixpath.basename(wanted) and entry.path != wanted
    if is_alike and not _is_below(wanted, folder):
        while folder:
            if folder not in folders:
                raise _Unsure
            folder = posixpath.dirname(folder)


def _judge(found: _Found, entry: Entry, wanted: str, folders: Collection[str]) -> None:
    """Note in `found` what a file says of the wanted path; `folders` are those of layers above."""
    if entry.name.startswith(WHITEOUT):
        found.hides |= _hides(entry, wanted)
    elif entry.path == wanted:
        found.entry = found.elsewhere = None
        found.is_hard = entry.hard
        if entry.hard:
            found.elsewhere = entry.target
        elif entry.is_link:
            found.elsewhere = _target(entry, "")
        elif entry.is_file:
            found.entry = entry
        else:
            raise UsageError(f"{wanted!r:.200} is no file with content")
    elif entry.path and _is_below(wanted, entry.path) and not entry.is_folder:
        if entry.is_link and entry.path not in folders:
            found.elsewhere = _target(entry, wanted[len(entry.path) + 1 :])
        else:
            found.hides = True


def _hides(whiteout: Entry, wanted: str) -> bool:
    """Return whether a whiteout hides what lower layers have at the wanted path."""
    folder = posixpath.dirname(whiteout.path)
    if whiteout.name == OPAQUE:
        return _is_below(wanted, folder)
    gone = posixpath.join(folder, hidden(whiteout))
    return not whiteout.name.startswith(AUFS) and (wanted == gone or _is_below(wanted, gone))


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _target(link: Entry, rest: str) -> str:
    """Return where a path goes on that leads through a symbolic link, within the image.

    Raises:
        _Unsure: what `..` means in it depends on whether what stands before it is a link.
    """
    parts = [part for part in link.target.split("/") if part not in ("", ".")]
    if ".." in parts[len(list(takewhile("..".__eq__, parts))) :]:
        raise _Unsure
    joined = posixpath.join("/", posixpath.dirname(link.path), link.target, rest)
    return posixpath.normpath(joined).lstrip("/")
