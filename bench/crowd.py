"""Clients side by side: processes that start together, and how long they took."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from bench.wire import LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.synchronize import Barrier

R = TypeVar("R")
S = TypeVar("S")

Client: TypeAlias = "Callable[[Callable[[], None]], R]"
"""Calls what it is given when it is connected and ready; that call returns when all are, and time
is counted from there."""

Beside: TypeAlias = "Callable[[Callable[[], None], Callable[[], bool]], S]"
"""As a client; the second call says whether any client is still at work."""

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Crowd(Generic[R]):
    """What clients that ran together gave, in their order, and the seconds from first to last."""

    results: list[R]
    seconds: float


def crowd(clients: Sequence[Client[R]]) -> Crowd[R]:
    """Run every client in a process of its own.

    Raises:
        LoadFailed: One of them raised.
    """
    return _together(clients, [])[0]


def crowd_beside(clients: Sequence[Client[R]], beside: Beside[S]) -> tuple[Crowd[R], S]:
    """Run every client, and one more beside them until they are through; return what both gave.

    Raises:
        LoadFailed: One of them raised.
    """
    together, others = _together(clients, [beside])
    return together, others[0]


def _together(
    clients: Sequence[Client[R]], beside: Sequence[Beside[S]]
) -> tuple[Crowd[R], list[S]]:
    count = len(clients)
    barrier = _FORK.Barrier(count + len(beside))
    answers: Any = _FORK.SimpleQueue()
    through = _FORK.Value("i", 0)

    def more() -> bool:
        return int(through.value) < count

    def observer(other: Beside[S]) -> Client[S]:
        return lambda ready: other(ready, more)

    runs: list[Client[Any]] = [*clients, *(observer(other) for other in beside)]
    processes = [
        _FORK.Process(
            target=_client, args=(place, run, barrier, answers, through if place < count else None)
        )
        for place, run in enumerate(runs)
    ]
    for process in processes:
        process.start()
    told = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    if failures := [failure for _, failure, *_ in told if failure]:
        # The one that broke the barrier is the cause; the others only say that it is broken.
        raise LoadFailed(min(failures, key=lambda text: "BrokenBarrierError" in text))
    told.sort()
    began, ended = (
        min(at for _, _, at, *_ in told[:count]),
        max(to for _, _, _, to, _ in told[:count]),
    )
    results = [result for *_, result in told]
    return Crowd(results[:count], ended - began), results[count:]


def _client(place: int, client: Client[R], barrier: Barrier, answers: Any, through: Any) -> None:
    began = 0.0

    def ready() -> None:
        nonlocal began
        barrier.wait(timeout=60)
        began = time.perf_counter()

    try:
        result = client(ready)
        answers.put((place, "", began, time.perf_counter(), result))
    except Exception:  # noqa: BLE001 (told to the parent, which raises it)
        barrier.abort()
        answers.put((place, traceback.format_exc(), 0.0, 0.0, None))
    finally:
        if through is not None:
            with through.get_lock():
                through.value += 1
