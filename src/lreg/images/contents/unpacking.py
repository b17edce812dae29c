"""A layer's bytes as they were before they were packed, read once and forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.packings import MARK, unpacker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 1 << 20
# Files of zeroes aside, a hundredth is more than anything packs to; they may be so large together.
_ALWAYS = 1 << 30
_MOST_PACKED = 100


class Plain:
    """The unpacked bytes of pieces that are packed by gzip, by zstd, or not at all."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Begin to read `pieces`; what packed them is told by their first bytes."""
        self._source = _Source(pieces)
        self._reader = unpacker(self._source.peek(MARK), self._source) or self._source
        self._position = 0

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only where they end.

        Raises:
            UsageError: what packed them is broken, or they are a decompression bomb.
        """
        parts = []
        while count > 0 and (part := self._some(min(count, _PIECE))):
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes; raise UsageError where they end before."""
        while count:
            piece = self.read(min(count, _PIECE))
            if not piece:
                raise UsageError("it ends too early: it is broken")
            count -= len(piece)
            yield piece

    def seek(self, position: int) -> int:
        """Read on to a position that is not behind this one."""
        while self._position < position and self._some(min(position - self._position, _PIECE)):
            pass
        return self._position

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def _some(self, count: int) -> bytes:
        part = self._reader.read(count)
        self._position += len(part)
        if self._position > _ALWAYS + _MOST_PACKED * self._source.count:
            raise UsageError(
                f"{self._source.count} bytes of it are more than {self._position} bytes unpacked: "
                "it is a decompression bomb"
            )
        return part


class _Source:
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.count = 0

    def peek(self, count: int) -> bytes:
        """Return the next bytes, and keep them to be read."""
        while len(self._rest) < count and (piece := next(self._pieces, b"")):
            self._rest += piece
        return self._rest[:count]

    def read(self, count: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        part, self._rest = self._rest[:count], self._rest[count:]
        self.count += len(part)
        return part
