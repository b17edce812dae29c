"""Until when an own version counts."""

from __future__ import annotations

import time

import pytest

from lreg.cli.override import parse_until
from lreg.errors import UsageError


def local(month: int, day: int, hour: int = 0) -> float:
    """A moment of 2026 by this machine's clock, in seconds since 1970."""
    return time.mktime((2026, month, day, hour, 0, 0, 0, 0, -1))


_NOW = local(3, 1, 12)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("7d", _NOW + 7 * 86400),
        ("90m", _NOW + 5400),
        ("2026-03-02", local(3, 2)),
        ("2026-03-01T18:00", local(3, 1, 18)),
        ("2026-03-01 18:00", local(3, 1, 18)),
    ],
)
def test_until(text: str, end: float) -> None:
    """A duration counts from now, a date is by this machine's clock."""
    assert parse_until(text, _NOW) == end


def test_until_elsewhere() -> None:
    """A time may name its zone."""
    assert parse_until("2036-03-01T18:00+00:00", _NOW) == 2088007200.0


@pytest.mark.parametrize("text", ["soon", "", "7", "2026-02-30", "99999-01-01"])
def test_no_time(text: str) -> None:
    """What is neither is refused with what would do."""
    with pytest.raises(UsageError, match=r"neither a duration \(12h, 7d\) nor a date"):
        parse_until(text, _NOW)


@pytest.mark.parametrize("text", ["2026-03-01", "0", "2020-01-01"])
def test_over_already(text: str) -> None:
    """A time that is past is a mistake."""
    with pytest.raises(UsageError, match="over already"):
        parse_until(text, _NOW)
