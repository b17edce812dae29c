"""How long to wait and how often to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime


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


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    # Slow to import, and hardly any registry sends a date.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
