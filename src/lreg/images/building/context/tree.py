"""A context's files, read once: without what is ignored."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.building.context.ignore import Ignore
from lreg.images.building.folder import found_at, list_folder
from lreg.images.building.root import Root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lreg.images.contents.entries import Entry
    from lreg.images.members import Member


class Context:
    """A folder as COPY and ADD see it.

    Attributes:
        root: its files; where a link in it leads out of the folder, it leads to its top.
    """

    def __init__(self, folder: Path, ignore: Ignore) -> None:
        """Read the names in a folder.

        Args:
            folder: the context.
            ignore: what of it does not count.

        Raises:
            UsageError: it can't be read.
        """
        self.root = Root()
        self._contents: dict[tuple[int, int], Member] = {}
        self._folder = str(folder)
        self._ignore = ignore
        for name in self._kept(""):
            file = found_at(self._folder, name)
            if file.content:
                self._contents[file.entry.place] = file.content
            self.root.place(file.entry)

    def members(self, entries: Iterable[Entry]) -> dict[tuple[int, int], Member]:
        """Return the contents of files by their places."""
        return {entry.place: self._contents[entry.place] for entry in entries}

    def _kept(self, prefix: str) -> Iterator[str]:
        """Yield what is not ignored, a folder before its content."""
        for entry in list_folder(self._folder, prefix):
            name = posixpath.join(prefix, entry.name)
            ignored = self._ignore.ignores(name)
            if not entry.is_dir(follow_symlinks=False):
                if not ignored:
                    yield name
            elif not ignored:
                yield name
                yield from self._kept(name)
            elif self._ignore.has_exceptions and (below := list(self._kept(name))):
                yield name
                yield from below


def read_ignore(folder: Path, dockerfile: Path) -> Ignore:
    """Return what a context leaves out: `<Dockerfile>.dockerignore`, else its .dockerignore.

    Raises:
        UsageError: that can't be read, or a line in it is no pattern.
    """
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), folder / ".dockerignore"):
        if not path.exists():
            continue
        if not path.is_file():
            raise UsageError(f"{path} is no file")
        try:
            text = path.read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from error
        try:
            return Ignore.parse(text)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
    return Ignore(())
