"""What goes when the cache is full, and what the store is said to take."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from lreg.admin.values import Share
from lreg.errors import ManifestUnknown
from lreg.oci import mediatypes
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.caching import Holding, Tagged, TagRecord
from lreg.store.protocol import Held, ReferrersList
from lreg.upstream.budget import Budget, usage
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lreg.store.caching import CachingStore


def blob(name: str) -> Digest:
    """The digest of a blob of this name."""
    return Digest.of(name.encode())


class FakeStore:
    """A store that says it holds what a test puts in: blobs by repository, each of ten bytes."""

    def __init__(self) -> None:
        self.sizes: dict[str, dict[str, int]] = {}
        self.cached: set[str] = set()
        self.used: dict[str, float] = {}
        self.pinned: dict[str, Held] = {}
        self.in_use: set[str] = set()
        self.partial: dict[str, int] = {}
        self.asked: list[tuple[list[Digest], float]] = []
        self.walks = 0

    def hold(self, repository: str, *names: str, cached: bool = True) -> None:
        """Put blobs into a repository, each used later than the one before."""
        self.sizes.setdefault(repository, {}).update(dict.fromkeys(names, 10))
        self.cached |= set(names) if cached else set()
        for name in names:
            self.used.setdefault(name, float(len(self.used)))

    def pin(self, repository: str, *names: str) -> None:
        """Let a pinned tag of the repository name blobs."""
        layers = [
            {"mediaType": mediatypes.OCI_LAYER, "digest": str(blob(name)), "size": 10}
            for name in names
        ]
        config, *rest = layers
        fields = {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": config}
        raw = json.dumps(fields | {"layers": rest}).encode()
        self.pinned[repository] = Held(Digest.of(raw), mediatypes.OCI_MANIFEST, raw)
        self.cached -= set(names)

    async def partials(self) -> dict[Digest, int]:
        """What came of downloads."""
        return {blob(name): size for name, size in self.partial.items()}

    def repository(self, name: RepositoryName) -> Any:
        """The repository, of which only manifests and downloads are asked for."""
        store = self

        class Partial:
            def __init__(self, digest: Digest) -> None:
                self.digest = digest

            async def discard(self) -> None:
                (name,) = (one for one in store.partial if blob(one) == self.digest)
                del store.partial[name]

        class Repository:
            partial = Partial

            async def manifest(self, want: Digest) -> Held:
                held = store.pinned.get(name.text)
                if held is None or held.digest != want:
                    raise ManifestUnknown
                return held

            async def referrers(self, subject: Digest) -> ReferrersList:
                return ReferrersList(())

        return Repository()

    async def holdings(self) -> list[Holding]:
        """What is held."""
        self.walks += 1
        return [self._holding(name) for name in sorted(self.sizes)]

    def _holding(self, repository: str) -> Holding:
        names = self.sizes[repository]
        tags = {}
        if held := self.pinned.get(repository):
            tags[Tag("1")] = Tagged(held.digest, TagRecord(cached=True, pinned=True))
        return Holding(
            RepositoryName(repository),
            tags,
            {},
            {blob(name): size for name, size in names.items()},
            frozenset(blob(name) for name in self.cached & names.keys()),
            {blob(name): self.used[name] for name in names},
        )

    async def evict(self, digests: Collection[Digest], idle: float = 60.0) -> int:
        """Remove blobs."""
        self.asked.append((list(digests), idle))
        freed = 0
        for names in self.sizes.values():
            going = [name for name in names if blob(name) in digests and name not in self.in_use]
            for name in going:
                freed += names.pop(name)
        return freed


@pytest.fixture
def store() -> FakeStore:
    """An empty store."""
    return FakeStore()


def budget_of(store: FakeStore, limit: int, in_flight: Sequence[str] = ()) -> Budget:
    """A budget for that store."""
    busy = frozenset(map(blob, in_flight))
    return Budget(cast("CachingStore", store), limit, lambda: busy)


async def test_least_recently_used_first(store: FakeStore) -> None:
    """Above the limit the oldest goes, and a little more, so that not every fill evicts."""
    store.hold("docker.io/a", *"abcdefghij")
    assert await budget_of(store, 95).enforce() == 20
    assert store.asked == [([blob("a"), blob("b")], 60.0)]


async def test_within_the_limit(store: FakeStore) -> None:
    """At the limit, or without one, nothing goes."""
    store.hold("docker.io/a", *"abcdefghij")
    assert await budget_of(store, 100).enforce() == 0
    assert await budget_of(store, 0).enforce() == 0
    assert store.asked == []


async def test_what_never_goes(store: FakeStore) -> None:
    """Neither what was pushed nor what is pinned or on its way is touched, whatever its age."""
    store.hold("mine", "a", "b", cached=False)
    store.hold("docker.io/a", "c", "d", "e", "f", "g")
    store.pin("docker.io/a", "c")
    await budget_of(store, 20, in_flight=["d"]).enforce()
    ((gone, _),) = store.asked
    assert gone == [blob("e"), blob("f"), blob("g")]


async def test_downloads_that_stopped(store: FakeStore) -> None:
    """What came of them counts, and goes before what is whole; what goes on stays."""
    store.hold("docker.io/a", *"abcde")
    store.partial = {"x": 30, "busy": 30, "y": 30}
    assert await budget_of(store, 140, in_flight=["busy"]).enforce() == 0
    assert await budget_of(store, 130, in_flight=["busy"]).enforce() == 30
    assert store.partial.keys() == {"busy", "y"}
    assert store.asked == [([], 60.0)]
    assert await budget_of(store, 60, in_flight=["busy"]).enforce() == 60
    assert store.partial.keys() == {"busy"}
    assert set(store.sizes["docker.io/a"]) == {"d", "e"}


async def test_shared_is_counted_once(store: FakeStore) -> None:
    """A blob that two repositories hold is one file."""
    store.hold("docker.io/a", "a", "b")
    store.hold("quay.io/a", "a", "b", "c")
    assert await budget_of(store, 30).enforce() == 0


async def test_fills_make_room(store: FakeStore) -> None:
    """The tree is walked at the start, and when fills have come to more than the limit."""
    budget = budget_of(store, 100)
    store.hold("docker.io/a", *"abcde")
    budget.start()
    await in_time(lambda: store.walks == 1)
    for name in "fghij":
        store.hold("docker.io/a", name)
        budget.grew(10)
    await asyncio.sleep(0.05)
    assert store.walks == 1
    store.hold("docker.io/a", "k")
    budget.grew(10)
    await in_time(lambda: len(store.asked) == 1)
    assert store.walks == 2
    await budget.close()


async def test_what_is_in_use_goes_later(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not go because it was in use goes when it is not, without another fill."""
    monkeypatch.setattr("lreg.upstream.budget._IDLE", 0.05)
    store.hold("docker.io/a", *"abcde")
    store.in_use |= set("abcde")
    budget = budget_of(store, 30)
    budget.start()
    await in_time(lambda: store.asked)
    assert len(store.sizes["docker.io/a"]) == 5
    store.in_use.clear()
    await in_time(lambda: set(store.sizes["docker.io/a"]) == {"d", "e"})
    walks = store.walks
    await asyncio.sleep(0.1)
    assert store.walks == walks
    await budget.close()


