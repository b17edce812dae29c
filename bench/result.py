"""What was measured, and whether it meets what was set out to be met."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

LREG = "lreg"


def connections(count: int) -> str:
    """Return "1 connection", "4 connections"."""
    return f"{count} connection" + ("s" if count != 1 else "")


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit on lreg's figure: times a peer's figure in the same run, or as it stands.

    Attributes:
        limit: the factor, or without a peer the figure itself, in the row's unit.
        peer: whose figure; None for none.
        at_most: whether lreg's figure has to stay below; else it has to reach the limit.
    """

    limit: float
    peer: str | None = None
    at_most: bool = False

    def text(self) -> str:
        """Return the bar in words."""
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:g}" + (f" times {self.peer}" if self.peer else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One load: every server's figures, one a turn, and the bars lreg has to meet."""

    group: str
    name: str
    unit: str
    figures: dict[str, list[float]]
    bars: tuple[Bar, ...] = ()

    def median(self, server: str) -> float | None:
        """Return a server's median, None where it was not measured."""
        figures = self.figures.get(server)
        return statistics.median(figures) if figures else None

    def against(self, bar: Bar) -> float | None:
        """Return what a bar is compared with: a ratio, or lreg's median.

        A ratio is the median of the ratios of each turn. None where either was not measured.
        """
        mine = self.figures.get(LREG)
        if not mine:
            return None
        if bar.peer is None:
            return statistics.median(mine)
        theirs = self.figures.get(bar.peer)
        if not theirs or 0 in theirs:
            return None
        return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))

    def meets(self, bar: Bar) -> bool:
        """Say whether the bar was measured and met."""
        value = self.against(bar)
        if value is None:
            return False
        return value <= bar.limit if bar.at_most else value >= bar.limit
