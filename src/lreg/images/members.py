"""The files of an archive by their names: those in a folder, or in a tar that is not unpacked.

An archive may come from anywhere. Of a tar only the headers are read, so many at most; a name is
looked up among them, and never on the disk. In a folder no link is followed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import posixpath
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol

from lreg.errors import UsageError
from lreg.images.contents.unpacking import Plain
from lreg.images.packings import MARK, packing_of
from lreg.images.tars import tar_headers
from lreg.images.temporary import keep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

_PIECE = 1 << 20
# Of all headers together, those of 16,000 files.
_MAX_HEADERS = 8 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file; iterated, also several times and at once, it gives its bytes in pieces.

    Attributes:
        name: in the archive.
        size: in bytes.
        offset: where its bytes begin in what `open` opens.
        open: returns a new file descriptor.

    Reading it raises UsageError where it can't be read, or became shorter.
    """

    name: str
    size: int
    offset: int
    open: Callable[[], int]

    def read(self, limit: int) -> bytes:
        """Return all of it; raise UsageError where that is more than `limit` bytes."""
        if self.size > limit:
            raise UsageError(f"{self.name!r:.200} has {self.size} bytes: {limit} are the most")
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes."""
        with self._opened() as descriptor:
            for position in range(0, self.size, _PIECE):
                yield self._piece(descriptor, position)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        with self._opened() as descriptor:
            for position in range(0, self.size, _PIECE):
                yield await asyncio.to_thread(self._piece, descriptor, position)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            descriptor = self.open()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _piece(self, descriptor: int, position: int) -> bytes:
        wanted = min(_PIECE, self.size - position)
        try:
            piece = os.pread(descriptor, wanted, self.offset + position)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(piece) < wanted:
            raise UsageError(f"{self.name!r:.200} in the archive ends too early")
        return piece

    def _unreadable(self, error: OSError) -> UsageError:
        return UsageError(f"{self.name!r:.200} in the archive can't be read: {error.strerror}")


class Files(Protocol):
    """The files of one archive.

    Attributes:
        is_folder: whether they lie in a folder rather than in a tar.
    """

    is_folder: bool

    def find(self, name: str) -> Member | None:
        """Return the file of that name, None where there is none.

        Raises:
            UsageError: there is one, but it is no plain file within the archive.
        """


@contextmanager
def open_files(path: Path) -> Iterator[Files]:
    """Give the files of a folder or a tar, also a packed one; valid within this context.

    Raises:
        UsageError: it is no tar, or one that no image has.
        OSError: it can't be read.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    with path.open("rb") as file, open_tar(file) as files:
        yield files


@contextmanager
def open_tar(file: IO[bytes]) -> Iterator[Files]:
    """Give the files of a tar; one that is packed, or a pipe, is kept in a temporary file.

    Args:
        file: with a descriptor, at its beginning.

    Raises:
        LregError: there is no room for that file.
        as `open_files`.
    """
    is_plain = file.seekable() and not packing_of(_begin(file))
    if is_plain:
        yield _Tar(file)
        return
    unpacked = Plain(iter(lambda: file.read(_PIECE), b""))
    with tempfile.TemporaryFile() as plain:
        keep(iter(lambda: unpacked.read(_PIECE), b""), plain)
        plain.seek(0)
        yield _Tar(plain)


def _begin(file: IO[bytes]) -> bytes:
    begin = file.read(MARK)
    file.seek(0)
    return begin


class _Folder:
    is_folder = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, name: str) -> Member | None:
        opening = partial(_open_below, self._path, name)
        try:
            descriptor = opening()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            reason = "a link" if error.errno == errno.ELOOP else error.strerror
            raise UsageError(f"{name} can't be read: {reason}") from error
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{name} is no file")
        return Member(name, status.st_size, 0, opening)


def _open_below(folder: Path, name: str) -> int:
    """Open `name` in `folder` for reading; a link on the way there is an error (ELOOP)."""
    # Opening a pipe waits for who writes to it, unless told not to.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for part in name.split("/"):
        try:
            there = os.open(part, flags, dir_fd=here)
        finally:
            os.close(here)
        here = there
    return here


@dataclass(frozen=True, slots=True)
class _Entry:
    offset: int
    size: int
    link: str | None = None


class _Tar:
    """The files of a tar; raises UsageError where it is none."""

    is_folder = False

    def __init__(self, file: IO[bytes]) -> None:
        self._open = partial(os.dup, file.fileno())
        self._length = os.fstat(file.fileno()).st_size
        self._entries = dict(_entries(file))

    def find(self, name: str) -> Member | None:
        entry = self._entries.get(posixpath.normpath(name))
        if entry and entry.link:
            entry = self._entries.get(entry.link)
        if entry is None:
            return None
        if entry.link:
            raise UsageError(f"{name!r:.200} is a link to a link")
        if entry.offset + entry.size > self._length:
            raise UsageError(f"{name!r:.200} goes beyond the end of the tar")
        return Member(name, entry.size, entry.offset, self._open)


def _entries(file: IO[bytes]) -> Iterator[tuple[str, _Entry]]:
    """Give files and links by their names, one that comes twice a second time."""
    for entry in tar_headers(file, _MAX_HEADERS):
        name, link = posixpath.normpath(entry.name), None
        if entry.issym():
            link = posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.linkname))
        elif entry.islnk():
            link = posixpath.normpath(entry.linkname)
        elif not entry.isreg() or entry.issparse():
            continue
        yield name, _Entry(entry.offset_data, entry.size, link)
