"""Values as JSON and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from lreg.admin.events import Event

if TYPE_CHECKING:
    from msgspec import Struct

T = TypeVar("T")


def to_json(value: Struct) -> dict[str, Any]:
    """Return the JSON object of a value of lreg.admin; an event's says which it is."""
    return cast("dict[str, Any]", msgspec.to_builtins(value))


def encode(value: Struct) -> bytes:
    """Return the same as JSON, on one line."""
    return msgspec.json.encode(value)


def decode(kind: type[T], raw: bytes | str) -> T:
    """Return the value of that kind that is written as a JSON object.

    Raises:
        ValueError: it is not such an object; says what is wrong, and where.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def decode_event(raw: bytes | str) -> Event:
    """Return the event that is written as a JSON object; raise ValueError."""
    return cast("Event", decode(Event, raw))  # type: ignore[arg-type] # a union is one to msgspec
