"""A node's files as they are to be, while they are put together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.node.plan import NodeFile
    from lreg.node.rooted import Root


class Draft:
    """What every file is to hold; what nobody wrote is as it was before lreg came.

    Attributes:
        files: what was written last, by path without links: the merge says how.
        notes: what a person should know about the node, in sentences.
    """

    def __init__(self, root: Root, originals: Mapping[str, bytes | None]) -> None:
        """Begin with the node's files.

        Args:
            root: the node's.
            originals: what files held before lreg came, where that is not what they hold now;
                None where there was none.
        """
        self._root = root
        self._originals = dict(originals)
        self._texts: dict[str, str] = {}
        self.files: dict[str, NodeFile] = {}
        self.notes: list[str] = []

    @property
    def texts(self) -> Mapping[str, str]:
        """What was written, by path without links."""
        return self._texts

    @property
    def home(self) -> str:
        """The home folder of who is at work on the node."""
        return self._root.home

    def where(self, path: str) -> str:
        """Return how to call a file when speaking of it."""
        return self._root.absolute(path)

    def original(self, path: str) -> bytes | None:
        """Return what a file without links in its path held before lreg came."""
        return self._originals[path] if path in self._originals else self._root.read(path)

    def read(self, path: str) -> str | None:
        """Return what a file is to hold, None where there is to be none.

        Raises:
            LregError: it is no text of UTF-8, or no file.
        """
        real = self._root.resolve(path)
        if real in self._texts:
            return self._texts[real]
        content = self.original(real)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise LregError(
                f"{self.where(path)} is no UTF-8 text ({error}): mend it or move it away"
            ) from error

    def write(self, file: NodeFile, text: str) -> None:
        """Have a file hold `text`, which came of `file` and what was there."""
        real = self._root.resolve(file.path)
        self._texts[real] = text
        self.files[real] = file

    def matching(self, pattern: str) -> list[str]:
        """Return the files that match a pattern, in the order of their names, without links.

        One that is masked, by a link to /dev/null, is none.
        """
        files = (path for path in self._root.glob(pattern) if os.path.isfile(self.where(path)))
        return [path for path in files if self.read(path) is not None]

    def has_folder(self, path: str) -> bool:
        """Return whether a folder is there now."""
        return os.path.isdir(self._root.absolute(self._root.resolve(path)))
