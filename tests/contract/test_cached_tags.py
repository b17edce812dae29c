"""Tags of upstream's, tags that were pushed, and how the one becomes the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lreg.errors import ManifestUnknown
from lreg.oci.reference import Tag
from lreg.store.caching import Tagged, TagRecord
from tests.contract.making import LATEST, NAME, image, index, push, push_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.oci.manifest import Manifest
    from lreg.store.caching import CachingRepository, CachingStore

OLD, NEW = image(b"old"), image(b"new")
OWN = image(b"own", annotations={"own": "yes"})


async def push_own(repository: CachingRepository, manifest: Manifest = OWN) -> None:
    """Push an own version over the tag, its blobs first."""
    for blob in (b"{}", b"own", b"old", b"new"):
        await push(repository, blob)
    await repository.put_manifest(manifest, [LATEST])


async def test_no_tag(repository: CachingRepository) -> None:
    """Where there is no tag nothing is known of it, and nothing can be said of it."""
    assert not repository.has_tag(LATEST)
    assert repository.held_tag(LATEST) is None
    assert await repository.tagged(LATEST) is None
    await repository.note_checked(LATEST, OLD.digest, 1.0)
    assert await repository.tagged(LATEST) is None
    with pytest.raises(ManifestUnknown):
        await repository.set_until(LATEST, 1.0)
    with pytest.raises(ManifestUnknown):
        await repository.undo(LATEST)
    with pytest.raises(ManifestUnknown):
        await repository.pin(LATEST, True)


async def test_pushed(repository: CachingRepository) -> None:
    """Of a tag that was pushed that is all there is to know."""
    await push_own(repository)
    assert repository.has_tag(LATEST)
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord())


async def test_fetched(repository: CachingRepository) -> None:
    """A tag of upstream's is served without its blobs, and moves with upstream."""
    assert await repository.put_fetched(OLD, LATEST, 5.0)
    assert (await repository.manifest(LATEST)).data == OLD.raw
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 5.0))
    assert await repository.put_fetched(OLD, LATEST, 6.0)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 6.0))
    for number, manifest in enumerate([NEW, index(OLD), OLD, NEW]):
        assert await repository.put_fetched(manifest, LATEST, number)
        assert await repository.tagged(LATEST) == Tagged(
            manifest.digest, TagRecord(True, manifest.digest, number)
        )
    assert (await repository.tags(10)).items == [LATEST]


async def test_fetched_by_digest(repository: CachingRepository) -> None:
    """A manifest that was asked for by its digest comes without a tag."""
    assert await repository.put_fetched(OLD, None, 5.0)
    assert (await repository.manifest(OLD.digest)).data == OLD.raw
    assert not (await repository.tags(10)).items


async def test_revalidated(repository: CachingRepository) -> None:
    """A tag knows what upstream has since it was asked, also where that is not here yet."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await repository.note_checked(LATEST, OLD.digest, 7.5)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 7.5))
    await repository.note_checked(LATEST, NEW.digest, 8.5)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, NEW.digest, 8.5))


async def test_gone(repository: CachingRepository) -> None:
    """That upstream has a tag no more is known until it has it again; what it meant stays."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await repository.note_checked(LATEST, None, 6.0)
    gone = TagRecord(True, OLD.digest, 6.0, gone=True)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, gone)
    await repository.pin(LATEST, True)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, replace(gone, pinned=True))
    await repository.pin(LATEST, False)
    await repository.note_checked(LATEST, OLD.digest, 7.0)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 7.0))
    await repository.note_checked(LATEST, None, 8.0)
    await repository.put_fetched(NEW, LATEST, 9.0)
    assert await repository.tagged(LATEST) == Tagged(NEW.digest, TagRecord(True, NEW.digest, 9.0))


