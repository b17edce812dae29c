"""What keeps an eviction from taking content that a change relies on at that moment.

Used in worker threads; nobody waits for longer than it takes to remove one blob.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lreg.oci.digest import Digest


class Claims:
    """Which content is being linked or named, and which is being removed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._one_eviction = threading.Lock()
        self._held: Counter[Digest] = Counter()
        self._spared: set[Digest] | None = None
        self._going: Digest | None = None

    @contextmanager
    def hold(self, digests: Iterable[Digest]) -> Iterator[None]:
        """Keep what is there of the content from going, while a change looks at it and names it."""
        wanted = frozenset(digests)
        with self._changed:
            self._changed.wait_for(lambda: self._going not in wanted)
            self._held.update(wanted)
            if self._spared is not None:
                self._spared |= wanted
        try:
            yield
        finally:
            with self._changed:
                self._held.subtract(wanted)
                for digest in wanted:
                    if not self._held[digest]:
                        del self._held[digest]

    @contextmanager
    def judging(self) -> Iterator[set[Digest]]:
        """Give the set of all that is held from here on: a judgement does not hold for those."""
        with self._one_eviction:
            with self._changed:
                spared = self._spared = set(self._held)
            try:
                yield spared
            finally:
                with self._changed:
                    self._spared = None

    @contextmanager
    def removing(self, digest: Digest, spared: set[Digest]) -> Iterator[bool]:
        """Keep changes from relying on the content; give False where one did since `judging`."""
        with self._changed:
            alone = digest not in spared
            self._going = digest if alone else None
        try:
            yield alone
        finally:
            with self._changed:
                self._going = None
                self._changed.notify_all()
