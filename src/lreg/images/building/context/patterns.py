"""Patterns for names, as Go's `filepath.Match` and Docker's ignore files have them."""

from __future__ import annotations

import re

from lreg.errors import UsageError

_MAGIC = re.compile(r"[*?\[\\]")


def is_pattern(text: str) -> bool:
    """Return whether a text means more than itself."""
    return bool(_MAGIC.search(text))


def name_pattern(text: str) -> re.Pattern[str]:
    """Return what matches one name: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before any of them.

    Raises:
        UsageError: a bracket is not closed.
    """
    return _compiled(text, "[^/]*")


def path_pattern(text: str) -> re.Pattern[str]:
    """Return what matches a path: as a name's, and `**` for any number of folders; UsageError."""
    return _compiled(text, "")


def _compiled(text: str, doubled: str) -> re.Pattern[str]:
    parts, position = [], 0
    while position < len(text):
        char = text[position]
        position += 1
        match char:
            case "*" if text[position : position + 1] == "*":
                position = _after_stars(text, position)
                last = position == len(text)
                parts.append(doubled or (".*" if last else "(?:.*/)?"))
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case "[":
                end = _bracket_end(text, position)
                parts.append(_bracket(text[position:end]))
                position = end + 1
            case "\\" if position < len(text):
                parts.append(re.escape(text[position]))
                position += 1
            case _:
                parts.append(re.escape(char))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise UsageError(f"{text!r:.200} is no pattern: {error}") from error


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
