"""What came from upstream, in a tree that another program writes to as well."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.caching import Listed, Tagged, TagRecord
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import (
    EMPTY,
    LATEST,
    OTHER,
    bring,
    image,
    index,
    push,
    read,
    referrers_of,
)
from tests.unit.store.distribution import Distribution

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.store.repository import FiledRepository

LAYER = b"layer" * 20_000
DIGEST = Digest.of(LAYER)
MANIFEST = image(LAYER)


async def evictable(store: FilesystemStore) -> set[Digest]:
    return {digest for holding in await store.holdings() for digest in holding.cached}


async def cache(repository: FiledRepository) -> None:
    """Bring an image from upstream."""
    await repository.put_fetched(MANIFEST, LATEST, 1.0)
    await bring(repository, LAYER)
    await bring(repository, EMPTY)
    await asyncio.sleep(0.02)  # a tick of the disk's clock


async def test_foreign_tree(store: FilesystemStore, distribution: Distribution) -> None:
    """All of a volume of registry:2 counts as pushed: none of it is ever evicted or replaced."""
    distribution.blob(LAYER)
    distribution.blob(EMPTY)
    distribution.manifest(MANIFEST.raw, "latest")
    repository = store.repository(RepositoryName("library/alpine"))
    assert await repository.tagged(LATEST) == Tagged(MANIFEST.digest, TagRecord())
    assert not await repository.put_fetched(index(), LATEST, 1.0)
    assert await store.evict([DIGEST, Digest.of(EMPTY)], idle=0) == 0
    assert await evictable(store) == set()


SCHEMA_1 = json.dumps(
    {"schemaVersion": 1, "name": "a", "fsLayers": [{"blobSum": str(DIGEST)}], "signatures": []}
).encode()
SUBJECT = json.dumps({"subject": {"digest": str(DIGEST)}, "schemaVersion": 2, "config": 1}).encode()
ODD = [
    SCHEMA_1,
    SUBJECT,
    SUBJECT.replace(b"1}", b'{}, "x": "\\u0061\\ud800"}'),
    b"{\xff\\u0061 " + str(DIGEST).encode(),
    b"[" * 99_999 + b"\\u0061" + str(DIGEST).encode(),
    json.dumps([str(DIGEST)]).encode(),
    json.dumps({"schemaVersion": 2, "mediaType": [], "manifests": [str(DIGEST)]}).encode(),
    b'{"schemaVersion": 2, "subject": ' + b"9" * 9999 + str(DIGEST).encode(),
]


def spoil_list(folder: Path, data: bytes) -> None:
    """Write something else into the one list of referrers in a store."""
    (file,) = folder.rglob("referrers.json")
    file.write_bytes(data)


UNLISTED = [*ODD, b"", b"{}", b'{"checked":"x","manifests":[]}']


@pytest.mark.parametrize("odd", UNLISTED, ids=range(len(UNLISTED)))
async def test_unreadable_list(
    tmp_path: Path, store: FilesystemStore, repository: FiledRepository, odd: bytes
) -> None:
    """A list of referrers that can't be read is none, disturbs nothing, and is written anew."""
    await cache(repository)
    listed = Listed((image(subject=MANIFEST).as_referrer(),), 2.0)
    await repository.note_listed(MANIFEST.digest, listed)
    spoil_list(tmp_path, odd)
    found = await repository.referring(MANIFEST.digest)
    assert (found.listed, found.pushed, found.fetched) == (None, (), ())
    await repository.pin(LATEST, True)
    assert await evictable(store) == set()
    await repository.note_listed(MANIFEST.digest, listed)
    assert (await repository.referring(MANIFEST.digest)).listed == listed


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
async def test_unreadable_manifest(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution, odd: bytes
) -> None:
    """A manifest that lreg can't read is served, keeps what it names, and disturbs nothing."""
    await cache(repository)
    other = await bring(repository, b"other")
    assert await store.evict([other], idle=0) == 5
    await bring(repository, b"other")
    digest = distribution.manifest(odd, "old")
    assert (await repository.manifest(Tag("old"))).data == odd
    assert await repository.tagged(Tag("old")) == Tagged(digest, TagRecord())
    assert await referrers_of(repository, DIGEST) == []
    assert await repository.names_blob(DIGEST) == MANIFEST.layers[0]
    assert await repository.names_blob(other) is None
    assert await repository.adopt(DIGEST)
    assert await evictable(store) == {Digest.of(EMPTY), other}
    (holding,) = await store.holdings()
    assert holding.manifests == {MANIFEST.digest: len(MANIFEST.raw), digest: len(odd)}
    assert holding.tags.keys() == {LATEST, Tag("old")}
    assert await store.evict([DIGEST, other], idle=0) == 5

    outer = index(MANIFEST, annotations={"old": str(digest)})
    await repository.put_fetched(outer, LATEST, 2.0)
    await repository.pin(LATEST, True)
    assert await evictable(store) == set()
    await repository.pin(LATEST, False)
    await repository.pin(Tag("old"), True)
    await repository.note_checked(Tag("old"), digest, 3.0)
    assert await evictable(store) == {Digest.of(EMPTY)}
    assert await repository.undo(Tag("old")) == digest
    await repository.delete_manifest(digest)
    assert await evictable(store) == {DIGEST, Digest.of(EMPTY)}


