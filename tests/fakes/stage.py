"""A thread in which fakes run, so that a test need not be asynchronous."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.fakes.server import ScriptedServer

T = TypeVar("T")
S = TypeVar("S", bound="ScriptedServer")


class Stage:
    """A context manager: an event loop in a thread of its own, and the fakes that run on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage", daemon=True)
        self._on: list[ScriptedServer] = []

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

    def leave(self, server: ScriptedServer) -> None:
        """Let it go away, unless it has: every connection is closed, the port refuses."""
        if server in self._on:
            self._on.remove(server)
            self._do(server.__aexit__())

    def _do(self, action: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(30)
