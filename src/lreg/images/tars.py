"""Tars: read, in bounded memory and time, wherever they come from; and written, piece by piece."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# tarfile reads a long name or a pax record whole; a path on Linux has 4,096 bytes at most.
_MAX_RECORD = 64 << 10
# tarfile gives every file a copy of these.
_MAX_GLOBAL_HEADERS = 100


class TarBytes(Protocol):
    """What a tar is read from: forward only."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, so many unless they end before."""

    def seek(self, position: int, /) -> int:
        """Go forward to a position."""

    def tell(self) -> int:
        """Return the position."""


def tar_headers(
    file: TarBytes, most: int, *, or_nothing: bool = False
) -> Iterator[tarfile.TarInfo]:
    """Yield the header of every file; between two of them its content can be read from `file`.

    Args:
        file: the tar, from its beginning.
        most: how many bytes of headers there may be.
        or_nothing: whether no byte at all is a tar of no files.

    Raises:
        UsageError: it is no tar, or one that no image has.
    """
    headers = _Headers(file, most)
    try:
        fileobj = cast("BinaryIO", headers)
        with tarfile.open(fileobj=fileobj, mode="r:", encoding="utf-8") as tar:
            while entry := tar.next():
                # tarfile would remember all of them.
                vars(tar)["members"].clear()
                if len(tar.pax_headers) > _MAX_GLOBAL_HEADERS:
                    raise UsageError(_LARGE)
                # After one of less than nothing, tarfile would go back.
                if entry.size < 0:
                    raise UsageError("it is no tar: a file in it has a negative size")
                yield entry
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        if or_nothing and headers.is_empty:
            return
        raise UsageError(f"it is no tar: {error}") from error


class Target(Protocol):
    """What a tar is written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""


def write_member(target: Target, header: tarfile.TarInfo, pieces: Iterable[bytes] = ()) -> None:
    """Write a file of a tar, its header in pax form, the same in every locale.

    Args:
        target: what raises where it can't be written.
        header: with the size of the content.
        pieces: the content.
    """
    target.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    for piece in pieces:
        target.write(piece)
    target.write(bytes(-header.size % tarfile.BLOCKSIZE))


def write_end(target: Target) -> None:
    """Write what ends a tar."""
    target.write(bytes(2 * tarfile.BLOCKSIZE))


_LARGE = "its tar headers are larger than those of any image"


class _Headers:
    """What tarfile may see of a file: so many bytes at once, and in all."""

    def __init__(self, file: TarBytes, most: int) -> None:
        self.is_empty = True
        self._file = file
        self._left = most

    def read(self, count: int) -> bytes:
        self._left -= count
        if not 0 <= count <= _MAX_RECORD or self._left < 0:
            raise UsageError(_LARGE)
        data = self._file.read(count)
        self.is_empty = self.is_empty and not data
        return data

    def seek(self, position: int) -> int:
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()
