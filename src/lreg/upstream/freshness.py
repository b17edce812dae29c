"""How long what a tag means is believed, and how long an own version stands in its place."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from lreg.clock import WallClock
from lreg.upstreams import Ttl

if TYPE_CHECKING:
    from lreg.config import Config
    from lreg.oci.reference import RepositoryName, Tag


class Freshness:
    """The rules of one configuration: the first that matches counts.

    Attributes:
        default: what counts where none does.
    """

    def __init__(self, config: Config) -> None:
        self._rules = config.freshness
        self.default = Ttl("seconds", config.tag_ttl)
        self._clock = WallClock()
        # Clients ask for the same few tags again and again.
        self.of = lru_cache(maxsize=4096)(self._of)

    def _of(self, name: RepositoryName, tag: Tag) -> Ttl:
        """Return how long a tag of a canonical name is believed."""
        text = f"{name}:{tag}"
        return next((rule.ttl for rule in self._rules if rule.matches(text)), self.default)

    def is_over(self, until: float | None) -> bool:
        """Return whether a time, in seconds since 1970, is over, for all that is known.

        A clock that was just set may be set back yet, and an own version taken away is gone.
        """
        return until is not None and self._clock.is_settled() and until <= time.time()


def left(ttl: Ttl, checked: float, now: float) -> float:
    """Return for how many seconds from `now` on a check at `checked` is good; 0: ask again.

    Both times are in seconds since 1970. A check in the future is none: the clock has jumped.
    """
    match ttl.mode:
        case "immutable" | "offline":
            return float("inf")
        case "always":
            return 0.0
        case _:
            age = now - checked
            return max(0.0, ttl.seconds - age) if age >= 0 else 0.0
