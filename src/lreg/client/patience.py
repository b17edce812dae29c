"""How long to wait and how often to try again."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Times are in seconds.

    Attributes:
        connect: to wait for a connection.
        stall: to wait for the next byte, in either direction.
        commit: to wait for the answer to an upload, which a registry may copy and sync first.
        attempts: how often to try in all, and how often in a row without one new byte.
        backoff: the first pause between two tries; each next one is twice as long.
        longest: the longest pause, and the longest Retry-After that is waited for.
        rate_floor: bytes a second: less than that over `stall` seconds is as good as nothing.
    """

    connect: float = 10.0
    stall: float = 60.0
    commit: float = 600.0
    attempts: int = 5
    backoff: float = 0.5
    longest: float = 60.0
    rate_floor: int = 0

    def pause(self, attempt: int) -> float:
        """Return how long to wait after try number `attempt` (from 1), jittered."""
        full = min(self.backoff * 2.0 ** (attempt - 1), self.longest)
        # Half of it at random, so that clients which failed together do not return together.
        return full * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing


class Pace:
    """Whether a body comes fast enough: what counts is waiting for it, not what its reader does.

    Args:
        patience: how long nothing may come, and how much must come in that time.
    """

    def __init__(self, patience: Patience) -> None:
        self._stall = patience.stall
        self._floor = patience.rate_floor
        self._waited = 0.0
        self._came = 0

    async def wait(self, arrival: Awaitable[T]) -> T:
        """Return what `arrival` brings; raise TimeoutError where it is not there in time."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(self._stall):
            arrived = await arrival
        self._waited += loop.time() - begin
        return arrived

    def note(self, count: int, seconds: float = 0.0) -> None:
        """Take note of what came, and of further seconds that it took.

        Raises:
            TimeoutError: over the time of a stall less came than must.
        """
        self._came += count
        self._waited += seconds
        if self._waited < self._stall:
            return
        came, slow = self._came, self._came < self._floor * self._waited
        self._came, self._waited = 0, 0.0
        if slow:
            raise TimeoutError(f"less than {self._floor} bytes a second came")
        # Records of TLS that hold no data wake who waits, and are nothing.
        if not came:
            raise TimeoutError


def retry_after(header: str | None, date: str | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None.

    Args:
        header: it.
        date: the answer's Date: a moment is one of the clock that wrote it, not of ours.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment, now = _moment(text), _moment(date or "") or datetime.now(UTC)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _moment(text: str) -> datetime | None:
    """Return the moment that an HTTP date means (RFC 9110, 5.6.7), or None."""
    # Slow to import, and hardly any registry sends a date.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        moment = parsedate_to_datetime(text[:40])
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
