"""The ratios to distribution 3 as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.result import LREG, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BASE = "distribution 3"
_COLOURS = {LREG: "#1f6feb", "nginx": "#2da44e", "zot": "#bf8700", "distribution 2.8": "#8c959f"}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG: for each load, each server's figure as a multiple of distribution 3's.

    A multiple is turned over where less is better, so right is better everywhere; a black mark is
    the bar that lreg has to reach. Loads without a bar are left out.
    """
    shown = [row for row in rows if row.bars and row.median(_BASE)]
    figure = Figure(figsize=(11, 1.2 + 0.42 * len(shown)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(_COLOURS)
    for place, row in enumerate(shown):
        for slot, (server, colour) in enumerate(_COLOURS.items()):
            if (value := _multiple(row, server)) is not None:
                at = place + (slot - len(_COLOURS) / 2 + 0.5) * height
                axes.barh(at, value - 1, height * 0.9, left=1, color=colour)
        for bar in row.bars:
            if bar.peer == _BASE:
                mark = 1 / bar.limit if bar.at_most else bar.limit
                axes.plot([mark, mark], [place - 0.42, place + 0.42], color="black", linewidth=1.5)
    axes.axvline(1, color="#8c959f", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color="#eaeef2", zorder=0)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(shown)), [row.name for row in shown], fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(
        "times as good as distribution 3 (right is better); black: the bar lreg has to reach"
    )
    shown_servers = [name for name in _COLOURS if any(row.median(name) for row in shown)]
    marks = [Patch(color=_COLOURS[name], label=name) for name in shown_servers]
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _multiple(row: Row, server: str) -> float | None:
    mine, base = row.median(server), row.median(_BASE)
    if not mine or not base:
        return None
    return base / mine if _less_is_better(row) else mine / base


def _less_is_better(row: Row) -> bool:
    return row.unit in {"ms", "s", "MB", "s/GiB"}
