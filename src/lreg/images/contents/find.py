"""One file out of an image, without reading the layers below the one that has it."""

from __future__ import annotations

import posixpath
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.contents.entries import inside, read_entries
from lreg.images.contents.tree import AUFS, MAX_LINKS, OPAQUE, WHITEOUT, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def open_file(layers: Layers, path: str) -> Iterator[IO[bytes]]:
    """Give the content of a file; links are followed within the image.

    Raises:
        UsageError: there is no such file, it has no content, or a layer is broken.
    """
    wanted, top = inside(path), len(layers.descriptors)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        for _ in range(MAX_LINKS):
            found, top = _search(layers, wanted, top, kept)
            if found.entry:
                kept.seek(0)
                yield kept
                return
            if found.elsewhere is None:
                raise LregError(f"the image has no file {path!r:.200}: `lreg files` lists them")
            wanted = found.elsewhere
        raise UsageError(f"{path!r:.200} leads through links in a circle")


def _search(layers: Layers, wanted: str, top: int, kept: IO[bytes]) -> tuple[_Found, int]:
    """Look from layer `top` downward; return what was found, and below which layer to go on."""
    for number in reversed(range(top)):
        found = _Found()
        layer = layers.open(number)
        for entry in read_entries(layer, number):
            _judge(found, entry, wanted)
            if found.entry is entry:
                kept.seek(0)
                kept.truncate()
                kept.writelines(layer.pieces(entry.size))
        if found.entry:
            return found, number
        if found.elsewhere is not None:
            # A hard link is to a file in its own layer or below; a symbolic one to any.
            return found, number + 1 if found.is_hard else len(layers.descriptors)
        if found.hides:
            break
    return _Found(), 0


def _judge(found: _Found, entry: Entry, wanted: str) -> None:
    """Note in `found` what a file says of the wanted path."""
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
    elif entry.path and _is_below(wanted, entry.path):
        if entry.is_link:
            found.elsewhere = _target(entry, wanted[len(entry.path) + 1 :])
        elif not entry.is_folder:
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
    """Return where a path goes on that leads through a symbolic link, within the image."""
    joined = posixpath.join("/", posixpath.dirname(link.path), link.target, rest)
    return posixpath.normpath(joined).lstrip("/")
