"""The disk budget of what is cached: what there is, and what goes when it is too much."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from lreg.admin.values import Share, Usage
from lreg.oci.reference import RepositoryName, is_host
from lreg.upstream.contents import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from lreg.oci.digest import Digest
    from lreg.store.caching import CachingStore, Holding

log = logging.getLogger(__name__)

# Eviction goes on until this share of the budget is free, so that it is not needed at every fill.
_SLACK = 0.1
# What was used within so many seconds is in use.
_IDLE = 60.0
# What came of a download is the same in every repository.
_ANY = RepositoryName("any")


class Budget:
    """Keeps the cached content of a store within a number of bytes.

    Args:
        store: the store.
        limit: the most bytes that blobs from upstreams may take, with what came of those that are
            not whole; 0: any number.
        in_flight: what is on its way just now, and stays whatever its age.
    """

    def __init__(
        self, store: CachingStore, limit: int, in_flight: Callable[[], Collection[Digest]]
    ) -> None:
        self._store = store
        self._limit = limit
        self._in_flight = in_flight
        # At least as many bytes as there are; infinite until they were counted.
        self._size = float("inf")
        self._grown = 0
        # How many of them may go later, when they are not in use any more.
        self._left = 0
        self._task: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Count what is there, and let go what is too much; in the background."""
        self.grew(0)

    def grew(self, size: int) -> None:
        """Note that a fill added so many bytes at most; where that is too much, something goes."""
        self._size += size
        self._grown += size
        if self._limit and self._size > self._limit and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Stop what is under way."""
        if self._again is not None:
            self._again.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        try:
            await self.enforce()
        except OSError as error:
            log.warning("cache.not_evicted", extra={"error": str(error)})
        finally:
            self._task = None
        if self._size > self._limit and self._left and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_IDLE, self._retry)

    def _retry(self) -> None:
        self._again = None
        self.grew(0)

    async def enforce(self) -> int:
        """Let the least recently used go until the rest fits; return how many bytes that freed."""
        before = self._grown
        holdings = await self._store.holdings()
        evictable, pinned = _evictable(holdings), await _pinned(self._store, holdings)
        partials = await self._store.partials()
        # What came meanwhile may have been counted, or not.
        self._size = sum((evictable | pinned).values()) + sum(partials.values())
        self._size += self._grown - before
        self._left = sum(evictable.values())
        if not self._limit or self._size <= self._limit:
            return 0
        used = {digest: when for one in holdings for digest, when in one.used.items()}
        excess = self._size - self._limit * (1 - _SLACK)
        dropped = await self._drop(partials, excess)
        excess -= dropped
        going = []
        for digest in sorted(evictable.keys() - self._in_flight(), key=lambda one: used[one]):
            if excess <= 0:
                break
            going.append(digest)
            excess -= evictable[digest]
        evicted = await self._store.evict(going, _IDLE)
        freed = dropped + evicted
        self._size, self._left = self._size - freed, self._left - evicted
        log.info("cache.evicted", extra={"freed": freed, "left": int(self._size)})
        return freed

    async def _drop(self, partials: Mapping[Digest, int], excess: float) -> int:
        """Throw away what came of downloads that stopped, until it is enough; return its bytes."""
        freed = 0
        for digest, size in partials.items():
            if freed < excess and digest not in self._in_flight():
                await self._store.repository(_ANY).partial(digest).discard()
                freed += size
        return freed


async def usage(store: CachingStore, limit: int) -> Usage:
    """Return what the blobs of a store take; manifests, a few kilobytes each, are left out.

    Args:
        store: the store.
        limit: the budget of what is cached, in bytes; 0: none.
    """
    holdings = await store.holdings()
    evictable, pinned = _evictable(holdings), await _pinned(store, holdings)
    everything = {digest: size for one in holdings for digest, size in one.blobs.items()}
    pushed = everything.keys() - evictable.keys() - pinned.keys()
    origins = {
        "pushed": {digest: everything[digest] for digest in pushed},
        "cached": evictable,
        "pinned": pinned,
    }
    upstreams: dict[str, dict[Digest, int]] = defaultdict(dict)
    for one in holdings:
        upstreams[_host(one.repository)] |= one.blobs
    return Usage(
        total=sum(everything.values()),
        limit=limit,
        evictable=sum(evictable.values()),
        origins=tuple(_shares(origins)),
        upstreams=tuple(_shares(dict(sorted(upstreams.items())))),
        repositories=tuple(_shares({one.repository.text: one.blobs for one in holdings})),
    )


def _shares(parts: Mapping[str, Mapping[Digest, int]]) -> Iterator[Share]:
    """Yield what each part takes that takes anything, and how much of it others hold as well."""
    holders = Counter(digest for blobs in parts.values() for digest in blobs)
    for name, blobs in parts.items():
        if blobs:
            shared = sum(size for digest, size in blobs.items() if holders[digest] > 1)
            yield Share(name, sum(blobs.values()), shared)


def _host(name: RepositoryName) -> str:
    """Return the host that a name begins with, "" for a name of this registry's own."""
    first, slash, _ = name.text.partition("/")
    return first if slash and is_host(first) else ""


def _evictable(holdings: Iterable[Holding]) -> dict[Digest, int]:
    return {digest: one.blobs[digest] for one in holdings for digest in one.cached}


async def _pinned(store: CachingStore, holdings: Sequence[Holding]) -> dict[Digest, int]:
    """Return what would be evictable if it was not pinned, with its size."""
    found: dict[Digest, int] = {}
    for one in holdings:
        contents = Contents(referrers=True)
        for tagged in one.tags.values():
            if tagged.record.pinned and tagged.record.cached:
                await contents.add(store.repository(one.repository), tagged.digest)
        found |= {
            digest: one.blobs[digest]
            for digest in contents.blobs
            if digest in one.blobs and digest not in one.cached
        }
    return found
