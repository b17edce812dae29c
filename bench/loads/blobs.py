"""Large blobs that lie in memory: throughput, and what it costs the server's processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine
from bench.content import MIB, blob_path
from bench.crowd import crowd
from bench.result import Bar, Row, connections
from bench.wire import pull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.content import Blob
    from bench.run import Run
    from bench.servers import Server
    from bench.wire import Target

TURNS = 3
_PIECES = 16
# What one connection takes at least, so that a turn is long enough for the 10 ms processor clock.
_AMOUNT = {1: 1024 * MIB, 4: 512 * MIB, 16: 256 * MIB}

Span = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Which blob, whole or in pieces by Range, on how many connections."""

    blob: Blob
    connections: int
    in_pieces: bool

    def __str__(self) -> str:
        how = "by Range" if self.in_pieces else "whole"
        size = round(self.blob.size / MIB)
        name = f"{size // 1024} GiB" if size >= 1024 else f"{size} MiB"
        return f"blob of {name} {how}, {connections(self.connections)}"

    def spans(self, place: int) -> list[Span]:
        """Return what one connection asks for, one request after the other."""
        if not self.in_pieces:
            return [None] * max(1, _AMOUNT[self.connections] // self.blob.size)
        piece = self.blob.size // _PIECES
        firsts = [(place + i) % _PIECES * piece for i in range(_AMOUNT[self.connections] // piece)]
        return [(first, first + piece - 1) for first in firsts]


@dataclass(frozen=True, slots=True)
class Flow:
    """GiB moved, in how many seconds, for how many of the server's processor seconds."""

    gib: float
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """GiB a second."""
        return self.gib / self.seconds

    @property
    def cost(self) -> float:
        """Processor seconds a GiB."""
        return self.cpu / self.gib


def puller(target: Target, path: str, spans: list[Span]) -> Callable[[Callable[[], None]], int]:
    """Return a client that makes these requests on one connection and returns the bytes it got."""

    def client(ready: Callable[[], None]) -> int:
        with target.connect() as sock:
            ready()
            return sum(pull(sock, path, span) for span in spans)

    return client


def flow(server: Server, plan: Plan) -> Flow:
    """Pull as planned."""
    path = blob_path(plan.blob)
    before = machine.cpu_seconds(server.pid)
    together = crowd(
        [puller(server.target, path, plan.spans(place)) for place in range(plan.connections)]
    )
    cpu = machine.cpu_seconds(server.pid) - before
    return Flow(sum(together.results) / 2**30, together.seconds, cpu)


def warm_flow(server: Server, plan: Plan) -> Flow:
    """Pull as planned what lies in memory."""
    with server.data_file(plan.blob).open("rb", buffering=0) as file:
        while file.read(MIB):
            pass
    return flow(server, plan)


def rows(
    group: str, name: str, figures: dict[str, list[Flow]], bars: tuple[Bar, ...]
) -> Iterator[Row]:
    """Return the rows of throughput, held to ``bars``, and of processor time."""
    rate = {server: [one.rate for one in many] for server, many in figures.items()}
    yield Row(group, name, "GiB/s", rate, bars)
    cost = {server: [one.cost for one in many] for server, many in figures.items()}
    half = (Bar(0.5, "distribution 3", at_most=True),) if group == "blobs" else ()
    yield Row(group, f"{name}, processor time", "s/GiB", cost, half)


def measure(run: Run) -> Iterator[Row]:
    """Blobs of 256 MiB and 1 GiB, whole and by Range, at 1, 4 and 16 connections."""
    plans = [
        Plan(blob, count, in_pieces)
        for blob in (run.content.quarters[0], run.content.giant)
        for in_pieces in (False, True)
        for count in (1, 4, 16)
    ]
    bars = (Bar(1.8, "distribution 3"), Bar(1.3, "nginx"))
    with run.serving() as servers:
        for plan, figures in run.turns(servers, plans, warm_flow, run.times(TURNS)):
            yield from rows("blobs", str(plan), figures, bars)
