"""What clients, upstreams and people do to a cache's store, each a change that may crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import DigestInvalid
from lreg.oci.digest import Digest
from lreg.oci.reference import Tag
from tests.contract.making import EMPTY, NAME, OTHER, bring, image, push, push_image, source

if TYPE_CHECKING:
    from lreg.store.filesystem import FilesystemStore

LAYER, KEPT, LOOSE = b"layer" * 100, b"kept" * 100, b"loose" * 100
OLD, NEW = image(b"old", LAYER), image(b"new", LAYER)
OWN, OTHERS = image(b"own", KEPT), image(b"others", KEPT)
CACHED, PUSHED, OVER, SAME = (Tag(tag) for tag in ("cached", "pushed", "over", "same"))
TAGS = [CACHED, PUSHED, OVER, SAME, Tag("new")]
EVICTABLE = [Digest.of(content) for content in (LAYER, LOOSE, KEPT, EMPTY)]


async def before(store: FilesystemStore) -> None:
    """Prepare what every change below is made to."""
    repository, other = store.repository(NAME), store.repository(OTHER)
    for content in (LAYER, LOOSE, KEPT):
        await bring(repository, content)
        await bring(other, content)
    await other.put_fetched(OTHERS, None, 1.0)
    for tag in (CACHED, OVER):
        await repository.put_fetched(OLD, tag, 1.0)
    await repository.put_fetched(OWN, SAME, 1.0)
    for content in (EMPTY, b"own", b"others"):
        await push(repository, content)
    await repository.put_manifest(OTHERS, [PUSHED])
    await repository.put_manifest(OWN, [OVER])
    await repository.set_until(OVER, 50.0)
    await push_image(other, EMPTY, tags=[PUSHED])
    await repository.pin(CACHED, True)
    await repository.pin(CACHED, False)


async def fetch_new_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_fetched(NEW, Tag("new"), 2.0)


async def fetch_moved_tag(store: FilesystemStore) -> None:
    await store.repository(NAME).put_fetched(NEW, CACHED, 2.0)


async def fetch_over_pushed(store: FilesystemStore) -> None:
    await store.repository(NAME).put_fetched(NEW, PUSHED, 2.0)


async def fetch_what_was_pushed(store: FilesystemStore) -> None:
    await store.repository(NAME).put_fetched(OTHERS, PUSHED, 2.0)


async def fetch_to_new_repository(store: FilesystemStore) -> None:
    await store.repository(OTHER).put_fetched(OLD, CACHED, 2.0)


async def push_over_fetched(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(OWN, [CACHED])


async def push_what_was_fetched(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(OWN, [SAME])


async def push_what_ends(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(OWN, [OVER])


async def push_over_what_ends(store: FilesystemStore) -> None:
    await store.repository(NAME).put_manifest(OTHERS, [OVER])


async def push_fetched_blob(store: FilesystemStore) -> None:
    await push(store.repository(NAME), LAYER)


async def mount_fetched_blob(store: FilesystemStore) -> None:
    await store.repository(OTHER).mount(Digest.of(LAYER), NAME)


async def undo(store: FilesystemStore) -> None:
    await store.repository(NAME).undo(OVER)


async def expire(store: FilesystemStore) -> None:
    await store.repository(NAME).expire(OVER, 51.0)


async def undo_to_nothing(store: FilesystemStore) -> None:
    if store.repository(NAME).has_tag(PUSHED):
        await store.repository(NAME).undo(PUSHED)


async def set_until(store: FilesystemStore) -> None:
    await store.repository(NAME).set_until(PUSHED, 60.0)


async def pin(store: FilesystemStore) -> None:
    await store.repository(NAME).pin(CACHED, True)


async def revalidate(store: FilesystemStore) -> None:
    await store.repository(NAME).note_checked(CACHED, NEW.digest, 3.0)


async def fill(store: FilesystemStore) -> None:
    await bring(store.repository(NAME), b"new")


async def fill_for_two(store: FilesystemStore) -> None:
    store.repository(OTHER).partial(Digest.of(b"new"))
    await bring(store.repository(NAME), b"new")


async def fill_wrong(store: FilesystemStore) -> None:
    partial = store.repository(NAME).partial(Digest.of(b"new"))
    await partial.ready()
    await partial.append(source(b"wrong"))
    with pytest.raises(DigestInvalid):
        await partial.verify()


async def discard(store: FilesystemStore) -> None:
    partial = store.repository(NAME).partial(Digest.of(b"new"))
    await partial.ready()
    await partial.append(source(b"ne"))
    await partial.discard()


async def release(store: FilesystemStore) -> None:
    for content in (b"", b"ne"):
        partial = store.repository(NAME).partial(Digest.of(b"new"))
        await partial.ready()
        await partial.append(source(content))
        await partial.release()


async def adopt(store: FilesystemStore) -> None:
    await store.repository(OTHER).adopt(Digest.of(b"others"))


async def evict(store: FilesystemStore) -> None:
    await store.evict(EVICTABLE, idle=0)


CHANGES = [
    fetch_new_tag,
    fetch_moved_tag,
    fetch_over_pushed,
    fetch_what_was_pushed,
    fetch_to_new_repository,
    push_over_fetched,
    push_what_was_fetched,
    push_what_ends,
    push_over_what_ends,
    push_fetched_blob,
    mount_fetched_blob,
    undo,
    expire,
    undo_to_nothing,
    set_until,
    pin,
    revalidate,
    fill,
    fill_for_two,
    fill_wrong,
    discard,
    release,
    adopt,
    evict,
]