async def test_pushed_over_fetched(repository: CachingRepository) -> None:
    """A push takes the tag from upstream; a fill learns that and leaves it alone."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await push_own(repository)
    expected = Tagged(OWN.digest, TagRecord(False, OLD.digest, 5.0))
    assert await repository.tagged(LATEST) == expected
    assert not await repository.put_fetched(NEW, LATEST, 9.0)
    assert (await repository.manifest(LATEST)).data == OWN.raw
    assert (await repository.manifest(NEW.digest)).data == NEW.raw
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord(False, NEW.digest, 9.0))
    assert await repository.put_fetched(OWN, LATEST, 10.0)
    tagged = await repository.tagged(LATEST)
    assert tagged
    assert not tagged.record.cached


async def test_same_pushed_over_fetched(repository: CachingRepository) -> None:
    """Who pushes the very manifest that upstream has owns the tag from then on."""
    await repository.put_fetched(OWN, LATEST, 5.0)
    await push_own(repository)
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord(False, OWN.digest, 5.0))
    assert not await repository.put_fetched(NEW, LATEST, 6.0)
    assert (await repository.manifest(LATEST)).data == OWN.raw


async def test_what_was_upstreams_once_is_pushed(repository: CachingRepository) -> None:
    """A push of what upstream had before is a push like any other."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await repository.put_fetched(NEW, LATEST, 6.0)
    await push_own(repository, OLD)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(False, NEW.digest, 6.0))
    await push_own(repository, NEW)
    assert await repository.tagged(LATEST) == Tagged(NEW.digest, TagRecord(False, NEW.digest, 6.0))


async def test_until(repository: CachingRepository) -> None:
    """An own version may end; the next push is for good again."""
    await push_own(repository)
    await repository.set_until(LATEST, 99.0)
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord(until=99.0))
    await repository.set_until(LATEST, None)
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord())
    for manifest in (OWN, OLD):
        await repository.set_until(LATEST, 99.0)
        await push_own(repository, manifest)
        assert await repository.tagged(LATEST) == Tagged(manifest.digest, TagRecord())


async def test_until_of_upstreams(repository: CachingRepository) -> None:
    """What is upstream's does not end."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    with pytest.raises(ManifestUnknown):
        await repository.set_until(LATEST, 99.0)


async def test_undo(repository: CachingRepository) -> None:
    """Without the own version the tag means what upstream had last, if that is here."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await push_own(repository)
    await repository.set_until(LATEST, 99.0)
    assert await repository.undo(LATEST) == OLD.digest
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 5.0))
    assert (await repository.manifest(LATEST)).data == OLD.raw
    assert await repository.undo(LATEST) == OLD.digest
    assert await repository.put_fetched(NEW, LATEST, 6.0)
    assert await repository.tagged(LATEST) == Tagged(NEW.digest, TagRecord(True, NEW.digest, 6.0))


async def test_undo_same(repository: CachingRepository) -> None:
    """Where upstream has what was pushed, the tag is upstream's again."""
    await repository.put_fetched(OWN, LATEST, 5.0)
    await push_own(repository)
    assert await repository.undo(LATEST) == OWN.digest
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord(True, OWN.digest, 5.0))


async def test_undo_what_upstream_never_had(repository: CachingRepository) -> None:
    """Where upstream was never asked, or what it has is not here, the tag is gone."""
    await push_own(repository)
    assert await repository.undo(LATEST) is None
    assert await repository.tagged(LATEST) is None
    assert not (await repository.tags(10)).items
    await push_own(repository)
    await repository.note_checked(LATEST, OLD.digest, 5.0)
    assert await repository.undo(LATEST) is None
    assert not repository.has_tag(LATEST)
    await repository.put_fetched(OLD, LATEST, 6.0)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 6.0))


async def test_expire(repository: CachingRepository) -> None:
    """An own version is taken away once its time is over, and nothing else ever is."""
    assert await repository.expire(LATEST, 99.0) is None
    await repository.put_fetched(OLD, LATEST, 5.0)
    await push_own(repository)
    assert await repository.expire(LATEST, 1e10) == OWN.digest
    await repository.set_until(LATEST, 99.0)
    assert await repository.expire(LATEST, 98.9) == OWN.digest
    assert await repository.tagged(LATEST) == Tagged(
        OWN.digest, TagRecord(False, OLD.digest, 5.0, 99.0)
    )
    for _ in range(2):
        assert await repository.expire(LATEST, 99.0) == OLD.digest
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord(True, OLD.digest, 5.0))
    await repository.delete_manifest(LATEST)
    await push_own(repository)
    await repository.set_until(LATEST, 99.0)
    for _ in range(2):
        assert await repository.expire(LATEST, 99.0) is None
    assert not repository.has_tag(LATEST)


async def test_expire_and_push_at_once(repository: CachingRepository) -> None:
    """A push at the moment at which an own version ends is kept, however many see it end."""
    for older, newer in [(OWN, NEW), (NEW, OWN), (OWN, OWN)] * 5:
        await push_own(repository, older)
        await repository.set_until(LATEST, 99.0)
        outcomes = await asyncio.gather(
            *(repository.expire(LATEST, 100.0) for _ in range(3)),
            repository.put_manifest(newer, [LATEST]),
            *(repository.expire(LATEST, 100.0) for _ in range(3)),
        )
        assert outcomes == [None, None, None, None, *[newer.digest] * 3]
        assert await repository.tagged(LATEST) == Tagged(newer.digest, TagRecord())


