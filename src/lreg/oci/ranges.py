"""Byte ranges: of what a client wants (RFC 9110, 14.1.2) and of a chunk (distribution-spec)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lreg.errors import RangeInvalid

_SPEC = re.compile(r"(\d{1,19})-(\d{0,19})|-(\d{1,19})")
_CHUNK = re.compile(r"(\d{1,19})-(\d{1,19})")
# A client that asks for more pieces than this gets the whole (RFC 9110, 14.2 allows it).
MAX_RANGES = 16


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `stop` of something, `stop` excluded."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """Return the Content-Range value for this part of `size` bytes (RFC 9110, 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(header: str, size: int) -> list[ByteRange] | None:
    """Return the parts of `size` bytes that a Range header asks for.

    Returns:
        The satisfiable ranges in the order asked for; None where the header is to be ignored
        (another unit, not well-formed, or too many ranges: RFC 9110, 14.2).

    Raises:
        RangeInvalid: none of the ranges can be satisfied.
    """
    unit, _, value = header.partition("=")
    specs = [spec.strip() for spec in value.split(",")]
    if unit.strip().lower() != "bytes" or len(specs) > MAX_RANGES:
        return None
    ranges = []
    for spec in specs:
        if not (match := _SPEC.fullmatch(spec)):
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            start, stop = max(0, size - int(suffix)), size
        else:
            # One that ends before it begins is invalid: it may be ignored or refused (RFC 9110,
            # 14.1.1 and 14.2), and registries refuse it.
            start, stop = int(first), min(size, int(last) + 1 if last else size)
        if start < stop:
            ranges.append(ByteRange(start, stop))
    if not ranges:
        raise RangeInvalid(
            f"{header!r:.200} lies outside of the {size} bytes there are",
            headers={"Content-Range": f"bytes */{size}"},
        )
    # Overlapping parts may cost more than the whole (RFC 9110, 14.2).
    return ranges if sum(map(len, ranges)) <= size else None


def parse_chunk(header: str) -> ByteRange:
    """Return the range of a chunk, `first-last` (distribution-spec, "Pushing a blob in chunks").

    Raises:
        RangeInvalid: it is not of that form.
    """
    # RFC 9110's own form, with unit and size, is met in the wild too.
    text = header.removeprefix("bytes ").partition("/")[0].strip()
    match = _CHUNK.fullmatch(text)
    if not match or int(match[1]) > int(match[2]):
        raise RangeInvalid(f"{header!r:.200} is not a chunk's range: send Content-Range: 0-1023")
    return ByteRange(int(match[1]), int(match[2]) + 1)
