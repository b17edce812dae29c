"""What commands print: JSON, columns, sizes and times that people read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# What stands for bytes that are no UTF-8, in the names of files.
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")
# C0 and C1 control characters and DEL: what a registry says must not steer a terminal.
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f]|{_NO_UTF8.pattern}")


def human_size(size: int) -> str:
    """Return `size` bytes as a person reads it: `384 B`, `1.5 KiB`, `23 MiB`."""
    value = float(size)
    for unit in _UNITS:
        # 1023.5 of one unit would be written as 1024.
        if value < 1023.5 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{size} B"
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def human_seconds(seconds: float) -> str:
    """Return a time as a person reads it: `0.3 s`, `42 s`, `3 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def printable(text: str) -> str:
    """Return `text` with `?` for every character that a terminal can't show."""
    return _CONTROL.sub("?", text)


def print_json(value: object) -> None:
    r"""Print `value` as indented JSON, in the order it was made.

    Bytes of names that are no UTF-8 are escaped as Python has them: `\udce9` is the byte 0xE9.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_NO_UTF8.sub(lambda found: f"\\u{ord(found[0]):x}", text))


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Return one line for each row, its cells below those of the row before.

    Args:
        rows: of equally many cells each.
        indent: before every line.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        (
            indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
