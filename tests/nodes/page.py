"""docs/runtimes.md: what the matrix found, for people to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILE = Path(__file__).parents[2] / "docs/runtimes.md"
_HEAD = """\
# Runtimes

What `lreg node apply` makes real runtimes do, as found by `tests/nodes`, which write this page
(`make matrix`). Each runtime runs on a node with an address, processes and files of its own and
no way to the internet, pulls images of docker.io, registry.k8s.io and quay.io by tag and by
digest, from an lreg that has an internet behind it and again from one that is offline. ✓: every
digest was right, lreg's log shows every pull, and the node asked its name server for nothing.
"""
_COLUMNS = """\
- **mirror**: the runtime's own settings for mirrors.
- **spoof-http**, **spoof-tls**: the registries' names mean lreg's address, on port 80 or 443.
- **IPv6**, **IPv6 spoof**: a mirror at an IPv6 address, and spoof-tls by one.
- **unqualified**: by mirrors, `tiny:1` is lreg's own image of that name, else docker.io's.
- ✓ᴺ: with a name for lreg (`--registry-name`), ✓ᴰ: for docker.io only; more is refused, see below.
"""


@dataclass(slots=True)
class Row:
    """What was found of one runtime.

    Attributes:
        title: the runtime's.
        version: which one it was.
        columns: the titles of all columns.
        marks: by column.
        notes: why something does not work, by column.
    """

    title: str
    version: str
    columns: Sequence[str]
    marks: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every cell is there."""
        return len(self.marks) == len(self.columns)

    def onto(self, page: str, order: Sequence[str]) -> str:
        """Return the page with this row in place of the one it had.

        Args:
            page: as it is.
            order: the titles of all rows.
        """
        lines = page.splitlines()
        rows, notes = list[str](), list[str]()
        for title in order:
            mine = title == self.title
            rows += [self._line()] if mine else _beginning(lines, f"| {title} |")
            notes += self._notes() if mine else _beginning(lines, f"- {title}, ")
        head = f"| | version | {' | '.join(self.columns)} |"
        rule = "|---|---|" + ":-:|" * len(self.columns)
        refused = ["What can't work is refused:", "", *notes]
        return "\n".join([_HEAD, head, rule, *rows, "", _COLUMNS, *refused, ""])

    def _line(self) -> str:
        marks = (self.marks[column] for column in self.columns)
        return f"| {self.title} | {self.version} | {' | '.join(marks)} |"

    def _notes(self) -> Iterator[str]:
        for column in self.columns:
            if column in self.notes:
                yield f"- {self.title}, {column}: {self.notes[column]}"


def _beginning(lines: Sequence[str], words: str) -> list[str]:
    return [line for line in lines if line.startswith(words)]
