"""Where the pieces of an image lie while it is built: one temporary file, gone at the end."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Self

from lreg.images.members import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Staging:
    """A temporary file that pieces are added to, a context manager; unlinked from its beginning."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- closed by __exit__
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def add(self, name: str, pieces: Iterable[bytes]) -> Member:
        """Return what holds all `pieces`, readable as long as this lasts."""
        return self.fill(name, lambda piece: _write_all(pieces, piece))

    def fill(self, name: str, write: Callable[[Piece], object]) -> Member:
        """Return what holds everything that `write` writes to the piece that it gets.

        Raises what `write` does, and OSError where the disk is full.
        """
        piece = Piece(self._file.fileno(), self._size)
        write(piece)
        member = Member(name, piece.size, self._size, partial(os.dup, self._file.fileno()))
        self._size += piece.size
        return member


class Piece:
    """A piece that is being written.

    Attributes:
        size: how many bytes it has by now.
    """

    def __init__(self, descriptor: int, offset: int) -> None:
        self.size = 0
        self._descriptor = descriptor
        self._offset = offset

    def write(self, data: bytes) -> int:
        """Write all of `data` and return its size."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, self._offset + self.size)
            self.size += written
            rest = rest[written:]
        return len(data)


def _write_all(pieces: Iterable[bytes], piece: Piece) -> None:
    for each in pieces:
        piece.write(each)
