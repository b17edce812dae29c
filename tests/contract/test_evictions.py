"""What a store holds, and what of it may go when space is needed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, ManifestBlobUnknown, NameUnknown
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.caching import Tagged, TagRecord
from tests.contract.making import (
    EMPTY,
    LATEST,
    NAME,
    OTHER,
    bring,
    image,
    index,
    push,
    push_image,
    read,
)

if TYPE_CHECKING:
    from lreg.oci.manifest import Manifest
    from lreg.store.caching import CachingRepository, CachingStore

LAYER = b"layer" * 20_000
DIGEST = Digest.of(LAYER)
CONFIG = Digest.of(EMPTY)
MANIFEST = image(LAYER)


async def cache(
    repository: CachingRepository, manifest: Manifest = MANIFEST, *layers: bytes
) -> None:
    """Bring an image from upstream."""
    await repository.put_fetched(manifest, LATEST, 1.0)
    for content in (EMPTY, *(layers or (LAYER,))):
        await bring(repository, content)


async def cached(store: CachingStore) -> set[Digest]:
    """Return all blobs that may be evicted."""
    return {digest for holding in await store.holdings() for digest in holding.cached}


async def is_here(repository: CachingRepository, content: bytes) -> bool:
    """Return whether the repository serves the blob, whole."""
    try:
        assert read(await repository.blob(Digest.of(content))) == content
    except (BlobUnknown, NameUnknown):
        return False
    return True


async def test_empty(store: CachingStore) -> None:
    """An empty store holds nothing and gives nothing up."""
    assert await store.holdings() == []
    assert await store.evict([DIGEST]) == 0


async def test_holdings(store: CachingStore, repository: CachingRepository) -> None:
    """Holdings tell tags, sizes, what came from upstream and when it was last used."""
    before = time.time()
    own = await push_image(store.repository(OTHER), b"own", tags=[LATEST, Tag("v1")])
    await cache(repository)
    mine, others = await store.holdings()
    assert (mine.repository, others.repository) == (NAME, OTHER)
    assert mine.tags == {LATEST: Tagged(MANIFEST.digest, TagRecord(True, MANIFEST.digest, 1.0))}
    assert mine.manifests == {MANIFEST.digest: len(MANIFEST.raw)}
    assert mine.blobs == {DIGEST: len(LAYER), CONFIG: len(EMPTY)}
    assert mine.cached == {DIGEST}
    assert mine.used.keys() == mine.blobs.keys()
    for used in mine.used.values():
        assert before - 1 < used < time.time() + 1
    assert others.tags == dict.fromkeys((LATEST, Tag("v1")), Tagged(own.digest, TagRecord()))
    assert others.blobs == {Digest.of(b"own"): 3, CONFIG: len(EMPTY)}
    assert not others.cached


async def test_tagged(store: CachingStore) -> None:
    """Tags are told of the repositories whose names begin so, sorted by byte, tagless ones too."""
    names = ["a", "a-b", "a/b", "a/b/c", "ab", "b", "docker.io/a", "docker.io/b/c", "docker.iq/a"]
    repositories = [store.repository(RepositoryName(name)) for name in names]
    pushed = [await push_image(each, b"own", tags=[LATEST]) for each in repositories]
    await store.repository(RepositoryName("ab")).delete_manifest(LATEST)
    tagged = {LATEST: Tagged(pushed[0].digest, TagRecord())}
    for prefix in ("", "a", "a/", "a/b", "a/b/", "ab", "docker.io/", "docker.i", "c", "0", "~"):
        found = await store.tagged(prefix)
        assert [name.text for name in found] == [name for name in names if name.startswith(prefix)]
        assert found == {name: {} if name.text == "ab" else tagged for name in found}


async def test_evict(store: CachingStore, repository: CachingRepository) -> None:
    """An evicted blob is gone everywhere, its manifest stays, and it can be brought again."""
    other = store.repository(OTHER)
    await cache(repository)
    await cache(other)
    assert await cached(store) == {DIGEST, CONFIG}
    assert await store.evict([DIGEST], idle=0) == len(LAYER)
    for each in (repository, other):
        assert not await is_here(each, LAYER)
        assert await is_here(each, EMPTY)
        assert (await each.manifest(LATEST)).data == MANIFEST.raw
        assert not await each.adopt(DIGEST)
    assert await cached(store) == {CONFIG}
    assert await store.evict([DIGEST], idle=0) == 0
    await bring(repository, LAYER)
    assert await is_here(repository, LAYER)
    assert await other.adopt(DIGEST)
    assert await cached(store) == {DIGEST, CONFIG}
    assert await store.evict([CONFIG, DIGEST], idle=0) == len(LAYER) + len(EMPTY)
    assert not any(holding.blobs for holding in await store.holdings())


async def test_in_use(store: CachingStore, repository: CachingRepository) -> None:
    """What was used within the last minute stays, and a reader keeps what it has open."""
    await cache(repository)
    assert await store.evict([DIGEST]) == 0
    blob = await repository.blob(DIGEST)
    assert await store.evict([DIGEST], idle=60.0) == 0
    assert await store.evict([DIGEST], idle=0) == len(LAYER)
    assert read(blob) == LAYER


async def test_on_its_way(store: CachingStore, repository: CachingRepository) -> None:
    """A blob that is still coming is not touched."""
    partial = repository.partial(DIGEST)
    await partial.ready()
    assert await store.evict([DIGEST], idle=0) == 0
    await bring(repository, LAYER)
    assert await is_here(repository, LAYER)


async def test_pushed_blob(store: CachingStore, repository: CachingRepository) -> None:
    """A blob that was pushed stays, before and after it came from upstream, in any repository."""
    other = store.repository(OTHER)
    await cache(repository)
    await push(other, LAYER)
    assert await cached(store) == {CONFIG}
    assert await store.evict([DIGEST], idle=0) == 0
    await other.delete_blob(DIGEST)
    assert DIGEST in await cached(store)
    await push(repository, LAYER)
    await cache(repository)
    await cache(other)
    assert await cached(store) == {CONFIG}
    assert await store.evict([DIGEST, CONFIG], idle=0) == len(EMPTY)


async def test_mounted_blob(store: CachingStore, repository: CachingRepository) -> None:
    """A blob that a client mounted is as good as pushed."""
    await cache(repository)
    await store.repository(OTHER).mount(DIGEST, NAME)
    assert await cached(store) == {CONFIG}


async def test_named_by_a_push(store: CachingStore, repository: CachingRepository) -> None:
    """What a pushed manifest names stays, also where a client found its blobs here already."""
    own = image(LAYER, annotations={"own": "yes"})
    await cache(repository)
    await repository.put_manifest(own, [Tag("own")])
    assert await cached(store) == set()
    assert await store.evict([DIGEST, CONFIG], idle=0) == 0
    await repository.delete_manifest(own.digest)
    assert await cached(store) == {DIGEST, CONFIG}
    await repository.put_manifest(MANIFEST)
    assert await cached(store) == set()


async def test_named_by_a_pushed_index(store: CachingStore, repository: CachingRepository) -> None:
    """A pushed index keeps the blobs of those of its manifests that came from upstream."""
    await cache(repository)
    await repository.put_manifest(index(index(MANIFEST), MANIFEST), [Tag("own")])
    assert await store.evict([DIGEST, CONFIG], idle=0) == 0
    await repository.delete_manifest(Tag("own"))
    assert await cached(store) == set()


async def test_escaped(store: CachingStore, repository: CachingRepository) -> None:
    """A manifest may write its digests as JSON allows: what it names is found and stays."""
    raw = image(LAYER).raw.replace(b"sha256:", b"\\u0073ha256:").replace(b'"e"', b'"\\u0065"')
    await cache(repository)
    own = type(MANIFEST).parse(raw)
    await repository.put_manifest(own)
    assert await cached(store) == set()
    await repository.delete_manifest(own.digest)
    await repository.delete_manifest(MANIFEST.digest)
    await repository.put_fetched(own, None, 1.0)
    assert await repository.names_blob(DIGEST) == own.layers[0]


async def test_pinned(store: CachingStore, repository: CachingRepository) -> None:
    """What a pinned tag means stays, with all platforms that are here, until it is unpinned."""
    await cache(repository)
    await repository.put_fetched(index(MANIFEST, image(b"elsewhere")), LATEST, 2.0)
    await repository.pin(LATEST, True)
    assert await store.evict([DIGEST, CONFIG], idle=0) == 0
    assert await cached(store) == set()
    await repository.pin(LATEST, False)
    assert await cached(store) == {DIGEST, CONFIG}


async def test_pin_moves_on(store: CachingStore, repository: CachingRepository) -> None:
    """A pin keeps what the tag means now, not what it meant before."""
    await cache(repository)
    await repository.pin(LATEST, True)
    await cache(repository, image(b"new"), b"new")
    assert await cached(store) == {DIGEST}


async def test_blob_that_is_a_manifest(store: CachingStore, repository: CachingRepository) -> None:
    """Bytes that are a manifest somewhere stay, although they came from upstream as a blob."""
    manifest = index()
    await bring(repository, manifest.raw)
    await store.repository(OTHER).put_fetched(manifest, LATEST, 1.0)
    assert await cached(store) == set()
    assert await store.evict([manifest.digest], idle=0) == 0


async def test_used(store: CachingStore, repository: CachingRepository) -> None:
    """Whatever way a blob is used, that is noted, and told by the next holdings."""
    await cache(repository)
    start = time.time()
    store.used(DIGEST)
    (holding,) = await store.holdings()
    assert holding.used[DIGEST] == pytest.approx(start, abs=60)


@pytest.mark.parametrize("change", ["push", "mount", "pin"])
async def test_evicting_meanwhile(
    store: CachingStore, repository: CachingRepository, change: str
) -> None:
    """Whatever is evicted at the same time, what a change relies on is here, or it fails."""
    other = store.repository(OTHER)
    own = image(LAYER, annotations={"own": "yes"})
    outcomes = set()
    await cache(repository)
    begin = time.monotonic()
    await store.evict([DIGEST, CONFIG], idle=0)
    takes = time.monotonic() - begin
    for number in range(300):
        await cache(repository)
        evicting = asyncio.create_task(store.evict([DIGEST, CONFIG], idle=0))
        await asyncio.sleep(number % 20 / 10 * takes)
        if change == "push":
            try:
                await repository.put_manifest(own, [Tag("own")])
                done = True
            except ManifestBlobUnknown:
                done = False
        elif change == "mount":
            done = await other.mount(DIGEST, NAME)
        else:
            await repository.pin(LATEST, True)
            done = await is_here(repository, LAYER)
        await evicting
        assert await is_here(other if change == "mount" else repository, LAYER) == done
        outcomes.add(done)
        if len(outcomes) == 2:
            break
        await repository.pin(LATEST, False)
        if change == "push" and done:
            await repository.delete_manifest(own.digest)
        if change == "mount" and done:
            await other.delete_blob(DIGEST)
    assert outcomes == {True, False}
