"""Small answers: manifests, and blobs of 1 to 50 KiB."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.content import blob_path
from bench.crowd import crowd
from bench.hammer import Answered, hammer
from bench.result import Bar, Row, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.run import Run
    from bench.servers import Server
    from bench.wire import Target

TURNS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Which requests, on how many connections."""

    what: str
    requests: tuple[tuple[str, str], ...]
    connections: int

    def __str__(self) -> str:
        return f"{self.what}, {connections(self.connections)}"


def answered(target: Target, plan: Plan, seconds: float) -> Answered:
    """Run a plan for so long, the client in a process of its own."""

    def client(ready: Callable[[], None]) -> Answered:
        end = 0.0

        def begin() -> None:
            nonlocal end
            ready()
            end = time.perf_counter() + seconds

        return hammer(
            target, plan.requests, plan.connections, lambda: time.perf_counter() < end, begin
        )

    return crowd([client]).results[0]


def rates(figures: dict[str, list[Answered]], group: str, name: str, bars: tuple[Bar, ...]) -> Row:
    """Return the row of requests a second."""
    rate = {server: [one.rate for one in many] for server, many in figures.items()}
    return Row(group, name, "requests/s", rate, bars)


def manifests(run: Run) -> Iterator[Row]:
    """GET and HEAD of a manifest by tag at 1, 16 and 64 connections, with p99."""
    path = run.content.manifest_path
    plans = [
        Plan(f"manifest {method}", ((method, path),), count)
        for method in ("GET", "HEAD")
        for count in (1, 16, 64)
    ]

    def measure(server: Server, plan: Plan) -> Answered:
        return answered(server.target, plan, run.seconds)

    with run.serving() as servers:
        for plan, figures in run.turns(servers, plans, measure, run.times(TURNS)):
            crowded = (Bar(3, "distribution 3"), Bar(8, "distribution 2.8"))
            bars = crowded if plan.connections > 1 else ()
            yield rates(figures, "manifests", str(plan), bars)
            p99 = {server: [one.p99 for one in many] for server, many in figures.items()}
            lower = (
                Bar(1, "distribution 3", at_most=True),
                Bar(1, "distribution 2.8", at_most=True),
            )
            yield Row("manifests", f"{plan}, p99", "ms", p99, lower)


def small_blobs(run: Run) -> Iterator[Row]:
    """Fifty blobs of 1 to 50 KiB in turn at 16 connections."""
    requests = tuple(("GET", blob_path(blob)) for blob in run.content.small)
    plans = [Plan("blobs of 1-50 KiB", requests, 16)]

    def measure(server: Server, plan: Plan) -> Answered:
        return answered(server.target, plan, run.seconds)

    with run.serving() as servers:
        for plan, figures in run.turns(servers, plans, measure, run.times(TURNS)):
            yield rates(figures, "small-blobs", str(plan), (Bar(8, "distribution 3"),))
