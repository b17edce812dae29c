"""What people read: sizes, times, columns."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.cli.output.text import columns, human_seconds, human_size, print_json, printable

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10188, "9.9 KiB"),
        (10189, "10 KiB"),
        (1048063, "1023 KiB"),
        (1048064, "1.0 MiB"),
        (2**30, "1.0 GiB"),
        (5 * 2**60, "5120 PiB"),
    ],
)
def test_human_size(size: int, text: str) -> None:
    """A size is written with two or three figures and the unit that fits."""
    assert human_size(size) == text


@given(st.integers(0, 2**60))
def test_human_size_near(size: int) -> None:
    """What is written is within 5.1 % of the size, and below 1024 of its unit."""
    number, unit = human_size(size).split()
    assert abs(float(number) * _UNITS[unit] - size) <= 0.051 * size
    assert float(number) < 1024 or unit == "PiB"


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_human_size_in_order(one: int, other: int) -> None:
    """Of two sizes the larger is never written as the smaller."""
    small, large = sorted((one, other))
    values = [
        float(text.split()[0]) * _UNITS[text.split()[1]] for text in map(human_size, (small, large))
    ]
    assert values[0] <= values[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (0.26, "0.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
    ],
)
def test_human_seconds(seconds: float, text: str) -> None:
    """A time is written in seconds, then in minutes."""
    assert human_seconds(seconds) == text


@given(st.text())
def test_printable(text: str) -> None:
    """What a registry says can't steer a terminal, whatever it is, and keeps its length."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


def test_columns() -> None:
    """Cells stand below each other, and no line ends in spaces."""
    rows = [("a", "long value", "x"), ("longer", "b", "")]
    assert columns(rows, indent=" ") == [" a       long value  x", " longer  b"]
    assert columns([]) == []


def test_print_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON keeps the order of its keys and is readable text."""
    print_json({"b": "ü", "a": [1]})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"b": "ü", "a": [1]}
    assert printed.index("b") < printed.index("a")
    assert "ü" in printed
