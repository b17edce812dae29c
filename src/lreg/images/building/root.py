"""An image's root while files are put into it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.contents.tree import MAX_LINKS, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.images.contents.entries import Entry


class Root(Tree):
    """A tree that can be asked what is where; paths have no slash at their beginning and end."""

    def find(self, path: str) -> Entry | None:
        """Return what is at a path; links on the way are followed, one at its end is not."""
        node = self._find(path)
        return node.entry if node else None

    def real(self, path: str) -> str:
        """Return where a path leads, all links followed within the image, there or not.

        Raises:
            UsageError: the links go in a circle.
        """
        parts, at, links = path.split("/")[::-1], "", 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = posixpath.dirname(at)
                continue
            found = self.find(here := posixpath.join(at, part))
            if found is None or not found.is_link:
                at = here
                continue
            links += 1
            if links > MAX_LINKS:
                raise UsageError(f"{path!r:.200} leads through links in a circle")
            at = "" if found.target.startswith("/") else at
            parts += found.target.split("/")[::-1]
        return at

    def place(self, entry: Entry) -> None:
        """Put one file where its path says, whatever it is called."""
        self._add(entry)

    def copy(self) -> Root:
        """Return another one with the same files, to be changed for itself."""
        made = Root()
        for entry in self:
            made.place(entry)
        return made

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where it is no folder."""
        node = self._find(path)
        return sorted(node.children) if node else []

    def below(self, path: str) -> Iterator[Entry]:
        """Yield what is in a folder, a folder before its content, in the order of names."""
        if node := self._find(path):
            yield from self._below(node)
