"""JSON that is its owner's, edited: what does not change keeps its place, order and spaces."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """A member of an object: its key, and where its key begins, its value begins and ends."""

    key: str
    at: int
    begin: int
    end: int


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """Return the text of an object, changed so that it means `wanted`.

    Args:
        text: valid JSON, an object.
        wanted: all of its members, and more, some with other values.
    """
    begin = _skip(text, 0)
    return text[:begin] + _object(text[begin:], wanted, "")


def _object(text: str, wanted: Mapping[str, Any], indent: str) -> str:
    """Return the text that begins with an object, changed; `indent` is that of its line."""
    members = list(_members(text))
    by_key = {member.key: member for member in members}
    pieces, at = list[str](), 0
    for member in members:
        # Of a key that comes twice the last counts.
        if by_key[member.key] is member:
            own = _indent_of(text, member.at, indent)
            value = _value(text[member.begin : member.end], wanted[member.key], own)
            pieces += [text[at : member.begin], value]
            at = member.end
    new = {key: value for key, value in wanted.items() if key not in by_key}
    if new:
        end = members[-1].end if members else 1
        pieces += [text[at:end], _added(text, members, new, indent)]
        at = end if members else text.index("}")
    return "".join([*pieces, text[at:]])


def _value(text: str, wanted: Any, indent: str) -> str:
    now = _DECODER.decode(text)
    if now == wanted and type(now) is type(wanted):
        return text
    if isinstance(now, dict) and isinstance(wanted, dict):
        return _object(text, wanted, indent)
    return _rendered(wanted, indent, spread="\n" in text)


def _added(text: str, members: list[_Member], new: Mapping[str, Any], indent: str) -> str:
    """Return the text of new members, to stand after the last one."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    if members and "\n" not in text[: members[0].at]:
        between, last = ", ", ""
        own = indent
    else:
        own = _indent_of(text, members[0].at, indent) if members else f"{indent}  "
        between, last = f",{line_end}{own}", "" if members else f"{line_end}{indent}"
    parts = [
        f"{json.dumps(key, ensure_ascii=False)}: {_rendered(value, own, spread=False)}"
        for key, value in new.items()
    ]
    first = between if members else between[1:]
    return (first + between.join(parts) + last).replace("\r\n", "\n").replace("\n", line_end)


def _rendered(value: Any, indent: str, *, spread: bool) -> str:
    if not spread and not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", f"\n{indent}")


def _members(text: str) -> Iterator[_Member]:
    at = _skip(text, 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        begin = _skip(text, _skip(text, end) + 1)
        _, end = _DECODER.raw_decode(text, begin)
        yield _Member(key, at, begin, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _indent_of(text: str, at: int, otherwise: str) -> str:
    """Return the spaces before what begins a line; `otherwise` where something else does."""
    before = text[:at].rpartition("\n")[2]
    return before if "\n" in text[:at] and not before.strip() else otherwise
