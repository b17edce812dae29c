"""Packing layers: gzip on all cores, or zstd; the same bytes for the same bytes, wherever."""

from __future__ import annotations

import os
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from lreg.oci import mediatypes

if TYPE_CHECKING:
    from concurrent.futures import Future

# Each block is packed by itself, so its size decides the bytes that come out.
_BLOCK = 1 << 20
# zlib's level 6 takes two and a half times as long for three hundredths less.
_LEVEL = 4
# RFC 1951, 2: a match reaches back so far.
_WINDOW = 32 << 10
# RFC 1952, 2.3: deflate, no flags, no time, no name, system unknown.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951, 3.2.6: a last block of nothing.
_END = b"\x03\x00"
_PROBE = 16 << 10
_ZSTD_LEVEL = 3


class Compression(StrEnum):
    """How a layer is packed."""

    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def media_type(self) -> str:
        """What such a layer is called (image-spec, media-types.md)."""
        return mediatypes.OCI_LAYER_ZSTD if self is Compression.ZSTD else mediatypes.OCI_LAYER_GZIP


class Writer(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""


class Packer(Protocol):
    """Packs what is written to it; what comes out goes to a writer."""

    def write(self, data: bytes, /) -> object:
        """Take more bytes."""

    def close(self) -> None:
        """Write what is left; nothing may be written after."""


def packer(compression: Compression, target: Writer) -> Packer:
    """Return what packs to `target`."""
    return _Zstd(target) if compression is Compression.ZSTD else _Gzip(target)


class _Gzip:
    """One gzip member of blocks that are packed side by side, each knowing what came before it."""

    def __init__(self, target: Writer) -> None:
        self._target = target
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)
        self._packed: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._before = b""
        self._checksum = zlib.crc32(b"")
        self._size = 0
        target.write(_HEADER)

    def write(self, data: bytes) -> None:
        self._block += data
        while len(self._block) >= _BLOCK:
            block = bytes(self._block[:_BLOCK])
            del self._block[:_BLOCK]
            self._pack(block)

    def close(self) -> None:
        self._pack(bytes(self._block))
        while self._packed:
            self._target.write(self._packed.popleft().result())
        self._pool.shutdown()
        self._target.write(_END)
        self._target.write(self._checksum.to_bytes(4, "little"))
        self._target.write((self._size % (1 << 32)).to_bytes(4, "little"))

    def _pack(self, block: bytes) -> None:
        self._checksum = zlib.crc32(block, self._checksum)
        self._size += len(block)
        self._packed.append(self._pool.submit(_deflated, block, self._before))
        self._before = block[-_WINDOW:]
        if len(self._packed) > 2 * self._workers:
            self._target.write(self._packed.popleft().result())


def _deflated(block: bytes, before: bytes) -> bytes:
    level = _LEVEL if _gives_way(block) else zlib.Z_NO_COMPRESSION
    packing = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    return packing.compress(block) + packing.flush(zlib.Z_SYNC_FLUSH)


def _gives_way(block: bytes) -> bool:
    """Return whether packing makes the block smaller, as far as samples of it tell."""
    middle = len(block) // 2
    sample = block[:_PROBE] + block[middle : middle + _PROBE] + block[-_PROBE:]
    return len(zlib.compress(sample, zlib.Z_BEST_SPEED)) < 0.97 * len(sample)


class _Zstd:
    def __init__(self, target: Writer) -> None:
        import zstandard  # noqa: PLC0415 -- most layers are in gzip

        # With any number of threads the same bytes come out, with none others.
        made = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=max(1, os.cpu_count() or 1))
        self._target, self._packing = target, made.compressobj()

    def write(self, data: bytes) -> None:
        self._target.write(self._packing.compress(data))

    def close(self) -> None:
        self._target.write(self._packing.flush())
