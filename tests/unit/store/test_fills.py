"""Blobs on their way from upstream, as they lie on disk."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from lreg.errors import UploadUnknown
from lreg.oci.digest import Digest
from lreg.store import files, filesystem
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import NAME, OTHER, Slow, bring, push, read, source
from tests.support.processes import in_time

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.store.repository import FiledRepository

CONTENT = b"content" * 20_000
DIGEST = Digest.of(CONTENT)
WEEK = 7 * 86400


def home(root: Path) -> Path:
    return root / "lreg/fills" / f"sha256-{DIGEST.hex}"


async def begin(store: FilesystemStore, end: int = 1000) -> None:
    partial = store.repository(NAME).partial(DIGEST)
    await partial.ready()
    await partial.append(source(CONTENT[:end]))


async def test_swept_after_a_week(tmp_path: Path) -> None:
    """What nobody continued for a week is swept at the next start, and not a day earlier."""
    for age, left in ((WEEK - 3600, 1000), (WEEK + 3600, 0)):
        store = FilesystemStore(tmp_path, upload_expiry=0)
        await store.open()
        await begin(store)
        await store.close()
        os.utime(home(tmp_path) / "data", (0, time.time() - age))
        store = FilesystemStore(tmp_path, upload_expiry=0)
        await store.open()
        assert await store.repository(NAME).partial(DIGEST).ready() == left
        await store.close()
        os.unlink(home(tmp_path) / "data")


async def test_swept_while_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep of a store that is open takes what is idle, and not what is being filled."""
    monkeypatch.setattr(filesystem, "_LONGEST_SWEEP_PAUSE", 0.05)
    store = FilesystemStore(tmp_path)
    await store.open()
    repository = store.repository(NAME)
    await begin(store)
    idle = repository.partial(DIGEST)
    busy = repository.partial(Digest.of(b"halfhalf"))
    await busy.ready()
    slow = Slow(b"half", asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(busy.append(slow))
    await slow.given.wait()
    for data in (tmp_path / "lreg/fills").glob("*/data"):
        os.utime(data, (0, time.time() - WEEK - 1))
    await in_time(lambda: not home(tmp_path).exists())
    slow.go_on.set()
    await appending
    await busy.commit()
    with pytest.raises(UploadUnknown):
        await idle.append(source(b"more"))
    assert repository.partial(DIGEST) is not idle
    await bring(repository, CONTENT)
    await store.close()


async def test_nothing_left_behind(store: FilesystemStore, tmp_path: Path) -> None:
    """Whatever way a download ends, nothing of it is left, and no file stays open."""
    repository = store.repository(NAME)
    await push(repository, CONTENT)
    before = len(os.listdir("/proc/self/fd"))
    for end, content in (
        ("commit", CONTENT),
        ("discard", CONTENT),
        ("wrong", b"wrong"),
        ("release", b""),
    ):
        partial = repository.partial(DIGEST)
        await partial.ready()
        os.close(partial.open())
        await partial.append(source(content))
        if end in ("discard", "release"):
            await getattr(partial, end)()
        else:
            await asyncio.wait([asyncio.ensure_future(partial.commit())])
        assert not os.listdir(tmp_path / "store/lreg/fills")
        assert not store._fills.live
    assert not os.listdir(tmp_path / "store/lreg/scratch")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_no_room_in_memory(store: FilesystemStore, tmp_path: Path) -> None:
    """A download that is to go on later lies on disk and nowhere else."""
    await begin(store)
    await store.repository(OTHER).partial(DIGEST).release()
    assert not store._fills.live
    assert (home(tmp_path / "store") / "data").read_bytes() == CONTENT[:1000]
    await bring(store.repository(NAME), CONTENT)
    # Who had asked before it was let go of has to ask again.
    assert (await store.repositories(10)).items == [NAME]


async def test_failing_disk(
    store: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content whose fsync failed is never trusted again: the next download begins anew."""
    repository = store.repository(NAME)
    await begin(store, len(CONTENT))
    partial = repository.partial(DIGEST)
    await partial.verify()

    def failing(path: str) -> None:
        raise OSError(errno.EIO, f"input/output error: {path}")

    with monkeypatch.context() as context:
        context.setattr(files, "fsync_file", failing)
        with pytest.raises(OSError, match="input/output"):
            await partial.commit()
    with pytest.raises(UploadUnknown):
        await partial.commit()
    again = repository.partial(DIGEST)
    assert await again.ready() == 0
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_taken_away(store: FilesystemStore, tmp_path: Path) -> None:
    """A download whose file somebody removed has ended, and another one begins anew."""
    repository = store.repository(NAME)
    await begin(store)
    partial = repository.partial(DIGEST)
    os.unlink(home(tmp_path / "store") / "data")
    with pytest.raises(UploadUnknown):
        await partial.append(source(CONTENT[1000:]))
    assert repository.partial(DIGEST) is not partial
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_link_fails(
    repository: FiledRepository, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob that could be kept but not linked is linked when it is committed again."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    await partial.append(source(CONTENT))

    def failing(path: str, target: Digest) -> None:
        raise OSError(errno.EIO, f"no link {target} at {path}")

    with monkeypatch.context() as context:
        context.setattr(store._tree, "link_fetched", failing)
        with pytest.raises(OSError, match="no link"):
            await partial.commit()
    assert repository.partial(DIGEST) is partial
    file = partial.open()
    await store.repository(OTHER).partial(DIGEST).commit()
    for each in (repository, store.repository(OTHER)):
        assert read(await each.blob(DIGEST)) == CONTENT
    assert os.pread(file, len(CONTENT), 0) == CONTENT
    os.close(file)


async def test_garbage_at_the_end(tmp_path: Path) -> None:
    """Bytes that a power cut left at the end of a file are found out, and the file is dropped."""
    store = FilesystemStore(tmp_path)
    await store.open()
    await begin(store)
    await store.close()
    os.truncate(home(tmp_path) / "data", 1000 + 4096)
    store = FilesystemStore(tmp_path)
    await store.open()
    repository = store.repository(NAME)
    partial = repository.partial(DIGEST)
    assert await partial.ready() == 1000 + 4096
    await partial.append(source(CONTENT[5096:]))
    await asyncio.wait([asyncio.ensure_future(partial.verify())])
    assert await repository.partial(DIGEST).ready() == 0
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT
    await store.close()