async def test_all_is_pinned(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more is pinned than there should be, the tree is not walked again and again."""
    monkeypatch.setattr("lreg.upstream.budget._IDLE", 0.02)
    store.hold("docker.io/a", *"abcde")
    store.pin("docker.io/a", *"abcde")
    budget = budget_of(store, 30)
    budget.start()
    await in_time(lambda: store.walks == 1)
    await asyncio.sleep(0.1)
    assert store.walks == 1
    await budget.close()


async def test_no_limit_is_no_work(store: FakeStore) -> None:
    """Without a limit nobody walks the tree."""
    budget = budget_of(store, 0)
    budget.start()
    budget.grew(1 << 40)
    await asyncio.sleep(0.01)
    assert store.walks == 0
    await budget.close()


async def test_usage(store: FakeStore) -> None:
    """What is shared counts once in each line, and once in all."""
    store.hold("mine", "a", "b", cached=False)
    store.hold("docker.io/a", "b", "c", "d")
    store.hold("docker.io/b", "c")
    store.hold("quay.io/a", "c", "e")
    store.cached.discard("b")
    store.pin("quay.io/a", "e")
    found = await usage(cast("CachingStore", store), 1000)
    assert (found.total, found.limit, found.evictable) == (50, 1000, 20)
    assert found.origins == (Share("pushed", 20), Share("cached", 20), Share("pinned", 10))
    assert found.upstreams == (
        Share("", 20, 10),
        Share("docker.io", 30, 20),
        Share("quay.io", 20, 10),
    )
    assert [(one.name, one.size, one.shared) for one in found.repositories] == [
        ("docker.io/a", 30, 20),
        ("docker.io/b", 10, 10),
        ("mine", 20, 10),
        ("quay.io/a", 20, 10),
    ]
