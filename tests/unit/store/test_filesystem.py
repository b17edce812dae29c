"""Opening, closing, sweeping: the store's folder itself."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from lreg.errors import UploadUnknown, UsageError
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.reference import RepositoryName
from lreg.store import files, filesystem, handles
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import NAME, Slow, index, push, source
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lreg.store.protocol import Store
    from lreg.store.repository import FiledRepository


def test_is_a_store(tmp_path: Path) -> None:
    """The filesystem store is one by the protocol (mypy holds it to that)."""
    store: Store = FilesystemStore(tmp_path)
    assert store.repository(NAME).name == NAME


async def test_folders(tmp_path: Path) -> None:
    """Opening makes the folder and all above it, and what distribution expects to find."""
    store = FilesystemStore(tmp_path / "not/yet/there")
    await store.open()
    made = tmp_path / "not/yet/there/docker/registry/v2"
    assert sorted(os.listdir(made)) == ["blobs", "repositories"]
    await store.close()


async def test_not_a_folder(tmp_path: Path) -> None:
    """A store that can't be a folder is refused in one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written"):
        await FilesystemStore(tmp_path / "file" / "store").open()


async def test_read_only(tmp_path: Path, small_disk: Callable[[Path, str], Path]) -> None:
    """A store that can't be written is refused in one sentence."""
    disk = small_disk(tmp_path / "disk", "size=4m")
    store = FilesystemStore(disk)
    await store.open()
    await store.close()
    os.system(f"mount -o remount,ro {disk}")  # noqa: ASYNC221, S605
    with pytest.raises(UsageError, match="can't be written"):
        await FilesystemStore(disk).open()


async def test_two_disks(tmp_path: Path, small_disk: Callable[[Path, str], Path]) -> None:
    """A store whose parts lie on several disks is refused: nothing could be renamed into place."""
    small_disk(tmp_path / "store/docker", "size=4m")
    with pytest.raises(UsageError, match="more than one disk"):
        await FilesystemStore(tmp_path / "store").open()


async def test_one_at_a_time(store: FilesystemStore, tmp_path: Path) -> None:
    """A second lreg on one store is refused, and told which process has it."""
    with pytest.raises(UsageError, match=rf"process {os.getpid()}\b"):
        await FilesystemStore(tmp_path / "store").open()
    await store.close()
    second = FilesystemStore(tmp_path / "store")
    await second.open()
    await second.close()


async def test_close_twice(store: FilesystemStore) -> None:
    """Closing what is closed does nothing."""
    await store.close()
    await store.close()


async def test_expired(tmp_path: Path) -> None:
    """Opening sweeps uploads that nobody added to for too long, and keeps the others."""
    store = FilesystemStore(tmp_path)
    await store.open()
    old, young = [await store.repository(NAME).start_upload(Algorithm.SHA256) for _ in range(2)]
    os.utime(tmp_path / f"lreg/uploads/{old.id}/data", (0, time.time() - 3601))
    await store.close()
    store = FilesystemStore(tmp_path, upload_expiry=3600)
    await store.open()
    assert store.repository(NAME).upload(young.id).offset == 0
    with pytest.raises(UploadUnknown):
        store.repository(NAME).upload(old.id)
    assert os.listdir(tmp_path / "lreg/uploads") == [young.id]
    await store.close()


async def test_sweep_all(tmp_path: Path) -> None:
    """With an expiry of 0 all uploads of an earlier run go, and none later."""
    store = FilesystemStore(tmp_path)
    await store.open()
    await store.repository(NAME).start_upload(Algorithm.SHA256)
    await store.close()
    store = FilesystemStore(tmp_path, upload_expiry=0)
    await store.open()
    assert not os.listdir(tmp_path / "lreg/uploads")
    upload = await store.repository(NAME).start_upload(Algorithm.SHA256)
    await asyncio.sleep(0.05)
    await upload.append(source(b"content"))
    await upload.commit(Digest.of(b"content"))
    await store.close()


