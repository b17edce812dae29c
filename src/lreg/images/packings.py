"""What tars are packed with: told by how they begin, unpacked as they are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol, cast

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

# So many bytes tell every packing.
MARK = 5
# A decoder must be able to have 8 MB (RFC 8878, 3.1.1.1.2); archives that are made to be small ask
# for more.
_ZSTD_WINDOW = 128 << 20


class Readable(Protocol):
    """What can be read forward."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, so many at most; none at the end."""


class Unpacker:
    """The unpacked bytes of what is packed by gzip, zstd, xz or bzip2."""

    def __init__(self, name: str, stream: Readable, broken: tuple[type[Exception], ...]) -> None:
        self._name = name
        self._stream = stream
        self._broken = broken

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, `count` at most, none at the end; raise UsageError."""
        try:
            return self._stream.read(count)
        except self._broken as error:
            raise UsageError(f"its {self._name} is broken: {error}") from error


def unpacker(begin: bytes, packed: Readable) -> Unpacker | None:
    """Return what unpacks `packed`; None where it is not packed.

    Args:
        begin: its first MARK bytes.
        packed: all of it.
    """
    name = packing_of(begin)
    return _UNPACKERS[name](packed) if name else None


def packing_of(begin: bytes) -> str:
    """Return what packed something that begins so: gzip, zstd, xz or bzip2; "" for none of them."""
    return next((name for mark, name in _MARKS.items() if begin.startswith(mark)), "")


def _gzip(packed: Readable) -> Unpacker:
    stream = gzip.GzipFile(fileobj=cast("BinaryIO", packed))
    return Unpacker("gzip", stream, (EOFError, gzip.BadGzipFile, zlib.error))


def _zstd(packed: Readable) -> Unpacker:
    import zstandard  # noqa: PLC0415 -- most are packed by gzip

    made = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    stream = made.stream_reader(cast("BinaryIO", packed), read_across_frames=True, closefd=False)
    return Unpacker("zstd", stream, (zstandard.ZstdError,))


def _xz(packed: Readable) -> Unpacker:
    stream = lzma.LZMAFile(cast("BinaryIO", packed))  # noqa: SIM115 -- as long as `packed`
    return Unpacker("xz", stream, (EOFError, lzma.LZMAError))


def _bzip2(packed: Readable) -> Unpacker:
    stream = bz2.BZ2File(cast("BinaryIO", packed))
    return Unpacker("bzip2", stream, (EOFError, OSError))


# RFC 1952, 2.3.1; RFC 8878, 3.1.1; the .xz file format, 2.1.1.1; bzip2 has no specification.
_MARKS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
_UNPACKERS: Mapping[str, Callable[[Readable], Unpacker]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "xz": _xz,
    "bzip2": _bzip2,
}
