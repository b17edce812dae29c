"""What two documents mean together: the node's own, and what it is to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What an array of tables of registries.conf calls its tables by.
_NAMES = ("prefix", "location")
# An array of tables in which the first is asked first.
_ORDERED = ": mirror"


def combined(theirs: Mapping[str, Any], ours: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what `theirs` means with all of `ours` in it; neither is changed.

    Tables come together, key by key. In a list our first item comes first, for an order of mirrors
    or registries is that in which they are asked; then what else of ours is new there, then theirs.
    Other values of ours stand in place of theirs.

    Args:
        theirs: the values of the node's document.
        ours: what has to hold.
        where: the document, for errors.

    Raises:
        LregError: one has a table or list where the other has not.
    """
    result = dict(theirs)
    for key, value in ours.items():
        result[key] = _both(theirs.get(key), value, f"{where}: {key}")
    return result


def identity(table: Mapping[str, Any]) -> Any:
    """Return what tells a table of an array from the others; None where nothing does."""
    return next((table[name] for name in _NAMES if name in table), None)


def _both(theirs: Any, ours: Any, where: str) -> Any:
    if theirs is None:
        return ours
    if _shape(theirs) != _shape(ours):
        raise LregError(
            f"{where} is a {_shape(theirs)} there, and lreg needs a {_shape(ours)}: "
            "change it by hand"
        )
    if isinstance(ours, dict):
        return combined(theirs, ours, where)
    if isinstance(ours, list):
        if any(isinstance(each, dict) for each in [*theirs, *ours]):
            if not all(isinstance(each, dict) for each in [*theirs, *ours]):
                raise LregError(f"{where} has other things than tables in it: change it by hand")
            return _tables(theirs, ours, where)
        new = [each for each in ours[1:] if each not in theirs]
        return [*ours[:1], *new, *(each for each in theirs if each not in ours[:1])]
    return ours


def _tables(theirs: list[Any], ours: list[Any], where: str) -> list[Any]:
    ours_by_name = {identity(each): each for each in ours}
    kept = [
        combined(each, ours_by_name.pop(identity(each)), f"{where} {identity(each)}")
        if identity(each) in ours_by_name
        else each
        for each in theirs
    ]
    new = list(ours_by_name.values())
    return [*new, *kept] if where.endswith(_ORDERED) else [*kept, *new]


def _shape(value: Any) -> str:
    return "table" if isinstance(value, dict) else "list" if isinstance(value, list) else "value"
