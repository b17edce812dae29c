"""Bytes on their way from a request into an upload's file and running hash.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lreg.errors import SizeInvalid, StoreFull, UploadUnknown
from lreg.store import files

if TYPE_CHECKING:
    from hashlib import _Hash

    from lreg.oci.digest import Algorithm
    from lreg.store.uploads import FiledUpload

_PIECE = 1 << 20
_WRITEBACK = 8 << 20


class Intake:
    """The bytes of one request on their way into an upload; used in worker threads.

    Args:
        upload: where they go.
        size: how many there may be.
    """

    __slots__ = ("_closed", "_file", "_flushed", "_hasher_before", "_size", "_upload", "taken")

    def __init__(self, upload: FiledUpload, size: int | None) -> None:
        self.taken = 0
        self._upload = upload
        self._size = size
        self._file = -1
        self._flushed = 0
        self._hasher_before = upload.hasher.copy() if upload.hasher else None
        self._closed = False

    def take(self, piece: memoryview) -> None:
        """Write one piece, then hash it; raise SizeInvalid, StoreFull or UploadUnknown.

        On a full disk all that this request brought is given back: room that would go to an upload
        that can't be finished is missing to those that would still fit.
        """
        with self._upload.writing:
            try:
                with files.full_disk():
                    self._take(piece)
            except StoreFull:
                self._give_back()
                raise

    def _take(self, piece: memoryview) -> None:
        upload = self._upload
        if upload.ended or self._closed or upload.hasher is None:
            raise UploadUnknown(detail={"uuid": upload.id})
        if self._size is not None and self.taken + len(piece) > self._size:
            raise SizeInvalid(f"more than the {self._size} announced bytes came")
        self._write(piece, upload.offset, upload.hasher)
        upload.offset += len(piece)
        self.taken += len(piece)
        if self.taken - self._flushed >= _WRITEBACK:
            length = self.taken - self._flushed
            files.start_writeback(self._file, upload.offset - length, length)
            self._flushed = self.taken

    def _give_back(self) -> None:
        """Make the upload what it was before this request."""
        self._upload.offset -= self.taken
        self._upload.hasher = self._hasher_before
        self.taken = 0
        if self._file >= 0:
            os.ftruncate(self._file, self._upload.offset)

    def close(self) -> None:
        """Let go of the file, once the last piece is in."""
        with self._upload.writing:
            self._closed = True
            if self._file >= 0:
                os.close(self._file)

    def _write(self, piece: memoryview, offset: int, hasher: _Hash) -> None:
        if self._file < 0:
            try:
                self._file = os.open(self._upload.data, os.O_WRONLY)
            except FileNotFoundError:
                raise UploadUnknown(detail={"uuid": self._upload.id}) from None
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
