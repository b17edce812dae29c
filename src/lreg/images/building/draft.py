"""A layer that is being made: what is put on top of the files that are there."""

from __future__ import annotations

import posixpath
import stat
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.building.folder import MAX_DEPTH, unfit
from lreg.images.building.layers import LayerFile
from lreg.images.contents.entries import Entry
from lreg.images.contents.tree import WHITEOUT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from lreg.images.building.root import Root
    from lreg.images.members import Member

_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is, by numbers."""

    uid: int = 0
    gid: int = 0


ROOT = Owner()


class Draft:
    """A layer on top of a root, which changes with it.

    Attributes:
        root: what lies below, with what was put here.
        contents: of the files that were put here, by the places that the root knows them by.
    """

    def __init__(self, root: Root, number: int) -> None:
        """Begin one.

        Args:
            root: what lies below.
            number: which layer of its image it is.
        """
        self.contents: dict[tuple[int, int], Member] = {}
        self.root = root
        self._places = ((number, position) for position in count())
        self._known: dict[Hashable, tuple[int, int]] = {}
        self._files: dict[str, LayerFile] = {}
        self._folders: dict[str, str] = {"": ""}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put here."""
        return not self._files

    def files(self) -> Iterator[LayerFile]:
        """Yield what was put here and the folders above it, a folder before its content."""
        files = dict(self._files)
        for path in self._files:
            # Whoever unpacks a layer by itself would give them modes of its own.
            while (path := posixpath.dirname(path)) and path not in files:
                if folder := self.root.find(path):
                    files[path] = LayerFile(folder)
        for path in sorted(files, key=lambda path: path.split("/")):
            yield files[path]

    def folder(self, path: str, owner: Owner = ROOT) -> str:
        """Return where the folder `path` really lies, made with those above it if it is not there.

        Raises:
            UsageError: something on the way is no folder.
        """
        if path in self._folders:
            return self._folders[path]
        real = ""
        if path.count("/") > MAX_DEPTH:
            raise UsageError(f"/{path:.80}… lies more than {MAX_DEPTH} folders deep")
        for part in self.root.real(path).split("/"):
            real = posixpath.join(real, part)
            found = self.root.find(real)
            if found is None:
                made = Entry(real, stat.S_IFDIR | _FOLDER_MODE, owner.uid, owner.gid)
                self._add(real, LayerFile(made), None)
            elif not found.is_folder:
                raise UsageError(f"/{real} is no folder, and something is to go into it")
        self._folders[path] = real
        return real

    def put(
        self, path: str, file: LayerFile, *, owner: Owner = ROOT, same_as: Hashable = None
    ) -> None:
        """Put a file at `path`; folders that are missing on the way are made.

        Args:
            path: links on the way to it are followed within the image.
            file: its entry's path and place have no meaning.
            owner: of folders that are made.
            same_as: files with the same value here become hard links to one; None: it is alone.

        Raises:
            UsageError: a folder would take the place of a file or a file that of one, or it is a
                device or the like.
        """
        folder, name = posixpath.split(path)
        if name.startswith(WHITEOUT):
            raise UsageError(f"/{path}: a name that begins with {WHITEOUT} hides files in images")
        if kind := unfit(file.entry.mode):
            raise UsageError(f"/{path} is {kind}: an image can't hold it")
        real = posixpath.join(self.folder(folder, owner), name)
        found = self.root.find(real)
        if found and found.is_folder != file.entry.is_folder:
            is_folder = file.entry.is_folder
            what, there = ("a folder", "none") if is_folder else ("no folder", "one")
            raise UsageError(f"/{real} is {there}, and {what} is to take its place")
        if found and found.is_link:
            self._folders = {"": ""}
        self._add(real, file, same_as)

    def link(self, path: str, target: str) -> None:
        """Put a hard link at `path` to a file that was put here; raise UsageError."""
        found = self.root.find(target)
        if found is None or found.path not in self._files or found.is_folder:
            raise UsageError(f"/{path} is a hard link to /{target}, which is no file put with it")
        file = self._files[found.path]
        linked = "link", file.entry.place
        self._known[linked] = file.entry.place
        self.put(path, file, same_as=linked)

    def _add(self, real: str, file: LayerFile, same_as: Hashable) -> None:
        place = next(self._places)
        if same_as is not None:
            place = self._known.setdefault(same_as, place)
        entry = replace(file.entry, path=real, place=place)
        if file.content:
            self.contents[place] = file.content
        self._files[real] = LayerFile(entry, file.content)
        self.root.apply([entry])
