"""An image's root: its layers on top of each other (image-spec, layer.md, "Changesets")."""

from __future__ import annotations

import posixpath
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.contents.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# image-spec, layer.md, "Whiteouts", "Opaque Whiteout"; what else begins so is AUFS' own.
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
AUFS = ".wh..wh."
# An image of a million files is ten times the largest known.
_MAX_ENTRIES = 1_000_000
# Linux gives up after so many (path_resolution(7)).
MAX_LINKS = 40


@dataclass(slots=True)
class _Node:
    entry: Entry
    children: dict[str, _Node] = field(default_factory=dict)


class Tree:
    """The files that a container of the image sees."""

    def __init__(self) -> None:
        self._root = _Node(_folder(""))
        self._left = _MAX_ENTRIES

    def apply(self, layer: Iterable[Entry]) -> None:
        """Put a layer on top.

        Raises:
            UsageError: it is none: a link to nothing, links in a circle, too many files.
        """
        added = []
        for entry in layer:
            self._left -= 1
            if self._left < 0:
                raise UsageError(f"the image has more than {_MAX_ENTRIES} files")
            if not entry.name.startswith(WHITEOUT):
                added.append(entry)
            # They hide what lies below this layer, wherever they stand in it.
            elif entry.name == OPAQUE:
                if folder := self._known(posixpath.dirname(entry.path)):
                    folder.children.clear()
            elif not entry.name.startswith(AUFS):
                self._remove(posixpath.join(posixpath.dirname(entry.path), hidden(entry)))
        for entry in added:
            self._add(entry)

    def file(self, path: str) -> Entry | None:
        """Return what is at a path, links followed within the image; None where nothing is.

        Raises:
            UsageError: links lead in a circle.
        """
        for _ in range(MAX_LINKS):
            node = self._find(path)
            if node is None or not node.entry.is_link:
                return node.entry if node else None
            folder = posixpath.dirname(node.entry.path)
            path = posixpath.join("/", folder, node.entry.target).lstrip("/")
        raise UsageError(f"{path!r:.200} leads through links in a circle")

    def __iter__(self) -> Iterator[Entry]:
        """Yield every file but the root, a folder before its content, in the order of names."""
        yield from self._below(self._root)

    @staticmethod
    def _below(top: _Node) -> Iterator[Entry]:
        """Yield every file in a folder, as `__iter__`."""
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if node is not top:
                yield node.entry
            waiting += (node.children[name] for name in sorted(node.children, reverse=True))

    def _add(self, entry: Entry) -> None:
        if not entry.path:
            self._root.entry = entry
            return
        folder = self._folder(posixpath.dirname(entry.path))
        made = self._linked(entry) if entry.hard else entry
        path = posixpath.join(folder.entry.path, entry.name)
        node = folder.children.get(entry.name)
        if node and node.entry.is_folder and made.is_folder:
            node.entry = replace(made, path=path)
        else:
            folder.children[entry.name] = _Node(replace(made, path=path))

    def _linked(self, entry: Entry) -> Entry:
        node = self._find(entry.target)
        if node is None or node.entry.is_folder:
            raise UsageError(f"{entry.path!r:.200} is a link to {entry.target!r:.200}, no file")
        return node.entry

    def _remove(self, path: str) -> None:
        if folder := self._known(posixpath.dirname(path)):
            folder.children.pop(posixpath.basename(path), None)

    def _find(self, path: str) -> _Node | None:
        """Return what is there; links on the way are followed, one at its end is not."""
        folder = self._known(posixpath.dirname(path))
        if folder is None:
            return None
        return folder.children.get(posixpath.basename(path)) if path else self._root

    def _known(self, path: str) -> _Node | None:
        """Return the folder that is there, all links followed."""
        try:
            return self._walk(path, make=False)
        except KeyError:
            return None

    def _folder(self, path: str) -> _Node:
        return self._walk(path, make=True)

    def _walk(self, path: str, *, make: bool) -> _Node:
        """Return the folder at `path`, links followed within the image; made, or KeyError."""
        parts, links = _parts(path), 0
        at = [self._root]
        while parts:
            part = parts.pop()
            if part == "..":
                at = at[:-1] or at
                continue
            node = at[-1].children.get(part)
            if node and node.entry.is_link:
                links += 1
                if links > MAX_LINKS:
                    raise UsageError(f"{path!r:.200} leads through links in a circle")
                at = at[:1] if node.entry.target.startswith("/") else at
                parts += _parts(node.entry.target)
                continue
            if node is None or not node.entry.is_folder:
                if not make:
                    raise KeyError(path)
                node = _Node(_folder(posixpath.join(at[-1].entry.path, part)))
                at[-1].children[part] = node
            at.append(node)
        return at[-1]


def hidden(whiteout: Entry) -> str:
    """Return the name that a whiteout hides."""
    return whiteout.name.removeprefix(WHITEOUT)


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _folder(path: str) -> Entry:
    return Entry(path, stat.S_IFDIR | 0o755, 0, 0)
