"""Blobs on their way in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.errors import (
    BlobUnknown,
    DigestInvalid,
    NameUnknown,
    RangeInvalid,
    SizeInvalid,
    TransferBroken,
    UploadUnknown,
)
from lreg.oci.digest import Algorithm, Digest
from tests.contract.making import NAME, OTHER, Slow, push, read, source
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.protocol import Repository, Store


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
async def test_push(repository: Repository, algorithm: Algorithm, size: int) -> None:
    """What was pushed is pulled, byte for byte, whatever its size and algorithm."""
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    digest = await push(repository, content, algorithm)
    blob = await repository.blob(digest)
    assert (blob.digest, blob.size) == (digest, size)
    assert read(blob) == content


async def test_pieces(repository: Repository) -> None:
    """A blob may come in many pieces, over many requests."""
    upload = await repository.start_upload(Algorithm.SHA256)
    assert upload.offset == 0
    await upload.append(source(b"one ", b"", b"two "), at=0, size=8)
    await upload.append(source())
    again = repository.upload(upload.id)
    assert again.offset == 8
    await again.append(source(b"three"), at=8)
    digest = Digest.of(b"one two three")
    await again.commit(digest)
    assert read(await repository.blob(digest)) == b"one two three"


async def test_invisible(store: Store, repository: Repository) -> None:
    """Nothing of an upload is visible before it is committed."""
    upload = await repository.start_upload(Algorithm.SHA256)
    await upload.append(source(b"content"))
    with pytest.raises(NameUnknown):
        await repository.blob(Digest.of(b"content"))
    with pytest.raises(NameUnknown):
        await repository.tags(10)
    assert not (await store.repositories(10)).items


@pytest.mark.parametrize("at", [0, 6, 8])
async def test_out_of_order(repository: Repository, at: int) -> None:
    """Bytes for another offset than the upload's are refused and change nothing."""
    upload = await repository.start_upload(Algorithm.SHA256)
    await upload.append(source(b"content"))
    with pytest.raises(RangeInvalid):
        await upload.append(source(b"other"), at=at)
    assert upload.offset == 7
    await upload.commit(Digest.of(b"content"))


async def test_fewer_than_announced(repository: Repository) -> None:
    """A body that is too short is an error, and what came counts."""
    upload = await repository.start_upload(Algorithm.SHA256)
    with pytest.raises(SizeInvalid):
        await upload.append(source(b"con"), size=7)
    assert upload.offset == 3
    await upload.append(source(b"tent"), at=3, size=4)
    await upload.commit(Digest.of(b"content"))


async def test_more_than_announced(repository: Repository) -> None:
    """A body that is too long is an error, and no byte too many is taken."""
    upload = await repository.start_upload(Algorithm.SHA256)
    with pytest.raises(SizeInvalid):
        await upload.append(source(b"cont", b"ent, and more"), size=7)
    assert upload.offset == 4
    await upload.append(source(b"ent"), at=4)
    await upload.commit(Digest.of(b"content"))


async def test_sender_leaves(repository: Repository) -> None:
    """An upload goes on where the sender broke off."""
    upload = await repository.start_upload(Algorithm.SHA256)
    with pytest.raises(TransferBroken):
        await upload.append(source(b"con", broken=True))
    upload = repository.upload(upload.id)
    assert upload.offset == 3
    await upload.append(source(b"tent"), at=3)
    await upload.commit(Digest.of(b"content"))
    assert read(await repository.blob(Digest.of(b"content"))) == b"content"


async def test_wrong_digest(repository: Repository) -> None:
    """Content with another digest is refused, and the upload is gone."""
    upload = await repository.start_upload(Algorithm.SHA256)
    await upload.append(source(b"content"))
    with pytest.raises(DigestInvalid):
        await upload.commit(Digest.of(b"other"))
    with pytest.raises(UploadUnknown):
        repository.upload(upload.id)
    with pytest.raises(UploadUnknown):
        await upload.commit(Digest.of(b"content"))
    for content in (b"content", b"other"):
        with pytest.raises(NameUnknown):
            await repository.blob(Digest.of(content))


@pytest.mark.parametrize("announced", Algorithm)
@pytest.mark.parametrize("used", Algorithm)
async def test_other_algorithm(
    repository: Repository, announced: Algorithm, used: Algorithm
) -> None:
    """The digest at the end may be of another algorithm than the one announced."""
    upload = await repository.start_upload(announced)
    await upload.append(source(b"content"))
    digest = Digest.of(b"content", used)
    await upload.commit(digest)
    assert read(await repository.blob(digest)) == b"content"


