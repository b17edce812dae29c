"""Look-ups of names, one at a time for each: one that hangs holds its thread until it ends."""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit

from lreg.client.wire import is_address

# For so long, in seconds, a name that was found is not looked up again before it is dialled.
_FRESH = 1.0


class LookUps:
    """Lets those who want to dial wait for the look-up of the name that is under way.

    The threads that look names up are few, and the same for all: without this a name that nobody
    answers for would take every one of them, and other names would stand in line behind it.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[object]] = {}
        self._found: dict[str, float] = {}

    async def find(self, url: str, seconds: float) -> None:
        """Return once the host of `url` is found.

        Args:
            url: of a server.
            seconds: how long to wait.

        Raises:
            OSError: there is no such name, or it is not found in time.
        """
        host = urlsplit(url).hostname or ""
        if is_address(host):
            return
        if time.monotonic() - self._found.get(host, float("-inf")) < _FRESH:
            return
        if (task := self._running.get(host)) is None:
            task = self._running[host] = asyncio.ensure_future(self._find(host))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        async with asyncio.timeout(seconds):
            await asyncio.shield(task)

    async def _find(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            self._found[host] = time.monotonic()
        except UnicodeError:
            return  # who dials says that it can't be a name
        finally:
            del self._running[host]
