"""Where in a TOML document its tables and settings stand (TOML 1.0)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

_BARE = r"[A-Za-z0-9_-]+"
_KEY = rf"""(?:{_BARE}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_PATH = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_PATH})[ \t]*\]\]?[^\n]*(?:\n|\Z)")
_SETTING = re.compile(rf"[ \t]*({_PATH})[ \t]*=")
_TOP_COMMENT = re.compile(r"(?:[ \t]*#[^\n]*\n)+(?=[ \t]*(?:\n|\Z))")
# What within a value may hold any other character, or a bracket.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]',
    re.DOTALL,
)

# Names of tables and, within arrays of tables, numbers from 0.
Address = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A key and its value, on lines of their own from `begin` to `end`.

    Attributes:
        address: of the value.
        keys: the last part of it, which stands on these lines.
        begin: where the first line begins.
        end: where the last line ends.
    """

    address: Address
    keys: tuple[str, ...]
    begin: int
    end: int


@dataclass(slots=True)
class Section:
    """A table under a header, or what stands before the first header.

    Attributes:
        address: of the table.
        begin: where its header's line begins.
        tail: where the line of its last setting ends, without any its header's; before the first
            header, that of the comment at the top.
        settings: what it sets, in order.
    """

    address: Address
    begin: int
    tail: int
    settings: list[Setting] = field(default_factory=list)


def scan(text: str) -> list[Section]:
    """Return the sections of a document, the one before the first header first.

    Args:
        text: valid TOML, with line ends of one character.
    """
    top = _TOP_COMMENT.match(text)
    sections = [Section((), 0, top.end() if top else 0)]
    counts: dict[Address, int] = {}
    at = 0
    while at < len(text):
        if match := _HEADER.match(text, at):
            array = match[1] == "[["
            address = _numbered(key_path(match[2]), counts, array=array)
            at = match.end()
            sections.append(Section(address, match.start(), at))
        elif match := _SETTING.match(text, at):
            end = _end_of_value(text, match.end())
            section = sections[-1]
            keys = key_path(match[1])
            section.settings.append(Setting((*section.address, *keys), keys, at, end))
            section.tail = at = end
        else:
            at = _end_of_line(text, at)
    return sections


def key_path(text: str) -> tuple[str, ...]:
    """Return the names of a dotted key."""
    value: Any = tomllib.loads(f"{text} = 0")
    names = list[str]()
    while isinstance(value, dict):
        ((name, value),) = value.items()
        names.append(name)
    return tuple(names)


def _numbered(path: tuple[str, ...], counts: dict[Address, int], *, array: bool) -> Address:
    """Return the address of a header: the tables of arrays are those that came last."""
    address: Address = ()
    for name in path[:-1]:
        address = (*address, name)
        if address in counts:
            address = (*address, counts[address])
    address = (*address, path[-1])
    if array:
        counts[address] = counts.get(address, -1) + 1
        address = (*address, counts[address])
    return address


def _end_of_value(text: str, at: int) -> int:
    depth = 0
    for match in _TOKEN.finditer(text, at):
        if match[0] in ("[", "{"):
            depth += 1
        elif match[0] in ("]", "}"):
            depth -= 1
        elif match[0] == "\n" and depth == 0:
            return match.end()
    return len(text)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
