"""Manifests that come from upstream before their blobs do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, ManifestBlobUnknown
from lreg.oci import mediatypes
from lreg.oci.digest import Algorithm, Digest
from lreg.store.protocol import Filed
from tests.contract.making import (
    EMPTY,
    LATEST,
    OTHER,
    bring,
    image,
    index,
    push,
    push_image,
    read,
    referrers_of,
)

if TYPE_CHECKING:
    from lreg.store.caching import CachingRepository, CachingStore

LAYER = b"layer" * 20_000


async def test_blobs_come_later(repository: CachingRepository) -> None:
    """A manifest is served at once, its blobs as they come."""
    manifest = image(LAYER)
    await repository.put_fetched(manifest, LATEST, 1.0)
    held = await repository.manifest(LATEST)
    assert (held.data, held.media_type) == (manifest.raw, mediatypes.OCI_MANIFEST)
    with pytest.raises(BlobUnknown):
        await repository.blob(Digest.of(LAYER))
    await bring(repository, LAYER)
    assert read(await repository.blob(Digest.of(LAYER))) == LAYER


async def test_push_needs_them_still(repository: CachingRepository) -> None:
    """That a manifest came from upstream does not let a client push it without its blobs."""
    await repository.put_fetched(image(LAYER), LATEST, 1.0)
    with pytest.raises(ManifestBlobUnknown):
        await repository.put_manifest(image(LAYER), [LATEST])


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_by_another_algorithm(repository: CachingRepository, algorithm: Algorithm) -> None:
    """A manifest is found under the digest that upstream calls it by."""
    manifest = image(LAYER, algorithm=algorithm)
    await repository.put_fetched(manifest, LATEST, 1.0)
    assert (await repository.manifest(manifest.digest)).data == manifest.raw
    tagged = await repository.tagged(LATEST)
    assert tagged
    assert tagged.digest == manifest.digest


async def test_blobs_that_are_here(store: CachingStore, repository: CachingRepository) -> None:
    """Blobs that another repository has are not fetched again."""
    await push(store.repository(OTHER), LAYER)
    await repository.put_fetched(image(LAYER), LATEST, 1.0)
    assert read(await repository.blob(Digest.of(LAYER))) == LAYER
    with pytest.raises(BlobUnknown):
        await repository.blob(Digest.of(EMPTY))


async def test_blobs_of_others(store: CachingStore, repository: CachingRepository) -> None:
    """Where it is not known yet who may have them, blobs of others wait to be adopted."""
    await push(store.repository(OTHER), LAYER)
    await repository.put_fetched(image(LAYER), LATEST, 1.0, adopt=False)
    for look in (repository.blob, repository.peek):
        with pytest.raises(BlobUnknown):
            await look(Digest.of(LAYER))
    assert await repository.adopt(Digest.of(LAYER))
    assert read(await repository.blob(Digest.of(LAYER))) == LAYER
    await repository.put_fetched(image(LAYER), LATEST, 2.0, adopt=False)
    content = await repository.peek(Digest.of(LAYER))
    assert isinstance(content, Filed)
    assert read(content) == LAYER


async def test_adopt(store: CachingStore, repository: CachingRepository) -> None:
    """A blob that came to another repository later is taken over, if a manifest here names it."""
    other = store.repository(OTHER)
    digest = Digest.of(LAYER)
    await repository.put_fetched(image(LAYER), LATEST, 1.0)
    assert not await repository.adopt(digest)
    await bring(other, LAYER)
    secret = await push(other, b"nobody names this")
    with pytest.raises(BlobUnknown):
        await repository.blob(digest)
    assert await repository.adopt(digest)
    assert await repository.adopt(digest)
    assert read(await repository.blob(digest)) == LAYER
    assert not await repository.adopt(secret)
    with pytest.raises(BlobUnknown):
        await repository.blob(secret)


async def test_names_blob(repository: CachingRepository) -> None:
    """Whatever manifest names a blob says how large it is and of what type."""
    old, new = image(b"old", LAYER), image(b"new")
    assert await repository.names_blob(Digest.of(LAYER)) is None
    await repository.put_fetched(old, LATEST, 1.0)
    await repository.put_fetched(new, LATEST, 2.0)
    await repository.put_fetched(index(old), None, 3.0)
    await push_image(repository, b"pushed")
    for manifest, layer in ((old, LAYER), (new, b"new"), (old, b"old"), (new, EMPTY)):
        found = await repository.names_blob(Digest.of(layer))
        assert found in manifest.blobs
    assert await repository.names_blob(Digest.of(b"pushed"))
    assert await repository.names_blob(old.digest) is None
    assert await repository.names_blob(Digest.of(b"unknown")) is None
    await repository.delete_manifest(new.digest)
    assert await repository.names_blob(Digest.of(b"new")) is None


async def test_referrers(repository: CachingRepository) -> None:
    """What upstream's manifests refer to is known like that of any other."""
    subject = image(b"subject")
    referrer = image(subject=subject)
    await repository.put_fetched(referrer, None, 1.0)
    assert await referrers_of(repository, subject.digest) == [referrer.as_referrer()]


async def test_listed(store: CachingStore, repository: CachingRepository) -> None:
    """A repository that holds only what came from upstream is listed like any other."""
    await repository.put_fetched(index(image(LAYER)), LATEST, 1.0)
    assert (await store.repositories(10)).items == [repository.name]
    assert (await repository.tags(10)).items == [LATEST]
