"""TOML that is its owner's, edited: what does not change keeps every character."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import Array

from lreg.node.merging.toml_scan import Section, scan
from lreg.node.merging.values import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from lreg.node.merging.toml_scan import Address, Setting

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_COMMENTS = re.compile(r"(?:[ \t]*#[^\n]*\n)*\Z")


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """Return the text changed so that it means `wanted`.

    Args:
        text: valid TOML.
        wanted: all that it means, and more, some with other values.

    Raises:
        ValueError, TypeError: the document has a form that this can't edit.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n")
    if lines and not lines.endswith("\n"):
        lines += "\n"
    for address, value in _changes(tomllib.loads(lines), wanted, ()):
        lines = _with(lines, address, value)
        tomllib.loads(lines)
    return lines.replace("\n", line_end)


def _changes(
    now: Mapping[str, Any], wanted: Mapping[str, Any], at: Address
) -> Iterator[tuple[Address, Any]]:
    """Yield the addresses of what is new or has another value, and the value."""
    for key, value in wanted.items():
        address = (*at, key)
        if key not in now:
            yield address, value
        elif isinstance(value, dict):
            yield from _changes(now[key], value, address)
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            yield from _changes_of_tables(now[key], value, address)
        elif now[key] != value:
            yield address, value


def _changes_of_tables(
    now: list[dict[str, Any]], wanted: list[dict[str, Any]], at: Address
) -> Iterator[tuple[Address, Any]]:
    for number, table in enumerate(wanted):
        # Those before it are there by now, so that its number holds.
        known = [each for each in now if identity(each) == identity(table)]
        if known:
            yield from _changes(known[0], table, (*at, number))
        else:
            yield (*at, number), table


def _with(text: str, address: Address, value: Any) -> str:
    sections = scan(text)
    settings = [setting for section in sections for setting in section.settings]
    if (above := _longest(settings, address)) is not None:
        keys = (*above.keys, *address[len(above.address) :])
        statement = _edited_setting(text[above.begin : above.end], keys, value)
        return text[: above.begin] + statement + text[above.end :]
    if isinstance(value, dict) or _is_tables(value):
        return _with_section(text, sections, address, value)
    for each in settings:
        # A table that is written as dotted keys can't have a header.
        if len(each.keys) > 1 and each.address[:-1] == address[:-1]:
            line = _line(_margin(text, each.begin), (*each.keys[:-1], address[-1]), value)
            return text[: each.end] + line + text[each.end :]
    own = next((each for each in sections if each.address == address[:-1]), None)
    if own is None:
        return _with_section(text, sections, address[:-1], {address[-1]: value})
    line = _line(_indent(text, own), address[-1:], value)
    return text[: own.tail] + line + text[own.tail :]


def _longest(settings: list[Setting], address: Address) -> Setting | None:
    """Return the setting at an address or, an inline table, above it."""
    above = [each for each in settings if address[: len(each.address)] == each.address]
    return above[0] if above else None


def _edited_setting(statement: str, keys: Address, value: Any) -> str:
    document = tomlkit.parse(statement)
    place: Any = document
    for key in keys[:-1]:
        place = place[key]
    if isinstance(place, Array) and keys[-1] == len(place):
        place.append(_inline(value))
    elif isinstance(place, Array):
        place.insert(int(keys[-1]), _inline(value))
    elif isinstance(place, dict):
        _set(place, str(keys[-1]), value)
    else:
        raise TypeError(f"{keys[-1]} is not in a table")
    return tomlkit.dumps(document)


def _set(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    old = table.get(key)
    if isinstance(old, Array) and isinstance(value, list) and "\n" in old.as_string():
        # In place: the comments between the items that stay are kept.
        for at, item in enumerate(value):
            if item not in old:
                old.insert(at, item)
        if old == value:
            return
    table[key] = _inline(value)


def _inline(value: Any) -> Any:
    """Return a value as it can stand on one line: tables in it have no headers."""
    if isinstance(value, dict):
        made = tomlkit.inline_table()
        made.update({key: _inline(each) for key, each in value.items()})
        return made
    if isinstance(value, list):
        items = tomlkit.array()
        items.extend(map(_inline, value))
        return items
    return value


def _with_section(text: str, sections: list[Section], address: Address, value: Any) -> str:
    """Return the text with a new table, or array of tables, beside its nearest relatives."""
    at, relative = _place(text, sections, address)
    indents = ("", "")
    if len(relative.address) > 1:
        indents = (_margin(text, relative.begin), _indent(text, relative))
    block = "\n".join(_sections(address, value, indents))
    before = "\n" if text[:at].strip() and not text[:at].endswith("\n\n") else ""
    after = "\n" if text[at:].strip() and not text[at:].startswith("\n") else ""
    return text[:at] + before + block + after + text[at:]


def _place(text: str, sections: list[Section], address: Address) -> tuple[int, Section]:
    if isinstance(address[-1], int):
        for number, section in enumerate(sections):
            if section.address == address:
                # It becomes the next one; comments above it stay its own.
                floor = sections[number - 1].tail
                comments = _COMMENTS.search(text, floor, section.begin)
                return comments.start() if comments else section.begin, section
    common = [_common(section.address, address) for section in sections]
    last = max(number for number, each in enumerate(common) if each == max(common))
    return sections[last].tail, sections[last]


def _common(one: Address, other: Address) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, pair in enumerate(pairs) if len({*pair}) > 1), min(len(one), len(other)))


def _sections(address: Address, value: Any, indents: tuple[str, str]) -> Iterator[str]:
    """Yield the text of a table or array of tables with all in it, section by section.

    Args:
        address: of the table.
        value: what is in it.
        indents: what stands before headers, and before settings.
    """
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _sections((*address, number), each, indents)
        return
    inner = {key: each for key, each in value.items() if _is_tables(each) or isinstance(each, dict)}
    own = {key: each for key, each in value.items() if key not in inner}
    brackets = ("[[", "]]") if isinstance(address[-1], int) else ("[", "]")
    if own or not inner or brackets[0] == "[[":
        header = f"{indents[0]}{brackets[0]}{_name(address)}{brackets[1]}\n"
        yield header + "".join(_line(indents[1], (key,), each) for key, each in own.items())
    for key, each in inner.items():
        yield from _sections((*address, key), each, indents)


def _line(indent: str, keys: Address, value: Any) -> str:
    return f"{indent}{_name(keys)} = {tomlkit.item(value).as_string()}\n"


def _name(address: Address) -> str:
    names = [each for each in address if isinstance(each, str)]
    return ".".join(
        each if _BARE.fullmatch(each) else json.dumps(each, ensure_ascii=False) for each in names
    )


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _indent(text: str, section: Section) -> str:
    """Return the spaces before the settings of a section."""
    line = section.settings[-1].begin if section.settings else section.begin
    return _margin(text, line) if section.address or section.settings else ""


def _margin(text: str, at: int) -> str:
    return text[at : at + len(text[at:]) - len(text[at:].lstrip(" \t"))]
