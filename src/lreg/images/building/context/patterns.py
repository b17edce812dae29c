"""Patterns for names, as Go's `filepath.Match` and Docker's ignore files have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = re.compile(r"[*?\[\\]")
# What matches any part of a name, any number of folders, and any rest of a path.
_STAR, _FOLDERS, _REST = "[^/]*", "(?:.*/)?", ".*"
# More of them in one pattern take for ever.
_MAX_LOOSE = 2


def is_pattern(text: str) -> bool:
    """Return whether a text means more than itself."""
    return bool(_MAGIC.search(text))


def name_pattern(text: str) -> re.Pattern[str]:
    """Return what matches one name: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before any of them.

    Raises:
        UsageError: a bracket is not closed.
    """
    return _compiled(text, _STAR)


def path_pattern(text: str) -> re.Pattern[str]:
    """Return what matches a path: as a name's, and `**` for any number of folders; UsageError."""
    return _compiled(text, "")


def _compiled(text: str, doubled: str) -> re.Pattern[str]:
    try:
        return re.compile(_joined(list(_tokens(text, doubled))), re.DOTALL)
    except re.error as error:
        raise UsageError(f"{text!r:.200} is no pattern: {error}") from error


def _tokens(text: str, doubled: str) -> Iterator[str]:
    """Yield what each part of a pattern matches; of `**/**/` and the like one part."""
    last = ""
    for token in _parts(text, doubled):
        if token != last or token not in (_STAR, _FOLDERS):
            yield token
        last = token


def _joined(tokens: list[str]) -> str:
    """Return the tokens as one expression, which takes no longer for many stars.

    Where a star follows, the first place at which what stands before it matches is as good as any
    other: no other is tried (`(?>…)`).
    """
    at, parts, loose = 0, [], 0
    while at < len(tokens):
        token, end = tokens[at], at + 1
        if token == _STAR:
            while end < len(tokens) and tokens[end] not in (_STAR, _FOLDERS, _REST, "/"):
                end += 1
            body, is_last = "".join(tokens[at + 1 : end]), tokens[end : end + 1] != [_STAR]
            parts.append(f"{_STAR}{body}" if is_last else f"(?>{_STAR}?{body})")
        elif token == _FOLDERS:
            while end < len(tokens) and tokens[end] not in (_FOLDERS, _REST):
                end += 1
            body = _joined(tokens[at + 1 : end])
            is_whole = at == 0 or tokens[at - 1] == "/"
            if is_whole and tokens[end : end + 1] == [_FOLDERS] and tokens[end - 1] == "/":
                parts.append(f"(?>(?:[^/]*/)*?{body})")
            else:
                loose += not is_whole
                parts.append(f"{_FOLDERS}{body}")
        else:
            parts.append(token)
        at = end
    if loose > _MAX_LOOSE:
        raise UsageError(f"more than {_MAX_LOOSE} ** in it do not stand between slashes")
    return "".join(parts)


def _parts(text: str, doubled: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        match char:
            case "*" if text[position : position + 1] == "*":
                position = _after_stars(text, position)
                last = position == len(text)
                yield doubled or (_REST if last else _FOLDERS)
            case "*":
                yield _STAR
            case "?":
                yield "[^/]"
            case "[":
                end = _bracket_end(text, position)
                yield _bracket(text[position:end])
                position = end + 1
            case "\\" if position < len(text):
                yield re.escape(text[position])
                position += 1
            case _:
                yield re.escape(char)


def _after_stars(text: str, position: int) -> int:
    """Return where a `**`, with the slash after it, ends."""
    while text[position : position + 1] == "*":
        position += 1
    return position + (text[position : position + 1] == "/")


def _bracket_end(text: str, position: int) -> int:
    end = position + (text[position : position + 1] == "^")
    while text[end : end + 1] not in ("]", ""):
        end += 2 if text[end] == "\\" else 1
    if end >= len(text) or end == position:
        raise UsageError(f"{text!r:.200} is no pattern: a bracket in it is not closed")
    return end


def _bracket(inner: str) -> str:
    sign = "^" if inner.startswith("^") else ""
    parts = re.findall(r"\\?(.)(?:-\\?(.))?", inner[len(sign) :], re.DOTALL)
    ranges = [re.escape(first) + (f"-{re.escape(last)}" if last else "") for first, last in parts]
    return f"[{sign}{''.join(ranges)}]"
