"""The loads, a module each, with the bars that were set for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.loads import (
    blobs,
    carrying,
    cold,
    copies,
    listings,
    memory,
    nodes,
    pushes,
    small,
    starting,
    through,
    tls,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.result import Row
    from bench.run import Run

LOADS: dict[str, Callable[[Run], Iterator[Row]]] = {
    "manifests": small.manifests,
    "small-blobs": small.small_blobs,
    "blobs": blobs.measure,
    "cold": cold.measure,
    "pushes": pushes.measure,
    "tls": tls.measure,
    "memory": memory.measure,
    "start": starting.measure,
    "listings": listings.measure,
    "through": through.measure,
    "copies": copies.measure,
    "carrying": carrying.measure,
    "nodes": nodes.measure,
}
"""By the name that ``--only`` takes, in the report's order."""
