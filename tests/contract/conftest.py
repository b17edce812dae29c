"""Every store, opened: the tests here hold for all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from lreg.store.filesystem import FilesystemStore
from tests.contract.making import NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from lreg.store.caching import CachingRepository, CachingStore

STORES: dict[str, Callable[[Path], CachingStore]] = {"filesystem": FilesystemStore}


@pytest.fixture(params=sorted(STORES))
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], CachingStore]:
    """A way to make a store, always on the same place."""
    return partial(STORES[request.param], tmp_path / "store")


@pytest.fixture
async def store(make_store: Callable[[], CachingStore]) -> AsyncIterator[CachingStore]:
    """An open, empty store."""
    made = make_store()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def repository(store: CachingStore) -> CachingRepository:
    """A repository that does not exist yet."""
    return store.repository(NAME)
