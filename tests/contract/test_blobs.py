"""Blobs at rest: reading, mounting, deleting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, NameUnknown
from lreg.oci.digest import Digest
from lreg.store.protocol import BLOB_TYPE, Filed, Held
from tests.contract.making import LATEST, NAME, OTHER, push, push_image, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.protocol import Repository, Store


async def test_unknown(repository: Repository) -> None:
    """A blob that is not there is unknown; where nothing was ever pushed, the name is."""
    digest = Digest.of(b"nowhere")
    with pytest.raises(NameUnknown):
        await repository.blob(digest)
    await push(repository, b"content")
    with pytest.raises(BlobUnknown):
        await repository.blob(digest)


async def test_small_and_large(repository: Repository) -> None:
    """Small blobs come in memory, large ones as an open file that stays readable."""
    small, large = b"s" * 65536, b"l" * 65537
    held = await repository.blob(await push(repository, small))
    assert held == Held(Digest.of(small), BLOB_TYPE, small)
    filed = await repository.blob(await push(repository, large))
    assert isinstance(filed, Filed)
    assert (filed.digest, filed.media_type, filed.size) == (Digest.of(large), BLOB_TYPE, 65537)
    await repository.delete_blob(filed.digest)
    assert read(filed) == large


async def test_held(store: Store, repository: Repository) -> None:
    """A small blob that was read comes from memory at once, for this repository only."""
    digest = await push(repository, b"content")
    assert repository.held_blob(digest) is None
    await asyncio.sleep(0.1)
    blob = await repository.blob(digest)
    assert repository.held_blob(digest) == blob
    assert store.repository(OTHER).held_blob(digest) is None
    await repository.delete_blob(digest)
    assert repository.held_blob(digest) is None


async def test_delete(store: Store, repository: Repository) -> None:
    """A deleted blob is gone from this repository, remains in others, and can come back."""
    digest = await push(repository, b"content")
    await push(store.repository(OTHER), b"content")
    await repository.delete_blob(digest)
    with pytest.raises(BlobUnknown):
        await repository.blob(digest)
    with pytest.raises(BlobUnknown):
        await repository.delete_blob(digest)
    assert read(await store.repository(OTHER).blob(digest)) == b"content"
    await push(repository, b"content")
    assert read(await repository.blob(digest)) == b"content"


async def test_delete_nowhere(repository: Repository) -> None:
    """Deleting where nothing was ever pushed says that there is no such name."""
    with pytest.raises(NameUnknown):
        await repository.delete_blob(Digest.of(b"content"))


async def test_mount(store: Store, repository: Repository) -> None:
    """A blob of another repository is taken over without sending it."""
    digest = await push(repository, b"content")
    other = store.repository(OTHER)
    assert await other.mount(digest, NAME)
    assert read(await other.blob(digest)) == b"content"
    assert await other.mount(digest, NAME)


async def test_mount_unknown(store: Store, repository: Repository) -> None:
    """Nothing is mounted from where the blob is not, and nothing becomes visible."""
    digest = Digest.of(b"content")
    other = store.repository(OTHER)
    assert not await other.mount(digest, NAME)
    assert not await other.mount(digest, None)
    await push(repository, b"content")
    await repository.delete_blob(digest)
    assert not await other.mount(digest, NAME)
    with pytest.raises(NameUnknown):
        await other.blob(digest)


async def test_mount_from_anywhere(store: Store, repository: Repository) -> None:
    """A blob can be mounted without saying from where."""
    digest = await push(repository, b"content")
    assert await store.repository(OTHER).mount(digest, None)
    assert read(await store.repository(OTHER).blob(digest)) == b"content"


async def test_manifest_is_no_blob(repository: Repository) -> None:
    """A manifest is not served as a blob."""
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    with pytest.raises(BlobUnknown):
        await repository.blob(manifest.digest)


async def test_after_restart(make_store: Callable[[], Store]) -> None:
    """What was acknowledged is there when the store is opened again."""
    store = make_store()
    await store.open()
    digest = await push(store.repository(NAME), b"content")
    await store.close()
    store = make_store()
    await store.open()
    assert read(await store.repository(NAME).blob(digest)) == b"content"
    await store.close()


async def test_handles(store: Store, repository: Repository) -> None:
    """All handles on a repository are on the same one."""
    digest = await push(repository, b"content")
    assert read(await store.repository(NAME).blob(digest)) == b"content"
    assert store.repository(NAME).name == NAME
