"""TOML that is its owner's, edited: comments, order and spaces stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import AoT, Array

from lreg.node.merging.values import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_WIDEST = 100


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """Return the text changed so that it means `wanted`.

    Args:
        text: valid TOML.
        wanted: all that it means, and more, some with other values.
    """
    document = tomlkit.parse(text)
    _sync(document, wanted)
    return tomlkit.dumps(document)


def _sync(table: MutableMapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if key not in table:
            table[key] = _item(value)
        elif isinstance(value, dict):
            _sync(table[key], value)
        elif isinstance(table[key], AoT):
            _sync_tables(table[key], value)
        elif table[key] != value:
            _set(table, key, value)


def _set(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    old = table[key]
    if isinstance(old, Array) and isinstance(value, list):
        # In place: the comments between the items that stay are kept.
        for at, item in enumerate(value):
            if item not in old:
                old.insert(at, item)
        if old == value:
            return
    table[key] = _item(value)


def _sync_tables(tables: AoT, wanted: list[dict[str, Any]]) -> None:
    for at, each in enumerate(wanted):
        same = [table for table in tables if identity(table) == identity(each)]
        if same:
            _sync(same[0], each)
        else:
            tables.insert(at, _item(each))


def _item(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        tables = tomlkit.aot()
        for each in value:
            tables.append(_item(each))
        return tables
    if isinstance(value, dict):
        table = tomlkit.table()
        for key, each in value.items():
            table[key] = _item(each)
        return table
    return tomlkit.item(value)
