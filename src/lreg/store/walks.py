"""Walks over a store's whole tree: one after the other, shared by those who ask meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.store.holdings import Eviction, Order, Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import Holding, Tagged
    from lreg.store.claims import Claims
    from lreg.store.listing import Listings
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree
    from lreg.store.uses import Uses

T = TypeVar("T")


class Walks:
    """All walks over one store; used on the event loop.

    Who asks for a walk shares the next one of its kind that has not begun: what was done before
    it was asked for is seen, and any number of callers wait for two walks of a kind at most.
    """

    def __init__(
        self, tree: Tree, threads: Threads, claims: Claims, listings: Listings, uses: Uses
    ) -> None:
        self._tree = tree
        self._threads = threads
        self._listings = listings
        self._uses = uses
        self._eviction = Eviction(tree, claims, uses)
        self._turn = asyncio.Lock()
        self._next: dict[tuple[str, str], asyncio.Task[Any]] = {}
        # Those of the next eviction.
        self._orders: list[Order] = []

    async def holdings(self) -> list[Holding]:
        """Return what every repository holds."""
        return list(await self._share(("holdings", ""), self._survey().holdings))

    async def tagged(self, prefix: str) -> Mapping[RepositoryName, Mapping[Tag, Tagged]]:
        """Return the tags of the repositories whose names begin with `prefix`."""
        return await self._share(("tagged", prefix), partial(self._survey().tagged, prefix))

    async def evict(self, digests: Collection[Digest], idle: float) -> int:
        """Remove blobs that may be evicted; return how many bytes that freed."""
        kind = "evict", ""
        if kind not in self._next:
            self._orders = []
        self._orders.append(order := Order(frozenset(digests), idle))
        await self._share(kind, partial(self._eviction.evict, self._listings, self._orders))
        return order.freed

    def _survey(self) -> Survey:
        return Survey(self._tree, self._listings, self._uses)

    async def _share(self, kind: tuple[str, str], walk: Callable[[], T]) -> T:
        if (task := self._next.get(kind)) is None:
            task = self._next[kind] = asyncio.create_task(self._in_turn(kind, walk))
        # Shielded: others may wait for it, too.
        return await asyncio.shield(task)

    async def _in_turn(self, kind: tuple[str, str], walk: Callable[[], T]) -> T:
        async with self._turn:
            del self._next[kind]
            return await self._threads.walk(walk)
