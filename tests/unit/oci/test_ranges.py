"""Byte ranges, of requests and of chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import RangeInvalid
from lreg.oci.ranges import ByteRange, parse_chunk, parse_range


@given(size=st.integers(1, 500), first=st.integers(0, 600), last=st.integers(0, 600))
def test_a_range_is_a_slice(size: int, first: int, last: int) -> None:
    """A range gives the bytes that Python's slice gives, or none."""
    content = bytes(i % 251 for i in range(size))
    want = content[first : last + 1]
    header = f"bytes={first}-{last}"
    if want:
        found = parse_range(header, size)
        assert found is not None
        assert content[found[0].start : found[0].stop] == want
    else:
        with pytest.raises(RangeInvalid):
            parse_range(header, size)


@given(size=st.integers(1, 500), count=st.integers(1, 600))
def test_a_suffix_is_the_end(size: int, count: int) -> None:
    """`-N` means the last N bytes, or all there are."""
    found = parse_range(f"bytes=-{count}", size)
    assert found == [ByteRange(max(0, size - count), size)]


@given(header=st.text("bytes=,-0123456789 ", max_size=40), size=st.integers(0, 100))
def test_any_header_is_safe(header: str, size: int) -> None:
    """Whatever is sent gives parts that lie inside, at most the whole in all, or an error."""
    try:
        found = parse_range(header, size)
    except RangeInvalid as error:
        assert error.headers["Content-Range"] == f"bytes */{size}"
        return
    for part in found or ():
        assert 0 <= part.start < part.stop <= size
    assert sum(map(len, found or ())) <= size


def test_content_range() -> None:
    """The header names the last byte, not the one behind it."""
    assert ByteRange(2, 5).content_range(9) == "bytes 2-4/9"


def test_chunks() -> None:
    """A chunk's range is written as the spec says, or as RFC 9110 says."""
    assert parse_chunk("0-99") == ByteRange(0, 100)
    assert parse_chunk("bytes 5-5/10") == ByteRange(5, 6)
    for text in ("", "-5", "5-", "5-4", "a-b", "0-9,20-29"):
        with pytest.raises(RangeInvalid):
            parse_chunk(text)
