"""A layer's bytes as they were before they were packed, read once and forward."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PIECE = 1 << 20
# RFC 1952, 2.3.1; RFC 8878, 3.1.1.
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# Files of zeroes aside, a hundredth is more than anything packs to; they may be so large together.
_ALWAYS = 1 << 30
_MOST_PACKED = 100
# zstd's own limit for what a decoder must be able to have (RFC 8878, 3.1.1.1.2: 8 MB at least).
_ZSTD_WINDOW = 128 << 20


class Plain:
    """The unpacked bytes of pieces that are packed by gzip, by zstd, or not at all."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Begin to read `pieces`; what packed them is told by their first bytes."""
        self._source = _Source(pieces)
        self._reader = _reader(self._source)
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

    def seek(self, position: int) -> int:
        """Read on to a position that is not behind this one."""
        while self._position < position and self._some(min(position - self._position, _PIECE)):
            pass
        return self._position

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def _some(self, count: int) -> bytes:
        try:
            part = self._reader.read(count)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UsageError(f"its gzip is broken: {error}") from error
        self._position += len(part)
        if self._position > _ALWAYS + _MOST_PACKED * self._source.count:
            raise UsageError(
                f"{self._source.count} bytes of it are more than {self._position} bytes unpacked: "
                "it is a decompression bomb"
            )
        return part


class _Reader(Protocol):
    def read(self, count: int, /) -> bytes: ...


def _reader(source: _Source) -> _Reader:
    begin = source.peek(len(_ZSTD))
    if begin.startswith(_GZIP):
        return gzip.GzipFile(fileobj=cast("BinaryIO", source))
    if begin.startswith(_ZSTD):
        return _Zstd(source)
    return source


class _Zstd:
    def __init__(self, source: _Source) -> None:
        import zstandard  # noqa: PLC0415 -- most layers are in gzip

        self._error = zstandard.ZstdError
        made = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        stream = made.stream_reader(cast("BinaryIO", source), read_across_frames=True)
        self._read: Callable[[int], bytes] = stream.read

    def read(self, count: int) -> bytes:
        try:
            return self._read(count)
        except self._error as error:
            raise UsageError(f"its zstd is broken: {error}") from error


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
