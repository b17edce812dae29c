"""A crash or an error at every single step of every change."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, ManifestUnknown, NameUnknown, StoreFull
from lreg.oci.digest import Digest
from lreg.oci.reference import Tag
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import (
    EMPTY,
    LATEST,
    NAME,
    OTHER,
    image,
    index,
    push,
    push_image,
    read,
)
from tests.unit.store.checking import check
from tests.unit.store.faults import MODULES, Crash, Faulty, Recorded, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.store.faults import Act

pytestmark = pytest.mark.long

OLD, NEW = image(b"old"), image(b"new")
V1 = Tag("v1")


async def before(store: FilesystemStore) -> None:
    """Prepare what every change below is made to."""
    target = store.repository(NAME)
    await push_image(target, b"old", tags=[LATEST, V1])
    await push(target, b"new")
    await push(store.repository(OTHER), b"elsewhere")


async def push_blob(store: FilesystemStore) -> None:
    await push(store.repository(NAME), b"content" * 10_000)


async def push_known_blob(store: FilesystemStore) -> None:
    await push(store.repository(OTHER), b"old")


async def push_to_new_repository(store: FilesystemStore) -> None:
    await store.repository(OTHER).put_manifest(index(), [LATEST])


async def push_new_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(NEW, [Tag("v2")])


async def move_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(NEW, [LATEST])


async def mount(store: FilesystemStore) -> None:
    await store.repository(NAME).mount(Digest.of(b"elsewhere"), OTHER)


async def delete_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_manifest(LATEST)


async def delete_manifest(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_manifest(OLD.digest)


async def delete_blob(store: FilesystemStore) -> None:
    await store.repository(NAME).delete_blob(Digest.of(b"new"))


CHANGES = [
    push_blob,
    push_known_blob,
    push_to_new_repository,
    push_new_tag,
    move_tag,
    mount,
    delete_tag,
    delete_manifest,
    delete_blob,
]
STARTING = [push_blob, push_known_blob, push_to_new_repository, push_new_tag, move_tag, mount]


@pytest.fixture
async def prepared(place: Path) -> Path:
    """A store's folder to make copies of."""
    store = FilesystemStore(place / "prepared")
    await store.open()
    await before(store)
    await store.close()
    return place / "prepared"


async def settle(root: Path, act: Act) -> None:
    """Open the store as after a crash, look at all that it holds, repeat the change."""
    store = FilesystemStore(root, upload_expiry=0)
    await store.open()
    assert not os.listdir(root / "lreg/scratch")
    assert not os.listdir(root / "lreg/uploads")
    target = store.repository(NAME)
    for tag in (await target.tags(10)).items:
        held = await target.manifest(tag)
        assert held.data in (OLD.raw, NEW.raw)
        assert (await target.manifest(held.digest)).data == held.data
    assert read(await target.blob(Digest.of(EMPTY))) == EMPTY
    try:
        await act(store)
    except (ManifestUnknown, BlobUnknown, NameUnknown):
        assert act not in STARTING
    await store.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_crash(
    act: Act, after: bool, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever lreg is killed, every tag and link left behind leads to whole content."""
    done: dict[str, str] | None = None
    for step in range(1, 200):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, Crash(), for_good=True, after=after)
        outcome = await attempt(root, act, faulty, monkeypatch)
        links = check(root)
        await settle(root, act)
        repaired = check(root)
        if not faulty.reached:
            assert outcome is None
            assert links == repaired
            done = links
            break
        assert isinstance(outcome, Crash)
        shutil.rmtree(root)
    assert done is not None
    assert step > 2


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_error(
    act: Act, code: int, prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step fails, nothing is half there, nothing is left over, and it can be repeated."""
    for step in range(1, 200):
        root = place / f"{step}"
        shutil.copytree(prepared, root)
        faulty = Faulty(step, OSError(code, os.strerror(code)), for_good=False, after=False)
        outcome = await attempt(root, act, faulty, monkeypatch)
        check(root)
        assert outcome is None or isinstance(outcome, OSError | StoreFull)
        if code == errno.ENOSPC and act in STARTING:
            assert outcome is None or isinstance(outcome, StoreFull)
        await settle(root, act)
        if not faulty.reached:
            break
        shutil.rmtree(root)
    assert step > 2


@pytest.mark.parametrize("act", CHANGES, ids=lambda act: act.__name__)
async def test_durable(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown was durable before, and when a change is acknowledged all of it is."""
    store = FilesystemStore(tmp_path / "store")
    await store.open()
    await before(store)
    recorded = Recorded()
    with monkeypatch.context() as context:
        for module in MODULES:
            context.setattr(module, "os", recorded)
        await act(store)
    assert not {path for path in recorded.unsynced if "/docker/" in path}
    if act in STARTING:
        assert recorded.shown
    await store.close()
