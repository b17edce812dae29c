"""Values as JSON objects and back."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from lreg.admin.events import EVENTS, Event

T = TypeVar("T")

Shape = tuple[dict[str, Any], frozenset[str]]
_SHAPES: dict[type, Shape] = {}
_EVENT_NAMES = {kind: name for name, kind in EVENTS.items()}


def to_json(value: Any) -> dict[str, Any]:
    """Return the JSON object of a value of this module; an event's says which it is."""
    fields = dataclasses.asdict(value)
    name = _EVENT_NAMES.get(type(value))
    return {"event": name, **fields} if name else fields


def from_json(kind: type[T], raw: object) -> T:
    """Return the value of that kind that a decoded JSON object holds.

    Raises:
        ValueError: it is not such an object; says what is wrong.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"{raw!r:.80} is not an object")  # noqa: TRY004 - one error for the caller
    hints, needed = _shape(kind)
    if lacking := sorted(needed - raw.keys()):
        raise ValueError(f"{lacking[0]!r} is missing")
    known = {name: hint for name, hint in hints.items() if name in raw}
    return kind(**{name: _field(hint, raw[name], name) for name, hint in known.items()})


def event_from_json(raw: object) -> Event:
    """Return the event that a decoded JSON object holds; raise ValueError."""
    name = raw.get("event") if isinstance(raw, dict) else None
    if not isinstance(name, str) or name not in EVENTS:
        raise ValueError(f"{name!r:.80} is not an event")
    return from_json(EVENTS[name], raw)


def _shape(kind: type[Any]) -> Shape:
    """Return a value's fields with their types, and those that have no default."""
    if (shape := _SHAPES.get(kind)) is None:
        fields = dataclasses.fields(kind)
        hints = get_type_hints(kind)
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}
        shape = {field.name: hints[field.name] for field in fields}, frozenset(needed)
        _SHAPES[kind] = shape
    return shape


def _field(hint: Any, raw: object, name: str) -> object:
    if isinstance(hint, UnionType):
        hint = NoneType if raw is None else next(o for o in get_args(hint) if o is not NoneType)
    if get_origin(hint) is tuple:
        if not isinstance(raw, list):
            raise ValueError(f"{name!r} is not a list")
        return tuple(_field(get_args(hint)[0], item, name) for item in raw)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, raw)
    # JSON has one kind of number, and a bool is no number.
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
        raise ValueError(f"{name!r} is not of type {hint.__name__}")
    return raw
