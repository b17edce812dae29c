"""Changes taken back from a text that was edited since: diff3, by lines."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class _Hunk(NamedTuple):
    begin: int
    end: int
    lines: list[bytes]


def merge(base: bytes, one: bytes, other: bytes) -> bytes | None:
    """Return `base` with both the changes that lead to `one` and those that lead to `other`.

    Returns:
        None where both change the same lines, in two ways.
    """
    lines = base.splitlines(keepends=True)
    hunks = sorted({*map(_key, _hunks(lines, one)), *map(_key, _hunks(lines, other))})
    merged, at = list[bytes](), 0
    previous = None
    for begin, end, new in hunks:
        if begin < at or (previous == begin == end):
            return None
        merged += [*lines[at:begin], *new]
        at = end
        previous = begin
    return b"".join([*merged, *lines[at:]])


def _key(hunk: _Hunk) -> tuple[int, int, tuple[bytes, ...]]:
    return hunk.begin, hunk.end, tuple(hunk.lines)


def _hunks(base: Sequence[bytes], changed: bytes) -> Iterator[_Hunk]:
    lines = changed.splitlines(keepends=True)
    matcher = SequenceMatcher(None, base, lines, autojunk=False)
    for tag, begin, end, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield _Hunk(begin, end, lines[first:last])
