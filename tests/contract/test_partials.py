"""Blobs on their way in from upstream."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from lreg.errors import DigestInvalid, NameUnknown, TransferBroken, UploadUnknown
from lreg.oci.digest import Algorithm, Digest
from tests.contract.making import NAME, OTHER, Slow, bring, image, push, read, source

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.caching import CachingRepository, CachingStore

CONTENT = b"content" * 20_000
DIGEST = Digest.of(CONTENT)


def read_all(file: int) -> bytes:
    """Return what can be read from a file now."""
    return os.pread(file, len(CONTENT) + 1, 0)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("size", [0, 1, 65537, 3_000_000])
async def test_fill(repository: CachingRepository, algorithm: Algorithm, size: int) -> None:
    """What came from upstream is served, byte for byte, whatever its size and algorithm."""
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    digest = Digest.of(content, algorithm)
    partial = repository.partial(digest)
    assert (partial.digest, partial.offset) == (digest, 0)
    assert await partial.ready() == 0
    await partial.append(source(content[:100]))
    await partial.append(source(content[100:]))
    await partial.verify()
    with pytest.raises(NameUnknown):
        await repository.blob(digest)
    await partial.commit()
    assert read(await repository.blob(digest)) == content


async def test_one_for_all(store: CachingStore, repository: CachingRepository) -> None:
    """Repositories that want one blob share its download, and all have it in the end."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    await partial.append(source(CONTENT))
    other = store.repository(OTHER)
    assert other.partial(DIGEST) is partial
    await partial.commit()
    for each in (repository, other):
        assert read(await each.blob(DIGEST)) == CONTENT
    assert other.partial(DIGEST) is not partial


