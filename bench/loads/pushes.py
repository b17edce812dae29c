"""Pushes of blobs no server has seen, to a real disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine
from bench.content import MIB, REPOSITORY, Blob, Fresh
from bench.crowd import crowd
from bench.loads.blobs import Flow, rows
from bench.result import Bar, connections
from bench.wire import push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.result import Row
    from bench.run import Run
    from bench.servers import Server
    from bench.wire import Target

_TURNS = {1: 5, 4: 3, 16: 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """One blob of this size on each of so many connections."""

    size: int
    connections: int

    def __str__(self) -> str:
        return f"push of {round(self.size / MIB)} MiB, {connections(self.connections)}"


def pusher(target: Target, blob: Blob) -> Callable[[Callable[[], None]], int]:
    """Return a client that pushes one blob and returns its size."""

    def client(ready: Callable[[], None]) -> int:
        with target.connect() as sock:
            ready()
            push(sock, REPOSITORY, blob)
            return blob.size

    return client


def forget(server: Server, blobs: list[Blob]) -> None:
    """Take pushed bytes off the disk again, so that a run does not fill it."""
    for blob in blobs:
        server.data_file(blob).unlink()


def measure(run: Run) -> Iterator[Row]:
    """Pushes of 256 MiB at 1, 4 and 16 connections."""
    fresh = Fresh(run.content.quarters[0])

    def flow(server: Server, plan: Plan) -> Flow:
        blobs = [fresh.blob() for _ in range(plan.connections)]
        os.sync()
        before = machine.cpu_seconds(server.pid)
        together = crowd([pusher(server.target, blob) for blob in blobs])
        cpu = machine.cpu_seconds(server.pid) - before
        forget(server, blobs)
        return Flow(sum(together.results) / 2**30, together.seconds, cpu)

    with run.serving(peer for peer in run.peers if peer.takes_pushes) as servers:
        for count, turns in _TURNS.items():
            plans = [Plan(run.content.quarters[0].size, count)]
            bars = (Bar(1.2 if count == 1 else 1, "distribution 3"),)
            for plan, figures in run.turns(servers, plans, flow, run.times(turns)):
                yield from rows("pushes", str(plan), figures, bars)
