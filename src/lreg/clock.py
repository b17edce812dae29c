"""The wall clock, which people and networks set while programs run.

Durations are measured by `time.monotonic`. The wall clock is for what is kept or told, and what it
says is no reason to take anything away before it has gone on evenly for a while.
"""

from __future__ import annotations

import time

# More than this is no correction of a clock that went a little wrong; in seconds.
_JUMP = 60.0
# For so long after one it may be set back yet, in seconds.
_UNCERTAIN = 3600.0


class WallClock:
    """Tells whether the wall clock has been set lately, as far as it was looked at meanwhile."""

    def __init__(self) -> None:
        self._begin = _begin()
        self._settled_at = float("-inf")

    def is_settled(self) -> bool:
        """Return whether it has not jumped by more than a minute within the last hour."""
        begin = _begin()
        if abs(begin - self._begin) > _JUMP:
            self._begin, self._settled_at = begin, _elapsed() + _UNCERTAIN
        return _elapsed() >= self._settled_at


def _elapsed() -> float:
    """Return the seconds since the machine was started, those that it slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _begin() -> float:
    """Return when the machine was started, as the wall clock has it now."""
    return time.time() - _elapsed()
