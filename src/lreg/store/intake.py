"""Bytes on their way from a connection into a file that grows and its running hash.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.errors import SizeInvalid, StoreFull
from lreg.store import files

if TYPE_CHECKING:
    from hashlib import _Hash

    from lreg.oci.digest import Algorithm
    from lreg.store.arriving import Arriving

_PIECE = 1 << 20
_WRITEBACK = 8 << 20


class Intake:
    """The bytes of one source on their way into a file; used in worker threads.

    Args:
        arriving: where they go.
        size: how many there may be.
        keep: on a full disk, keep what came before. Else all that this source brought is given
            back: room that would go to an upload that can't be finished is missing to those that
            would still fit.
    """

    __slots__ = ("_arriving", "_before", "_closed", "_file", "_flushed", "_size", "taken")

    def __init__(self, arriving: Arriving, size: int | None, *, keep: bool = False) -> None:
        self.taken = 0
        self._arriving = arriving
        self._size = size
        self._file = -1
        self._flushed = 0
        self._before = None if keep or arriving.hasher is None else arriving.hasher.copy()
        self._closed = False

    def take(self, piece: memoryview) -> None:
        """Write one piece, then hash it; raise SizeInvalid, StoreFull or UploadUnknown."""
        with self._arriving.writing:
            try:
                with files.full_disk():
                    self._take(piece)
            except StoreFull:
                if self._before is not None:
                    self._give_back(self._before)
                raise

    def _take(self, piece: memoryview) -> None:
        arriving = self._arriving
        if arriving.ended or self._closed or arriving.hasher is None:
            raise arriving.unknown()
        if self._size is not None and self.taken + len(piece) > self._size:
            raise SizeInvalid(f"more than the {self._size} announced bytes came")
        self._write(piece, arriving.offset, arriving.hasher)
        arriving.offset += len(piece)
        self.taken += len(piece)
        if self.taken - self._flushed >= _WRITEBACK:
            length = self.taken - self._flushed
            files.start_writeback(self._file, arriving.offset - length, length)
            self._flushed = self.taken

    def _give_back(self, hasher: _Hash) -> None:
        """Make the file what it was before this source."""
        self._arriving.offset -= self.taken
        self._arriving.hasher = hasher
        self.taken = 0
        if self._file >= 0:
            os.ftruncate(self._file, self._arriving.offset)

    def close(self) -> None:
        """Let go of the file, once the last piece is in."""
        with self._arriving.writing:
            self._closed = True
            if self._file >= 0:
                os.close(self._file)

    def _write(self, piece: memoryview, offset: int, hasher: _Hash) -> None:
        if self._file < 0:
            try:
                self._file = os.open(self._arriving.data, os.O_WRONLY)
            except FileNotFoundError:
                self._arriving.put_away()
                raise self._arriving.unknown() from None
        try:
            files.write_all(self._file, piece, offset)
            hasher.update(piece)
        except BaseException:
            # What lies in the file is what the hash covers, so that the sender can go on there.
            os.ftruncate(self._file, offset)
            raise


def hash_file(path: str, algorithm: Algorithm) -> tuple[_Hash, int]:
    """Return the running hash of a file's content, and its length."""
    hasher, length = algorithm.hasher(), 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
            length += len(piece)
    return hasher, length
