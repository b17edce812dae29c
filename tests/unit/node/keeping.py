"""Whether one document says all that another does."""

from __future__ import annotations

from typing import Any

# What lreg has to change of what is there, as it has the last word on it.
CHANGED = {"config_path", "http", "server"}
_EMPTY: tuple[Any, ...] = (None, {})


def assert_kept(before: Any, after: Any, where: str = "") -> None:
    """Fail unless all that is in `before` is in `after`, in its order."""
    if isinstance(before, dict) and before:
        assert [key for key in after if key in before] == list(before), where
        for key, value in before.items():
            assert_kept(value, after[key], key)
    elif isinstance(before, list):
        rest = iter(after)
        for each in before:
            assert any(_same(each, other) for other in rest), (where, each, after)
    elif before not in _EMPTY and where not in CHANGED:
        assert before == after, where


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, dict):
        return bool(one == other)
    try:
        assert_kept(one, other)
    except (AssertionError, KeyError, TypeError):
        return False
    return True