async def test_over(repository: Repository) -> None:
    """An upload that was committed or cancelled takes nothing more and can't be found."""
    committed, cancelled = [await repository.start_upload(Algorithm.SHA256) for _ in range(2)]
    await committed.commit(Digest.of(b""))
    await cancelled.cancel()
    for upload in (committed, cancelled):
        with pytest.raises(UploadUnknown):
            repository.upload(upload.id)
        with pytest.raises(UploadUnknown):
            await upload.append(source(b"more"))
        with pytest.raises(UploadUnknown):
            await upload.commit(Digest.of(b""))


@pytest.mark.parametrize(
    "upload_id",
    [
        "",
        ".",
        "..",
        "../uploads",
        "a/b",
        "a\0b",
        "A" * 5000,
        "\N{SNOWMAN}",
        "00000000-0000-4000-8000-000000000000",
    ],
)
async def test_no_such_upload(repository: Repository, upload_id: str) -> None:
    """Any text that is not the id of an upload is unknown, nothing worse."""
    with pytest.raises(UploadUnknown):
        repository.upload(upload_id)


async def test_ids_differ(repository: Repository) -> None:
    """Uploads of the same content at once do not know each other."""
    first, second = [await repository.start_upload(Algorithm.SHA256) for _ in range(2)]
    assert first.id != second.id
    await first.append(source(b"a"))
    await second.append(source(b"b"))
    assert (first.offset, second.offset) == (1, 1)


async def test_other_repository(store: Store, repository: Repository) -> None:
    """An upload to one repository is not visible in another."""
    upload = await repository.start_upload(Algorithm.SHA256)
    with pytest.raises(UploadUnknown):
        store.repository(OTHER).upload(upload.id)
    assert repository.upload(upload.id).id == upload.id


async def test_after_restart(make_store: Callable[[], Store]) -> None:
    """An upload goes on after the store was closed and opened again, in its repository only."""
    store = make_store()
    await store.open()
    upload = await store.repository(NAME).start_upload(Algorithm.SHA512)
    await upload.append(source(b"con"))
    await store.close()

    store = make_store()
    await store.open()
    with pytest.raises(UploadUnknown):
        store.repository(OTHER).upload(upload.id)
    again = store.repository(NAME).upload(upload.id)
    assert again.offset == 3
    with pytest.raises(RangeInvalid):
        await again.append(source(b"tent"), at=2)
    await again.append(source(b"tent"), at=3)
    digest = Digest.of(b"content", Algorithm.SHA512)
    await again.commit(digest)
    assert read(await store.repository(NAME).blob(digest)) == b"content"
    await store.close()


async def test_one_at_a_time(repository: Repository) -> None:
    """Two requests for one upload at once: the second waits and finds the upload further on."""
    upload = await repository.start_upload(Algorithm.SHA256)
    slow = Slow(b"half", asyncio.Event(), asyncio.Event())
    first = asyncio.create_task(upload.append(slow, at=0))
    await slow.given.wait()
    second = asyncio.create_task(upload.append(source(b"other"), at=0))
    await asyncio.sleep(0.01)
    assert upload.offset == 4
    slow.go_on.set()
    await first
    with pytest.raises(RangeInvalid):
        await second
    await upload.commit(Digest.of(b"halfhalf"))


def is_unknown(repository: Repository, upload_id: str) -> bool:
    """Return whether there is no such upload."""
    try:
        repository.upload(upload_id)
    except UploadUnknown:
        return True
    return False


async def test_cancel_during_append(repository: Repository) -> None:
    """Cancelling an upload ends the request that is adding to it."""
    upload = await repository.start_upload(Algorithm.SHA256)
    slow = Slow(b"half", asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(upload.append(slow))
    await slow.given.wait()
    cancelling = asyncio.create_task(upload.cancel())
    await in_time(lambda: is_unknown(repository, upload.id))
    slow.go_on.set()
    with pytest.raises(UploadUnknown):
        await appending
    await cancelling
    with pytest.raises(UploadUnknown):
        repository.upload(upload.id)


async def test_request_cancelled(repository: Repository) -> None:
    """A request that the server gives up leaves an upload that can go on."""
    upload = await repository.start_upload(Algorithm.SHA256)
    slow = Slow(b"half", asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(upload.append(slow))
    await slow.given.wait()
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert upload.offset == 4
    await upload.append(source(b"whole"), at=4)
    await upload.commit(Digest.of(b"halfwhole"))


async def test_same_blob_at_once(repository: Repository) -> None:
    """The same blob pushed many times at once is there once all are done, and whole."""
    content = b"content" * 100_000
    digests = await asyncio.gather(*(push(repository, content) for _ in range(8)))
    assert len(set(digests)) == 1
    assert read(await repository.blob(digests[0])) == content


async def test_again(store: Store, repository: Repository) -> None:
    """A blob that the store has already is linked wherever it is pushed, and only there."""
    digest = await push(repository, b"content")
    other = store.repository(OTHER)
    await push(other, b"")
    with pytest.raises(BlobUnknown):
        await other.blob(digest)
    await push(other, b"content")
    assert read(await other.blob(digest)) == b"content"
