"""The same over TLS, every server with the same P-256 certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.loads.blobs import Plan as BlobPlan
from bench.loads.blobs import rows, warm_flow
from bench.loads.small import Plan as SmallPlan
from bench.loads.small import answered, rates
from bench.result import Bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.hammer import Answered
    from bench.result import Row
    from bench.run import Run
    from bench.servers import Server

TURNS = 5


def measure(run: Run) -> Iterator[Row]:
    """Manifest GETs at 16 connections, a blob of 256 MiB at 1 and 4."""
    small = [SmallPlan("manifest GET over TLS", (("GET", run.content.manifest_path),), 16)]
    blobs = [BlobPlan(run.content.quarters[0], count, False) for count in (1, 4)]

    def small_turn(server: Server, plan: SmallPlan) -> Answered:
        return answered(server.target, plan, run.seconds)

    with run.serving(tls=True) as servers:
        for plan, figures in run.turns(servers, small, small_turn, run.times(TURNS)):
            yield rates(figures, "tls", str(plan), (Bar(2, "distribution 3"),))
        for blob_plan, flows in run.turns(servers, blobs, warm_flow, run.times(TURNS)):
            bars = (Bar(1.3, "distribution 3"),)
            yield from rows("tls", f"{blob_plan}, over TLS", flows, bars)
