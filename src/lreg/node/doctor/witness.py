"""The registry as the doctor asks it; who speaks HTTP with it is the caller's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.admin.values import Sighting


class Witness(Protocol):
    """An lreg, asked by the way by which this node's runtime is to ask it."""

    def clock(self) -> float:
        """Return what time it is there, in seconds since 1970.

        Raises:
            LregError: it can't be reached, or is no lreg; says why.
        """

    def sightings(self, nonce: str) -> Sequence[Sighting]:
        """Return who asked for a canary; raise LregError."""
