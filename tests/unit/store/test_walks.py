"""Walks over the whole tree, and those who ask for them at once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from lreg.oci.digest import Digest
from lreg.store.holdings import Survey
from tests.contract.making import LATEST, OTHER, bring, index, push, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.store.caching import Holding
    from lreg.store.filesystem import FilesystemStore
    from lreg.store.repository import FiledRepository

LARGE = b"large" * 20_000


class Slow:
    """Walks that are counted, and end only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.go_on = threading.Event()
        self.error: OSError | None = None
        self._begun = threading.Event()
        real = Survey.holdings

        def walk(survey: Survey) -> list[Holding]:
            self.count += 1
            found = real(survey)
            self._begun.set()
            assert self.go_on.wait(30)
            if self.error:
                raise self.error
            return found

        monkeypatch.setattr(Survey, "holdings", walk)

    async def begun(self) -> None:
        """Wait until a walk has seen all there is."""
        assert await asyncio.to_thread(self._begun.wait, 30)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """All walks are slow."""
    made = Slow(monkeypatch)
    yield made
    made.go_on.set()


async def test_nobody_stands_behind_a_walk(
    store: FilesystemStore, repository: FiledRepository, slow: Slow
) -> None:
    """However many ask what the store holds, blobs are read and pushed meanwhile."""
    digest = await push(repository, LARGE)
    asking = asyncio.gather(
        *(store.holdings() for _ in range(30)), *(store.evict([digest]) for _ in range(30))
    )
    await slow.begun()
    assert read(await repository.blob(digest)) == LARGE
    await push(repository, b"more")
    assert not asking.done()
    slow.go_on.set()
    await asking
    assert slow.count == 2


async def test_shared(store: FilesystemStore, repository: FiledRepository, slow: Slow) -> None:
    """Those who ask while a walk is under way share the next, and see what was done before."""
    early = asyncio.create_task(store.holdings())
    await slow.begun()
    digest = await push(repository, LARGE)
    late = [asyncio.create_task(store.holdings()) for _ in range(10)]
    await asyncio.sleep(0.01)
    late[0].cancel()
    slow.go_on.set()
    assert await early == []
    for task in late[1:]:
        (holding,) = await task
        assert holding.blobs == {digest: len(LARGE)}
    assert late[0].cancelled()
    assert slow.count == 2


async def test_shared_tags(store: FilesystemStore, repository: FiledRepository) -> None:
    """Tags asked for under many prefixes at once are those under each."""
    await repository.put_fetched(index(), LATEST, 1.0)
    await store.repository(OTHER).put_fetched(index(), LATEST, 1.0)
    prefixes = ["", "library/", "other", "x"] * 5
    found = await asyncio.gather(*map(store.tagged, prefixes))
    names = [[name.text for name in each] for each in found]
    assert names == [["library/alpine", "other"], ["library/alpine"], ["other"], []] * 5


async def test_evictions_share(
    store: FilesystemStore, repository: FiledRepository, slow: Slow
) -> None:
    """Evictions at once are judged by one walk; each is told what it freed, by its own measure."""
    contents = [bytes([number]) * 1000 for number in range(4)]
    digests = [await bring(repository, content) for content in contents]
    walking = asyncio.create_task(store.holdings())
    await slow.begun()
    evicting = [
        asyncio.create_task(store.evict(digests[:1], idle=0)),
        asyncio.create_task(store.evict(digests[1:3], idle=0)),
        asyncio.create_task(store.evict([*digests[2:], Digest.of(b"")], idle=60)),
    ]
    await asyncio.sleep(0.01)
    slow.go_on.set()
    await walking
    assert await asyncio.gather(*evicting) == [1000, 2000, 0]
    assert slow.count == 2
    (holding,) = await store.holdings()
    assert list(holding.blobs) == digests[3:]


async def test_failing(store: FilesystemStore, slow: Slow) -> None:
    """A walk that fails is everybody's who waits for it, and the next one is another."""
    slow.error = PermissionError(13, "not yours")
    slow.go_on.set()
    outcomes = await asyncio.gather(
        *(store.holdings() for _ in range(3)), store.evict([]), return_exceptions=True
    )
    assert outcomes == [slow.error] * 4
    slow.error = None
    assert await store.holdings() == []
