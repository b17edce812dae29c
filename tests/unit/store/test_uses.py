"""When blobs were last used."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from lreg.oci.digest import Digest
from lreg.store import uses
from tests.contract.making import bring, push
from tests.support.processes import in_time

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.store.filesystem import FilesystemStore
    from lreg.store.repository import FiledRepository

LONG_AGO = 1_000_000_000


def age(store: FilesystemStore, digest: Digest) -> str:
    """Make a blob look unused for years; return its file."""
    path = store._layout.blob(digest)
    os.utime(path, (LONG_AGO, LONG_AGO))
    store._uses._noted.clear()
    return path


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Digest]:
    """Whose uses were written, in that order."""
    found: list[Digest] = []
    write = uses.Uses._write

    def noting(self: uses.Uses, digest: Digest) -> None:
        write(self, digest)
        found.append(digest)

    monkeypatch.setattr(uses.Uses, "_write", noting)
    return found


async def test_every_use(
    store: FilesystemStore, repository: FiledRepository, written: list[Digest]
) -> None:
    """Reading, from disk or memory, adopting, and saying so are uses; times of change stay."""
    small = await push(repository, b"small")
    large = await bring(repository, b"large" * 20_000)
    await asyncio.sleep(0.1)
    await repository.blob(small)
    await in_time(lambda: set(written) == {small, large})
    for digest, use in (
        (small, "held"),
        (small, "blob"),
        (large, "blob"),
        (large, "used"),
        (large, "adopt"),
    ):
        written.clear()
        path = age(store, digest)
        start = time.time()
        if use == "held":
            assert repository.held_blob(digest)
        elif use == "blob":
            content = await repository.blob(digest)
            if digest == large:
                os.close(content.fd)  # type: ignore[union-attr]
        elif use == "adopt":
            await repository.adopt(digest)
        else:
            store.used(digest)
        await in_time(lambda: written)
        status = os.stat(path)
        assert status.st_atime >= start - 0.1, use
        assert status.st_mtime == LONG_AGO
        (holding,) = await store.holdings()
        assert holding.used[digest] >= start - 0.1


async def test_once_a_minute(
    store: FilesystemStore,
    repository: FiledRepository,
    written: list[Digest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A blob that is used all the time is written down once a minute."""
    digest = await bring(repository, b"large" * 20_000)
    await in_time(lambda: written)
    for _ in range(10):
        store.used(digest)
    await asyncio.sleep(0.1)
    assert written == [digest]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    store.used(digest)
    await in_time(lambda: written == [digest] * 2)


async def test_clock_set_back(
    store: FilesystemStore,
    repository: FiledRepository,
    written: list[Digest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A blob whose last use lies in the future was used just now, and grows old like any other."""
    digest = await bring(repository, b"large" * 20_000)
    path = store._layout.blob(digest)
    await in_time(lambda: written)
    real = time.time
    start = real()
    for noted in (True, False):
        os.utime(path, (start + 1e6, LONG_AGO))
        store._uses._noted.clear()
        if noted:
            store._uses._noted[digest] = start + 1e6
        for _ in range(2):
            (holding,) = await store.holdings()
            assert start - 1 <= holding.used[digest] <= real()
        assert os.stat(path).st_mtime == LONG_AGO
    os.utime(path, (start + 1e6, LONG_AGO))
    assert await store.evict([digest], idle=60) == 0
    with monkeypatch.context() as context:
        context.setattr(time, "time", lambda: real() + 61)
        assert await store.evict([digest], idle=60) == 100_000
    written.clear()
    await bring(repository, b"large" * 20_000)
    await in_time(lambda: written)
    os.utime(path, (start + 1e6, LONG_AGO))
    assert await store.evict([digest], idle=0) == 100_000


async def test_gone(store: FilesystemStore, repository: FiledRepository, tmp_path: Path) -> None:
    """Using what is not there does nothing."""
    store.used(Digest.of(b"nowhere"))
    await store.close()
    store.used(Digest.of(b"anywhere"))


async def test_bounded(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept in memory of uses has a limit."""
    monkeypatch.setattr(uses, "_MOST_KEPT", 10)
    for number in range(100):
        store.used(Digest.of(b"%d" % number))
    assert len(store._uses._noted) == 10
