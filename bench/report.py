"""The results as Markdown and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.result import Row


def markdown(
    rows: Sequence[Row], versions: dict[str, str], missing: dict[str, str], facts: Sequence[str]
) -> str:
    """Return the report.

    Args:
        rows: what was measured, in order.
        versions: each server that was measured, and which version.
        missing: each that was not, and why.
        facts: lines on when, where and how.
    """
    bars = [(row, bar) for row in rows for bar in row.bars]
    met = sum(row.meets(bar) for row, bar in bars)
    lines = ["# lreg and its peers, measured in one run", ""]
    lines += [*(f"- {fact}" for fact in facts)]
    lines += [f"- {name}: {version}" for name, version in versions.items()]
    lines += [f"- {name}: not measured. {why}" for name, why in missing.items()]
    lines += [
        "",
        f"**{met} of {len(bars)} bars met.** Figures are medians of the turns; a ratio is",
    ]
    lines += ["the median of the ratios of each turn.", ""]
    lines += ["| load | unit | " + " | ".join(versions) + " | bars |"]
    lines += ["|---|---|" + "--:|" * len(versions) + "---|"]
    lines += [_line(row, list(versions)) for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Row, servers: Sequence[str]) -> str:
    cells = [_figure(row.median(server)) for server in servers]
    return f"| {row.name} | {row.unit} | {' | '.join(cells)} | {'<br>'.join(verdicts(row))} |"


def verdicts(row: Row) -> list[str]:
    """Return each bar of a row in words: met or missed, the limit, and what was measured."""
    said = []
    for bar in row.bars:
        value = row.against(bar)
        word = (
            "met" if row.meets(bar) else "**missed**" if value is not None else "**not measured**"
        )
        said.append(f"{word}: {bar.text()}" + (f" ({_figure(value)})" if value is not None else ""))
    return said


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_json(rows: Sequence[Row], versions: dict[str, str]) -> str:
    """Return every figure of every turn."""
    return json.dumps(
        {
            "versions": versions,
            "rows": [
                {
                    "group": row.group,
                    "name": row.name,
                    "unit": row.unit,
                    "figures": row.figures,
                    "bars": [
                        {"bar": bar.text(), "value": row.against(bar), "met": row.meets(bar)}
                        for bar in row.bars
                    ],
                }
                for row in rows
            ],
        },
        indent=1,
    )