async def test_pushed_by_another(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """What another registry's clients push over what was cached is theirs from then on."""
    await cache(repository)
    assert await evictable(store) == {DIGEST, Digest.of(EMPTY)}
    distribution.blob(LAYER)
    assert await evictable(store) == {Digest.of(EMPTY)}
    own = image(EMPTY)
    distribution.manifest(own.raw, "latest")
    tagged = await repository.tagged(LATEST)
    assert tagged == Tagged(own.digest, TagRecord(False, MANIFEST.digest, 1.0))
    assert await evictable(store) == set()
    assert not await repository.put_fetched(MANIFEST, LATEST, 2.0)


async def test_manifest_pushed_by_another(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """The very manifest that was cached, pushed through another registry, keeps its blobs."""
    await cache(repository)
    distribution.manifest(MANIFEST.raw, "mine")
    assert await evictable(store) == set()


async def test_deleted_by_another(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """What another registry deletes is gone, and comes from upstream again as it did."""
    await cache(repository)
    shutil.rmtree(distribution.paths.tag("latest"))
    os.unlink(distribution.paths.revision(MANIFEST.digest))
    os.unlink(distribution.paths.layer(DIGEST))
    assert await repository.tagged(LATEST) is None
    assert not repository.has_tag(LATEST)
    (holding,) = await store.holdings()
    assert (holding.manifests, DIGEST in holding.blobs) == ({}, False)
    await cache(repository)
    assert await evictable(store) == {DIGEST, Digest.of(EMPTY)}


async def test_collected(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """Content that a garbage collection took, its links left, is not counted and comes back."""
    await cache(repository)
    shutil.rmtree(os.path.dirname(distribution.layout.blob(DIGEST)))
    (holding,) = await store.holdings()
    assert holding.blobs == {Digest.of(EMPTY): len(EMPTY)}
    assert not await repository.adopt(DIGEST)
    await bring(repository, LAYER)
    assert read(await repository.blob(DIGEST)) == LAYER
    assert await evictable(store) == {DIGEST, Digest.of(EMPTY)}


async def test_other_algorithm(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """Content that is linked by another digest as well stays for that link."""
    other = Distribution(store._layout.root, OTHER.text)
    await cache(repository)
    alias = Digest.of(LAYER, Algorithm.SHA512)
    other.write(other.paths.layer(alias), str(DIGEST).encode())
    assert await evictable(store) == {Digest.of(EMPTY)}
    assert await store.evict([DIGEST, alias], idle=0) == 0
    assert read(await store.repository(OTHER).blob(alias)) == LAYER


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"fetched": 1}',
        b'{"fetched": ["x"]}',
        b'{"checked": "x"}',
        b"[" * 9999,
    ],
)
async def test_broken_record(
    repository: FiledRepository, distribution: Distribution, record: bytes
) -> None:
    """A tag whose record can't be read was pushed, to be safe."""
    await repository.put_fetched(MANIFEST, LATEST, 1.0)
    distribution.write(distribution.paths.record("latest"), record)
    assert await repository.tagged(LATEST) == Tagged(MANIFEST.digest, TagRecord())
    assert not await repository.put_fetched(index(), LATEST, 1.0)


async def test_dangling_tag(repository: FiledRepository, distribution: Distribution) -> None:
    """A tag whose manifest another program deleted is upstream's to give again."""
    await push(repository, LAYER)
    await push(repository, EMPTY)
    await repository.put_manifest(MANIFEST, [LATEST])
    os.unlink(distribution.paths.revision(MANIFEST.digest))
    assert await repository.tagged(LATEST) is None
    assert repository.has_tag(LATEST)
    assert await repository.put_fetched(index(), LATEST, 1.0)
    assert await repository.tagged(LATEST) == Tagged(
        index().digest, TagRecord(True, index().digest, 1.0)
    )


async def test_copied(store: FilesystemStore, repository: FiledRepository, tmp_path: Path) -> None:
    """A copy of the folder that keeps its times keeps what is known of origins."""
    await cache(repository)
    await store.close()
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    copy = FilesystemStore(tmp_path / "copy")
    await copy.open()
    assert await evictable(copy) == {DIGEST, Digest.of(EMPTY)}
    tagged = await copy.repository(repository.name).tagged(LATEST)
    assert tagged
    assert tagged.record.cached
    await copy.close()


async def test_odd_names(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """Whatever lies about in the tree, what is held is found."""
    await cache(repository)
    for path in (
        f"{distribution.paths.layers}/sha256/not-a-digest/link",
        f"{distribution.paths.layers}/file",
        f"{distribution.paths.revisions}/md5/00/link",
        f"{distribution.paths.tags}/-x/current/link",
        f"{distribution.paths.tags}/file",
        f"{distribution.layout.repositories}/Upper/_layers/sha256/x/link",
        f"{distribution.layout.fills}/what",
        f"{distribution.layout.fills}/sha256-00/data",
    ):
        distribution.write(path, b"")
    os.makedirs(f"{distribution.layout.repositories}/empty/_manifests")
    distribution.write(f"{distribution.layout.repositories}/odd/_layers", b"")
    assert await store.partials() == {}
    names = [holding.repository.text for holding in await store.holdings()]
    assert names == ["empty", "library/alpine", "odd"]
    assert await store.evict([DIGEST], idle=0) == len(LAYER)


async def test_vanishing(store: FilesystemStore, distribution: Distribution) -> None:
    """Repositories and content that vanish while they are looked at disturb nobody."""
    repositories = [store.repository(RepositoryName(f"r{number}")) for number in range(20)]
    for repository in repositories:
        await cache(repository)
    home = distribution.layout.repositories
    looking = [asyncio.create_task(store.holdings()) for _ in range(6)]
    for number in range(0, 20, 2):
        await asyncio.to_thread(shutil.rmtree, f"{home}/r{number}")
    for found in await asyncio.gather(*looking):
        assert {f"r{number}" for number in range(1, 20, 2)} <= {
            holding.repository.text for holding in found
        }
    await store.evict([DIGEST], idle=0)
    with pytest.raises(BlobUnknown):
        await repositories[1].blob(DIGEST)


async def test_many_repositories(store: FilesystemStore, distribution: Distribution) -> None:
    """A blob that many repositories hold is one object in memory, not as many."""
    for number in range(30):
        other = Distribution(store._layout.root, f"r{number}")
        other.blob(LAYER)
        other.manifest(MANIFEST.raw, Tag("latest").text)
    found = await store.holdings()
    assert len({id(digest) for holding in found for digest in holding.blobs}) == 1
    assert len({id(digest) for holding in found for digest in holding.manifests}) == 1
