"""What the cache has done so far, for the metrics; used on the event loop only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """Counts since the start, by upstream where they are Counters.

    Attributes:
        hits: manifests and blobs of upstreams that were answered from here.
        misses: those that had to be fetched.
        stale: hits that upstream could not be asked about.
        fetched: bytes that came from upstream.
        served: bytes that went to clients.
        resumed: downloads taken up again after the connection broke.
        stalled: those of them where it had gone quiet.
        failed: downloads given up.
        wrong: bodies that were not what their digest names.
        running: downloads that run now.
        waiting: downloads that wait for their turn.
    """

    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    stale: Counter[str] = field(default_factory=Counter)
    fetched: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    resumed: Counter[str] = field(default_factory=Counter)
    stalled: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    running: int = 0
    waiting: int = 0
