"""A thread in which fakes run, so that a test need not be asynchronous."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.support.cluster import enter

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
S = TypeVar("S", bound=AbstractAsyncContextManager[Any])


class Stage:
    """A context manager: an event loop in a thread of its own, and the fakes that run on it.

    Args:
        network: the file of the network namespace where they listen (`/proc/PID/ns/net`); empty:
            where this process is.
    """

    def __init__(self, network: str = "") -> None:
        self._network = network
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stage", daemon=True)
        self._on: list[AbstractAsyncContextManager[Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in list(self._on):
            self.leave(server)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def enter(self, server: S) -> S:
        """Let it listen, again on the port that it had before; return it."""
        self._do(server.__aenter__())
        self._on.append(server)
        return server

    def leave(self, server: AbstractAsyncContextManager[Any]) -> None:
        """Let it go away, unless it has: every connection is closed, the port refuses."""
        if server in self._on:
            self._on.remove(server)
            self._do(server.__aexit__(None, None, None))

    def _run(self) -> None:
        if self._network:
            enter(self._network)
        self._loop.run_forever()

    def _do(self, action: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(30)
