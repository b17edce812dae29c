"""Work that is done once for all who wait for it, and answers that hold for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

_MOST = 1024
# For so many seconds upstream's 404 is believed.
ABSENT_SECONDS = 20.0


class Once(Generic[K, V]):
    """Tasks by what they are about: whoever asks while one runs gets its outcome."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    async def result(self, key: K, work: Callable[[], Coroutine[None, None, V]]) -> V:
        """Return what the work returns; it goes on to its end where nobody waits any more."""
        return await asyncio.shield(self.start(key, work))

    def start(self, key: K, work: Callable[[], Coroutine[None, None, V]]) -> asyncio.Task[V]:
        """Return the task that does the work, begun now if need be."""
        if (task := self._tasks.get(key)) is None:
            task = self._tasks[key] = asyncio.create_task(work())

            def ended(task: asyncio.Task[V]) -> None:
                del self._tasks[key]
                if not task.cancelled():
                    task.exception()  # nobody has to wait for it

            task.add_done_callback(ended)
        return task


class Lately(Generic[K, V]):
    """What was found out lately: 1024 things, the oldest go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def remember(self, key: K, value: V, seconds: float = float("inf")) -> None:
        """Keep a value for so many seconds."""
        self._known[key] = time.monotonic() + seconds, value
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def recall(self, key: K) -> V | None:
        """Return the value, None where there is none or its time is over."""
        until, value = self._known.get(key, (0.0, None))
        return value if time.monotonic() < until else None

    def forget(self, key: K) -> None:
        """Drop a value."""
        self._known.pop(key, None)
