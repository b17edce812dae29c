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
class Matrix:
    """What was found.

    Attributes:
        columns: their titles.
        versions: of each runtime, by its row's title.
        marks: by row and column.
        notes: why something does not work, by row and column.
    """

    columns: Sequence[str]
    versions: dict[str, str] = field(default_factory=dict)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)

    def is_whole(self, rows: int) -> bool:
        """Whether every cell of so many rows is there."""
        return len(self.marks) == rows * len(self.columns)

    def lines(self) -> list[str]:
        """Return the page's lines about what was found, of the runtimes of which all was."""
        done = [
            row for row in self.versions if all((row, each) in self.marks for each in self.columns)
        ]
        notes = [line for (row, _), line in self._notes() if row in done]
        return [*map(self._line, done), *notes]

    def text(self) -> str:
        """Return the page."""
        head = f"| | version | {' | '.join(self.columns)} |"
        rule = "|---|---|" + ":-:|" * len(self.columns)
        table = [head, rule, *map(self._line, self.versions)]
        refused = ["What can't work is refused:", "", *(line for _, line in self._notes())]
        return "\n".join([_HEAD, *table, "", _COLUMNS, *refused, ""])

    def _notes(self) -> Iterator[tuple[tuple[str, str], str]]:
        for (row, column), why in self.notes.items():
            yield (row, column), f"- {row}, {column}: {why}"

    def _line(self, row: str) -> str:
        marks = (self.marks.get((row, column), "?") for column in self.columns)
        return f"| {row} | {self.versions[row]} | {' | '.join(marks)} |"
