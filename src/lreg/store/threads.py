"""The threads that wait for the disk, so that the event loop never does."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from lreg.store.files import full_disk

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_READERS = 8
_WRITERS = 16


class Threads:
    """Bounded pools: a reader never stands in line behind a writer's fsync, or a walk."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="store-write")
        self._walker = ThreadPoolExecutor(1, thread_name_prefix="store-walk")

    async def read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what the function returns, called in a thread for reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, function, *args)

    async def write(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what the function returns, called in a thread for changes.

        Once begun, a change goes on to its end, even where the caller is cancelled meanwhile.

        Raises:
            StoreFull: the disk is full.
        """
        loop = asyncio.get_running_loop()
        with full_disk():
            return await loop.run_in_executor(self._writers, function, *args)

    async def walk(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what the function returns, called in the thread for what takes seconds.

        Raises:
            StoreFull: the disk is full.
        """
        loop = asyncio.get_running_loop()
        with full_disk():
            return await loop.run_in_executor(self._walker, function, *args)

    def soon(self, function: Callable[[*Ts], None], *args: *Ts) -> None:
        """Call the function in a thread for reads, when one is free; nobody learns what came."""
        with contextlib.suppress(RuntimeError):  # closed
            self._readers.submit(function, *args)

    def close(self) -> None:
        """Wait for what is running, then let go of the threads."""
        for pool in (self._walker, self._readers, self._writers):
            pool.shutdown()