async def test_pin(repository: CachingRepository) -> None:
    """A pin stays on the tag, whoever moves it."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    await repository.pin(LATEST, True)
    await repository.put_fetched(NEW, LATEST, 6.0)
    await push_own(repository)
    await repository.undo(LATEST)
    assert await repository.tagged(LATEST) == Tagged(
        NEW.digest, TagRecord(True, NEW.digest, 6.0, pinned=True)
    )
    await repository.pin(LATEST, False)
    assert await repository.tagged(LATEST) == Tagged(NEW.digest, TagRecord(True, NEW.digest, 6.0))


async def test_deleted(repository: CachingRepository) -> None:
    """With a tag all that was known of it is forgotten, also where its manifest is deleted."""
    for want in (LATEST, OLD.digest):
        await repository.put_fetched(OLD, LATEST, 5.0)
        await repository.pin(LATEST, True)
        await repository.delete_manifest(want)
        assert await repository.tagged(LATEST) is None
        assert not repository.has_tag(LATEST)
    await push_own(repository, OLD)
    assert await repository.tagged(LATEST) == Tagged(OLD.digest, TagRecord())


async def test_other_tags(repository: CachingRepository) -> None:
    """What a push to one tag says of its manifest says nothing of other tags on it."""
    await repository.put_fetched(OWN, LATEST, 5.0)
    for blob in (b"{}", b"own"):
        await push(repository, blob)
    await repository.put_manifest(OWN, [Tag("mine")])
    assert await repository.tagged(LATEST) == Tagged(OWN.digest, TagRecord(True, OWN.digest, 5.0))
    assert await repository.tagged(Tag("mine")) == Tagged(OWN.digest, TagRecord())


async def test_held_tag(repository: CachingRepository) -> None:
    """What a tag means comes from memory at once, until anything about it changes."""
    await repository.put_fetched(OLD, LATEST, 5.0)
    assert repository.held_tag(LATEST) is None
    await asyncio.sleep(0.1)
    tagged = await repository.tagged(LATEST)
    assert tagged
    assert repository.held_tag(LATEST) == tagged
    await repository.note_checked(LATEST, OLD.digest, 6.0)
    assert repository.held_tag(LATEST) is None
    await push_image(repository, b"own", tags=[Tag("pushed")])
    await asyncio.sleep(0.1)
    for tag in (LATEST, Tag("pushed")):
        tagged = await repository.tagged(tag)
        assert repository.held_tag(tag) == tagged
    await repository.put_fetched(NEW, LATEST, 7.0)
    await repository.set_until(Tag("pushed"), 9.0)
    for tag in (LATEST, Tag("pushed")):
        assert repository.held_tag(tag) is None
    await repository.delete_manifest(LATEST)
    assert repository.held_tag(LATEST) is None


async def test_after_restart(make_store: Callable[[], CachingStore]) -> None:
    """What is known of tags outlives a restart."""
    store = make_store()
    await store.open()
    repository = store.repository(NAME)
    await repository.put_fetched(OLD, LATEST, 5.0)
    await push_own(repository)
    await repository.set_until(LATEST, 1e10)
    await repository.pin(LATEST, True)
    tagged = await repository.tagged(LATEST)
    await store.close()
    store = make_store()
    await store.open()
    assert await store.repository(NAME).tagged(LATEST) == tagged
    assert tagged == Tagged(OWN.digest, TagRecord(False, OLD.digest, 5.0, 1e10, True))
    await store.close()


async def test_push_and_fill_at_once(repository: CachingRepository) -> None:
    """Whichever of a push and a fill comes first, the push has the tag in the end."""
    await push_own(repository)
    for number in range(20):
        await repository.delete_manifest(LATEST)
        await asyncio.gather(
            repository.put_fetched(NEW, LATEST, number),
            repository.put_manifest(OWN, [LATEST]),
            repository.put_fetched(OLD, LATEST, number),
        )
        tagged = await repository.tagged(LATEST)
        assert tagged
        assert (tagged.digest, tagged.record.cached) == (OWN.digest, False)
        assert tagged.record.upstream in (None, OLD.digest, NEW.digest)
