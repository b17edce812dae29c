"""What upstream lists as referrers, kept beside the manifest that they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.oci.digest import Digest
from lreg.store.caching import Listed
from tests.contract.making import (
    EMPTY,
    LATEST,
    NAME,
    bring,
    image,
    index,
    push_image,
    referrers_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.caching import CachingRepository, CachingStore

SUBJECT = image(b"subject")
SIGNATURE = image(b"signature", subject=SUBJECT, artifactType="test/signature")
STAMP = image(b"stamp", subject=SIGNATURE, annotations={"signed": "twice"})


def listed(*manifests: object, checked: float = 5.0, is_whole: bool = True) -> Listed:
    """Return upstream's list of some of the manifests above."""
    found = tuple(one.as_referrer() for one in (SIGNATURE, STAMP) if one in manifests)
    return Listed(found, checked, is_whole)


async def evictable(store: CachingStore) -> set[Digest]:
    return {digest for holding in await store.holdings() for digest in holding.cached}


async def cache(repository: CachingRepository) -> None:
    """Bring a signed image whose signature is signed, and what upstream lists of that."""
    for manifest in (SUBJECT, SIGNATURE, STAMP):
        await repository.put_fetched(manifest, LATEST if manifest is SUBJECT else None, 1.0)
    for content in (b"subject", b"signature", b"stamp", EMPTY):
        await bring(repository, content)
    await repository.note_listed(SUBJECT.digest, listed(SIGNATURE))
    await repository.note_listed(SIGNATURE.digest, listed(STAMP))


async def test_kept(make_store: Callable[[], CachingStore]) -> None:
    """A list is kept as it was given, over restarts; a later one takes its place."""
    before = None
    for given in (listed(SIGNATURE, STAMP), listed(checked=6.5, is_whole=False), None):
        store = make_store()
        await store.open()
        repository = store.repository(NAME)
        await repository.put_fetched(SUBJECT, LATEST, 1.0)
        assert (await repository.referring(SUBJECT.digest)).listed == before
        if given:
            await repository.note_listed(SUBJECT.digest, given)
            assert (await repository.referring(SUBJECT.digest)).listed == given
        before = given
        await store.close()


async def test_pushed_and_fetched(repository: CachingRepository) -> None:
    """It is told what was pushed and what came from upstream; whoever pushes makes it his own."""
    await cache(repository)
    own = await push_image(repository, b"own", subject=SUBJECT)
    found = await repository.referring(SUBJECT.digest)
    assert found.pushed == (own.as_referrer(),)
    assert found.fetched == (SIGNATURE.as_referrer(),)
    assert not found.is_own
    assert len(await referrers_of(repository, SUBJECT.digest)) == 2
    await push_image(repository, b"subject")
    await push_image(repository, b"signature", subject=SUBJECT, artifactType="test/signature")
    found = await repository.referring(SUBJECT.digest)
    assert (len(found.pushed), found.fetched, found.is_own) == (2, (), True)


async def test_of_what_is_not_here(repository: CachingRepository) -> None:
    """Nothing is kept of a manifest that is not here: whoever asks for any digest fills no disk."""
    await repository.put_fetched(SUBJECT, LATEST, 1.0)
    await repository.note_listed(STAMP.digest, listed(SIGNATURE))
    found = await repository.referring(STAMP.digest)
    assert (found.listed, found.is_own) == (None, False)


async def test_gone_with_the_manifest(repository: CachingRepository) -> None:
    """A list goes with its manifest, and is not there when that comes again."""
    await cache(repository)
    await repository.delete_manifest(SUBJECT.digest)
    assert (await repository.referring(SUBJECT.digest)).listed is None
    await repository.put_fetched(SUBJECT, LATEST, 2.0)
    assert (await repository.referring(SUBJECT.digest)).listed is None


async def test_a_pin_keeps_signatures(store: CachingStore, repository: CachingRepository) -> None:
    """What a pinned image is verified by is not evicted, nor what that is verified by."""
    await cache(repository)
    blobs = {Digest.of(content) for content in (b"subject", b"signature", b"stamp", EMPTY)}
    assert await evictable(store) == blobs
    await repository.pin(LATEST, True)
    assert await evictable(store) == set()
    assert await store.evict(blobs, idle=0.0) == 0
    await repository.note_listed(SIGNATURE.digest, listed())
    assert await evictable(store) == {Digest.of(b"stamp")}
    await repository.pin(LATEST, False)
    assert await evictable(store) == blobs


async def test_a_push_keeps_none(store: CachingStore, repository: CachingRepository) -> None:
    """Upstream's signatures of an image that was pushed may be evicted: they come again."""
    await push_image(repository, b"subject", tags=[LATEST])
    await repository.put_fetched(SIGNATURE, None, 1.0)
    await bring(repository, b"signature")
    await repository.note_listed(SUBJECT.digest, listed(SIGNATURE))
    assert await evictable(store) == {Digest.of(b"signature")}


async def test_of_an_index(store: CachingStore, repository: CachingRepository) -> None:
    """The signature of one image of a pinned index is kept as well."""
    await cache(repository)
    await repository.put_fetched(index(SUBJECT), LATEST, 2.0)
    await repository.pin(LATEST, True)
    assert await evictable(store) == set()
