"""A crash or an error at every single step of what a cache does to its store."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError, StoreFull
from lreg.oci.digest import Digest
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import EMPTY, NAME, OTHER, read
from tests.unit.store.cache_changes import CHANGES, KEPT, LAYER, LOOSE, TAGS, before, evict
from tests.unit.store.checking import check
from tests.unit.store.faults import MODULES, Crash, Faulty, Recorded, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.store.caching import Tagged
    from tests.unit.store.faults import Act

    Meanings = dict[str, Tagged]


pytestmark = pytest.mark.long


@pytest.fixture
async def prepared(place: Path) -> Path:
    """A store's folder to make copies of."""
    store = FilesystemStore(place / "prepared")
    await store.open()
    await before(store)
    await store.close()
    return place / "prepared"


async def meanings(store: FilesystemStore) -> Meanings:
    """Return what every tag means; fail where what must be there is not."""
    found = {}
    for name in (NAME, OTHER):
        repository = store.repository(name)
        for tag in TAGS:
            if (tagged := await repository.tagged(tag)) is not None:
                found[f"{name}:{tag}"] = tagged
                assert (await repository.manifest(tag)).digest == tagged.digest
    kept = store.repository(NAME)
    for content in (EMPTY, KEPT, b"own", b"others"):
        assert read(await kept.blob(Digest.of(content))) == content
    cached = {digest for holding in await store.holdings() for digest in holding.cached}
    assert cached <= {Digest.of(content) for content in (LAYER, LOOSE, b"new")}
    return found


async def make(root: Path, act: Act) -> tuple[Meanings, Meanings]:
    """Make a change in a store that was just opened; return what tags meant before and after."""
    store = FilesystemStore(root)
    await store.open()
    assert not os.listdir(root / "lreg/scratch")
    old = await meanings(store)
    await act(store)
    new = await meanings(store)
    await store.close()
    check(root)
    return old, new


def compare(found: Meanings, old: Meanings, new: Meanings) -> None:
    """Fail where a tag means anything but what it meant before a change or means after it."""
    for tag in old.keys() | new.keys():
        allowed = {_meaning(each.get(tag)) for each in (old, new)}
        assert _meaning(found.get(tag)) in allowed, tag
    assert found.keys() <= old.keys() | new.keys()


def _meaning(tagged: Tagged | None) -> tuple[object, ...] | None:
    """Return all but what upstream has: that is noted first, and a tag may not be there yet."""
    if tagged is None:
        return None
    record = tagged.record
    return tagged.digest, record.cached, record.until, record.pinned


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_crash(
    act: Act, after: bool, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever lreg is killed, a tag means what it did or what it was to, and all is whole.

    A cached tag never turns into a pushed one, nor a pushed one into a cached one; and what a
    pushed manifest names is there.
    """
    shutil.copytree(prepared, place / "well")
    old, new = await make(place / "well", act)
    for step in range(1, 300):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, Crash(), for_good=True, after=after)
        outcome = await attempt(root, act, faulty, monkeypatch)
        check(root)
        found, repaired = await make(root, act)
        compare(found, old, new)
        assert repaired == new
        if not faulty.reached:
            assert outcome is None
            break
        assert isinstance(outcome, Crash)
        shutil.rmtree(root)
    assert 2 < step < 299


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_error(
    act: Act, code: int, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step fails, every tag means what it did or what it was to; trying again helps."""
    shutil.copytree(prepared, place / "well")
    old, new = await make(place / "well", act)
    for step in range(1, 300):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, OSError(code, os.strerror(code)), for_good=False, after=False)
        outcome = await attempt(root, act, faulty, monkeypatch)
        check(root)
        found, repaired = await make(root, act)
        compare(found, old, new)
        assert repaired == new
        assert outcome is None or isinstance(outcome, OSError | LregError)
        if code == errno.ENOSPC:
            assert outcome is None or isinstance(outcome, StoreFull)
        if not faulty.reached:
            break
        shutil.rmtree(root)
    assert 2 < step < 299


@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_durable(
    act: Act, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown was durable before, and when a change is acknowledged all of it is."""
    shutil.copytree(prepared, tmp_path / "store")
    store = FilesystemStore(tmp_path / "store")
    await store.open()
    recorded = Recorded()
    with monkeypatch.context() as context:
        for module in MODULES:
            context.setattr(module, "os", recorded)
        await act(store)
    # That evicted content is gone need not outlast a power cut.
    assert act is evict or not {path for path in recorded.unsynced if "/docker/" in path}
    await store.close()