async def test_sweep_while_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads expire while the store is open, but not while a request is adding to them."""
    monkeypatch.setattr(filesystem, "_LONGEST_SWEEP_PAUSE", 0.05)
    store = FilesystemStore(tmp_path, upload_expiry=3600)
    await store.open()
    repository = store.repository(NAME)
    idle, busy = [await repository.start_upload(Algorithm.SHA256) for _ in range(2)]
    slow = Slow(b"half", asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(busy.append(slow))
    await slow.given.wait()
    for data in (tmp_path / "lreg/uploads").glob("*/data"):
        os.utime(data, (0, time.time() - 3601))
    await in_time(lambda: list(store._uploads.live) == [busy.id])
    assert os.listdir(tmp_path / "lreg/uploads") == [busy.id]
    with pytest.raises(UploadUnknown):
        repository.upload(idle.id)
    with pytest.raises(UploadUnknown):
        await idle.append(source(b"more"))
    slow.go_on.set()
    await appending
    await busy.commit(Digest.of(b"halfhalf"))
    await store.close()


@pytest.mark.parametrize("about", [b"", b"{", b"[]", b'{"repository": "a"}', b'{"algorithm": 1}'])
async def test_broken_upload(store: FilesystemStore, tmp_path: Path, about: bytes) -> None:
    """An upload of which a power cut left a mess is unknown, and swept when its time is over."""
    upload_id = "01234567-89ab-4cde-8f01-23456789abcd"
    folder = tmp_path / "store/lreg/uploads" / upload_id
    folder.mkdir()
    (folder / "data").write_bytes(b"content")
    (folder / "about.json").write_bytes(about)
    with pytest.raises(UploadUnknown):
        store.repository(NAME).upload(upload_id)


async def test_leftovers(tmp_path: Path) -> None:
    """What a crash left half built is removed at the next start."""
    scratch = tmp_path / "lreg/scratch"
    (scratch / "tag/current").mkdir(parents=True)
    (scratch / "tag/current/link").write_text("sha256:")
    (scratch / "file").write_text("")
    store = FilesystemStore(tmp_path)
    await store.open()
    assert not os.listdir(scratch)
    await store.close()


async def test_many_handles(
    store: FilesystemStore, repository: FiledRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handles come and go, yet whoever uses a repository shares one handle, and so its lock."""
    monkeypatch.setattr(handles, "_MOST_RECENT", 3)
    for number in range(10):
        store.repository(RepositoryName(f"r{number}"))
    assert store.repository(NAME) is repository
    assert len(store._handles._recent) == 3


async def test_nothing_left_behind(store: FilesystemStore, tmp_path: Path) -> None:
    """After pushes and deletes nothing remains in lreg's own folders, and no file stays open."""
    repository = store.repository(NAME)
    before = len(os.listdir("/proc/self/fd"))
    for content in (b"small", b"large" * 100_000, b"small"):
        await push(repository, content)
    await repository.put_manifest(index())
    await repository.delete_manifest(index().digest)
    (await repository.start_upload(Algorithm.SHA256)).offset  # noqa: B018
    cancelled = await repository.start_upload(Algorithm.SHA256)
    await cancelled.append(source(b"content"))
    await cancelled.cancel()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not os.listdir(tmp_path / "store/lreg/scratch")
    assert len(os.listdir(tmp_path / "store/lreg/uploads")) == 1


async def test_reader_leaves(store: FilesystemStore) -> None:
    """A large blob whose reader gives up before it is open is closed again."""
    repository = store.repository(NAME)
    digest = await push(repository, b"large" * 100_000)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        reading = asyncio.create_task(repository.blob(digest))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await in_time(lambda: len(os.listdir("/proc/self/fd")) == before)


async def test_failing_disk(
    store: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content whose fsync failed is never trusted again: the upload is gone, the next is good."""
    repository = store.repository(NAME)
    upload = await repository.start_upload(Algorithm.SHA256)
    await upload.append(source(b"content"))

    def failing(path: str) -> None:
        raise OSError(errno.EIO, f"input/output error: {path}")

    with monkeypatch.context() as context:
        context.setattr(files, "fsync_file", failing)
        with pytest.raises(OSError, match="input/output"):
            await upload.commit(Digest.of(b"content"))
    with pytest.raises(UploadUnknown):
        await upload.commit(Digest.of(b"content"))
    await push(repository, b"content")