async def test_asked_for_at_the_last_moment(
    store: CachingStore, repository: CachingRepository
) -> None:
    """A repository that asks while the blob is being committed has it as well."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    await partial.append(source(CONTENT))
    committing = asyncio.create_task(partial.commit())
    other = store.repository(OTHER)
    late = other.partial(DIGEST)
    while not committing.done():
        late = other.partial(DIGEST)
        await asyncio.sleep(0)
    await committing
    if late is partial:
        assert read(await other.blob(DIGEST)) == CONTENT
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_readers(repository: CachingRepository) -> None:
    """What has arrived can be read while more is coming, and until long after."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    early = partial.open()
    slow = Slow(CONTENT[:70_000], asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(partial.append(slow))
    await slow.given.wait()
    assert partial.offset == 70_000
    assert await partial.ready() == 70_000
    assert read_all(early) == CONTENT[:70_000]
    slow.go_on.set()
    await appending
    assert partial.offset == 140_000 == len(CONTENT)
    await partial.verify()
    await partial.commit()
    late = partial.open()
    await repository.delete_blob(DIGEST)
    for file in (early, late):
        assert read_all(file) == CONTENT
        os.close(file)


async def test_offset_while_it_grows(repository: CachingRepository) -> None:
    """The offset only ever grows, and what is below it is in the file."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    file = partial.open()
    pieces = [CONTENT[start : start + 1000] for start in range(0, len(CONTENT), 1000)]
    appending = asyncio.create_task(partial.append(source(*pieces)))
    seen = 0
    while not appending.done():
        offset = partial.offset
        assert offset >= seen
        assert os.pread(file, offset, 0) == CONTENT[:offset]
        seen = offset
        await asyncio.sleep(0)
    await partial.commit()
    os.close(file)


async def test_broken_off(repository: CachingRepository) -> None:
    """A download goes on where upstream broke off."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    with pytest.raises(TransferBroken):
        await partial.append(source(CONTENT[:1000], broken=True))
    assert repository.partial(DIGEST) is partial
    assert partial.offset == 1000
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_cancelled(repository: CachingRepository) -> None:
    """A download whose task is cancelled goes on later, where it was."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    slow = Slow(CONTENT[:1000], asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(partial.append(slow))
    await slow.given.wait()
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert partial.offset == 1000
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_after_restart(make_store: Callable[[], CachingStore]) -> None:
    """A download goes on where it was before a restart."""
    for end in (1000, 50_000, len(CONTENT)):
        store = make_store()
        await store.open()
        partial = store.repository(NAME).partial(DIGEST)
        start = await partial.ready()
        await partial.append(source(CONTENT[start:end]))
        await store.close()
    store = make_store()
    await store.open()
    partial = store.repository(OTHER).partial(DIGEST)
    assert partial.offset == 0
    assert await partial.ready() == len(CONTENT)
    await partial.commit()
    assert read(await store.repository(OTHER).blob(DIGEST)) == CONTENT
    await store.close()


@pytest.mark.parametrize("wrong", [b"", CONTENT[:-1], CONTENT + b"x", b"x" * len(CONTENT)])
@pytest.mark.parametrize("ending", ["verify", "commit"])
async def test_wrong(repository: CachingRepository, wrong: bytes, ending: str) -> None:
    """A wrong body is thrown away and never seen; the next download begins anew."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    await partial.append(source(wrong))
    reader = partial.open()
    with pytest.raises(DigestInvalid):
        await getattr(partial, ending)()
    for method in (partial.ready, partial.verify, partial.commit):
        with pytest.raises(UploadUnknown):
            await method()
    with pytest.raises(UploadUnknown):
        await partial.append(source(b"more"))
    with pytest.raises(UploadUnknown):
        partial.open()
    with pytest.raises(NameUnknown):
        await repository.blob(DIGEST)
    assert read_all(reader) == wrong[: len(CONTENT) + 1]
    os.close(reader)
    again = repository.partial(DIGEST)
    assert again is not partial
    assert await again.ready() == 0
    await partial.discard()
    assert repository.partial(DIGEST) is again
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_discard(repository: CachingRepository) -> None:
    """What is discarded is gone, whoever was adding to it, and the next one is its own."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    slow = Slow(CONTENT[:1000], asyncio.Event(), asyncio.Event())
    appending = asyncio.create_task(partial.append(slow))
    await slow.given.wait()
    await partial.discard()
    again = repository.partial(DIGEST)
    assert await again.ready() == 0
    slow.go_on.set()
    with pytest.raises(UploadUnknown):
        await appending
    with pytest.raises(UploadUnknown):
        await partial.commit()
    assert again.offset == 0
    await bring(repository, CONTENT)
    await partial.discard()
    await again.discard()
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_discard_what_was_never_begun(repository: CachingRepository) -> None:
    """A download that nobody began may be discarded, too."""
    partial = repository.partial(DIGEST)
    await partial.discard()
    again = repository.partial(DIGEST)
    assert again is not partial
    await bring(repository, CONTENT)


async def test_released(repository: CachingRepository) -> None:
    """Whoever lets go of a download leaves what has come to the next, and nothing else."""
    for end in (0, 1000, 50_000):
        partial = repository.partial(DIGEST)
        start = await partial.ready()
        await partial.append(source(CONTENT[start:end]))
        reader = partial.open()
        for _ in range(2):
            await partial.release()
        with pytest.raises(UploadUnknown):
            await partial.append(source(CONTENT[end:]))
        again = repository.partial(DIGEST)
        assert again is not partial
        await partial.release()
        assert repository.partial(DIGEST) is again
        assert await again.ready() == end
        assert read_all(reader) == CONTENT[:end]
        os.close(reader)
        await again.release()
    await bring(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_released_before_it_was_begun(make_store: Callable[[], CachingStore]) -> None:
    """Who lets go of a download without a look at it takes nothing away."""
    for end in (0, 1000):
        store = make_store()
        await store.open()
        repository = store.repository(NAME)
        await repository.partial(DIGEST).release()
        partial = repository.partial(DIGEST)
        await partial.ready()
        await partial.append(source(CONTENT[:end]))
        await store.close()
    store = make_store()
    await store.open()
    repository = store.repository(NAME)
    await repository.partial(DIGEST).release()
    assert await repository.partial(DIGEST).ready() == 1000
    await store.close()


async def test_released_once_committed(store: CachingStore, repository: CachingRepository) -> None:
    """Letting go of what is committed, or discarded, does nothing."""
    partial = repository.partial(DIGEST)
    await partial.discard()
    await partial.release()
    partial = repository.partial(DIGEST)
    await bring(repository, CONTENT)
    await partial.release()
    os.close(partial.open())
    await partial.commit()
    assert read(await repository.blob(DIGEST)) == CONTENT


async def test_room_of_partials(make_store: Callable[[], CachingStore]) -> None:
    """What has come of downloads is told, over restarts too, until it is whole or thrown away."""
    whole, given_up = Digest.of(b"whole"), Digest.of(b"given up", Algorithm.SHA512)
    store = make_store()
    await store.open()
    assert await store.partials() == {}
    repository = store.repository(NAME)
    for digest, content in ((whole, b"whole"), (given_up, b"give"), (DIGEST, b"")):
        partial = repository.partial(digest)
        await partial.ready()
        await partial.append(source(content))
    assert await store.partials() == {whole: 5, given_up: 4}
    await store.close()
    store = make_store()
    await store.open()
    assert await store.partials() == {whole: 5, given_up: 4}
    repository = store.repository(NAME)
    await repository.partial(whole).ready()
    await repository.partial(whole).commit()
    assert await store.partials() == {given_up: 4}
    await store.repository(OTHER).partial(given_up).discard()
    assert await store.partials() == {}
    await store.close()


async def test_committed_twice(repository: CachingRepository) -> None:
    """Committing and verifying what is committed does nothing, and nothing is added to it."""
    partial = repository.partial(DIGEST)
    await bring(repository, CONTENT)
    await partial.verify()
    await partial.commit()
    with pytest.raises(UploadUnknown):
        await partial.append(source(b"more"))
    assert read(await repository.blob(DIGEST)) == CONTENT


@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
async def test_pushed_as_well(
    store: CachingStore, repository: CachingRepository, when: str
) -> None:
    """A client that pushes the same blob at the same time has pushed it."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    await partial.append(source(CONTENT))
    if when == "before":
        await push(repository, CONTENT)
    if when == "meanwhile":
        await asyncio.gather(partial.commit(), push(repository, CONTENT), partial.commit())
    else:
        await partial.commit()
    if when == "after":
        await push(repository, CONTENT)
    assert read(await repository.blob(DIGEST)) == CONTENT
    (holding,) = await store.holdings()
    assert (list(holding.blobs), holding.cached) == ([DIGEST], frozenset())


async def test_many_at_once(repository: CachingRepository) -> None:
    """Many blobs of an image arrive at once."""
    contents = [bytes([number]) * 50_000 for number in range(20)]
    await repository.put_fetched(image(*contents), None, 1.0)
    await asyncio.gather(*(bring(repository, content) for content in contents))
    for content in contents:
        assert read(await repository.blob(Digest.of(content))) == content
