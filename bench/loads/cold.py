"""Large blobs that have to come from the disk, and small requests beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine
from bench.content import MIB, blob_path
from bench.crowd import crowd_beside
from bench.hammer import Answered, hammer
from bench.loads.blobs import Flow, puller
from bench.result import Bar, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.content import Blob
    from bench.run import Run
    from bench.servers import Server

TURNS = 3
_BESIDE = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """Each blob on a connection of its own, after the kernel forgot it or with it in memory."""

    blobs: tuple[Blob, ...]
    cold: bool

    def __str__(self) -> str:
        state = "not in memory" if self.cold else "in memory"
        count = len(self.blobs)
        size = round(self.blobs[0].size / MIB)
        return f"{count} blobs of {size} MiB {state}"


def measure(run: Run) -> Iterator[Row]:
    """Pulls of cold and of warm files, and manifest GETs on four connections meanwhile."""
    content = run.content
    plans = [
        Plan(blobs, cold)
        for blobs in ((content.giant,), content.quarters)
        for cold in (True, False)
    ]

    def one(server: Server, plan: Plan) -> tuple[Flow, Answered]:
        for blob in plan.blobs:
            _prepare(server, blob, cold=plan.cold)

        def beside(ready: Callable[[], None], more: Callable[[], bool]) -> Answered:
            request = (("GET", content.manifest_path),)
            return hammer(server.target, request, _BESIDE, more, ready)

        before = machine.cpu_seconds(server.pid)
        clients = [puller(server.target, blob_path(blob), [None]) for blob in plan.blobs]
        together, answered = crowd_beside(clients, beside)
        cpu = machine.cpu_seconds(server.pid) - before
        return Flow(sum(together.results) / 2**30, together.seconds, cpu), answered

    with run.serving() as servers:
        for plan, figures in run.turns(servers, plans, one, run.times(TURNS)):
            yield from _rows(plan, figures)


def _rows(plan: Plan, figures: dict[str, list[tuple[Flow, Answered]]]) -> Iterator[Row]:
    def row(name: str, unit: str, figure: Callable[[Flow, Answered], float], *bars: Bar) -> Row:
        values = {server: [figure(*one) for one in many] for server, many in figures.items()}
        return Row("cold", name, unit, values, bars)

    beside = f"manifest GET beside {plan}"
    lower = Bar(1, "distribution 3", at_most=True)
    yield row(f"{plan}", "GiB/s", lambda flow, _: flow.rate, Bar(1, "distribution 3"))
    yield row(beside, "requests/s", lambda _, answered: answered.rate)
    yield row(f"{beside}, p99", "ms", lambda _, answered: answered.p99, lower)
    yield row(f"{beside}, slowest", "ms", lambda _, answered: answered.worst)


def _prepare(server: Server, blob: Blob, *, cold: bool) -> None:
    path = server.data_file(blob)
    if cold:
        machine.evict(path)
        return
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass
