"""A tree that lreg cached into, served and cleaned by docker-registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.caching import Listed
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import bring, source
from tests.support.images import Image, artifact, hello, multi_arch, sha256
from tests.support.registries import collect_garbage, start_docker_registry, start_lreg
from tests.support.survey import files, places

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from lreg.store.caching import CachingRepository, Holding

T = TypeVar("T")

pytestmark = pytest.mark.client("docker-registry")

WHOLE, MOVED, GONE, OWN = hello("whole"), hello("moved"), hello("gone"), hello("own")
SPARSE = multi_arch("sparse")
HUB = "docker.io/library"


def with_store(root: Path, act: Callable[[FilesystemStore], Coroutine[None, None, T]]) -> T:
    """Return what comes of using the store in this folder."""

    async def run() -> T:
        store = FilesystemStore(root)
        await store.open()
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def cache(repository: CachingRepository, image: Image, tag: str = "") -> None:
    """Bring an image from upstream."""
    manifest = Manifest.parse(image.manifest.data)
    await repository.put_fetched(manifest, Tag(tag) if tag else None, 1.0)
    for blob in image.blobs:
        await bring(repository, blob.data)


async def fill(store: FilesystemStore) -> None:
    """Cache and evict as lreg does over its life."""
    whole = store.repository(RepositoryName(f"{HUB}/whole"))
    await cache(whole, WHOLE, "v1")
    await cache(whole, WHOLE, "latest")
    await whole.pin(Tag("v1"), True)
    signature = artifact(WHOLE.manifest, "test/signature", b"signature")
    await cache(whole, signature)
    listed = Manifest.parse(signature.manifest.data).as_referrer()
    await whole.note_listed(Digest.parse(WHOLE.manifest.digest), Listed((listed,), 1.0))

    moved = store.repository(RepositoryName(f"{HUB}/moved"))
    for image in (hello("before"), MOVED):
        await cache(moved, image, "v1")

    sparse = store.repository(RepositoryName("quay.io/org/sparse"))
    await sparse.put_fetched(Manifest.parse(SPARSE.manifest.data), Tag("v1"), 1.0)
    await cache(sparse, SPARSE.images[0])

    evicted = store.repository(RepositoryName("evicted"))
    await cache(evicted, GONE, "v1")
    await store.evict([Digest.parse(blob.digest) for blob in GONE.blobs], idle=0)

    own = store.repository(RepositoryName(f"{HUB}/own"))
    await cache(own, hello("upstreams"), "v1")
    await cache(own, OWN)
    await own.put_manifest(Manifest.parse(OWN.manifest.data), [Tag("v1")])
    await own.set_until(Tag("v1"), 1e10)

    partial = own.partial(Digest.of(b"on its way"))
    await partial.ready()
    await partial.append(source(b"on its"))


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """The folder of such a store."""
    with_store(tmp_path / "store", fill)
    return tmp_path / "store"


def extra(store: Path) -> set[str]:
    """Return the names of the files in distribution's tree that are not its own."""
    return {path.rpartition("/")[2] for path in files(store)} - {"link", "data"}


async def known(store: FilesystemStore) -> list[Holding]:
    """Return what a store holds."""
    return await store.holdings()


def test_served(tmp_path: Path, cached: Path) -> None:
    """A cache goes to distribution as it is: what is whole is pulled, what is not is a plain 404.

    Its catalog and lists of tags show what lreg's do, and none of lreg's own files.
    """
    assert extra(cached) == {"fetched", "lreg.json", "referrers.json"}
    named = places(cached)
    ours = start_lreg(tmp_path, "--offline", store=cached)
    theirs = start_docker_registry(tmp_path, cached)
    try:
        with ours.wire() as mine, theirs.wire() as other:
            assert other.repositories() == mine.repositories()
            for name in named:
                assert other.tags(name) == mine.tags(name)
            for name, image in (("whole", WHOLE), ("moved", MOVED), ("own", OWN)):
                assert other.pull(f"{HUB}/{name}", "v1") == image.manifest.digest
            first = SPARSE.images[0].manifest.digest
            assert other.pull("quay.io/org/sparse", first) == first
            assert other.manifest("quay.io/org/sparse", "v1").status == 200
            missing = SPARSE.images[1].manifest.digest
            assert other.manifest("quay.io/org/sparse", missing).status == 404
            assert other.manifest("evicted", "v1").status == 200
            assert other.blob("evicted", GONE.blobs[0].digest).status == 404
    finally:
        theirs.process.kill()
        ours.stop()


def test_garbage_collector(tmp_path: Path, cached: Path) -> None:
    """`docker-registry garbage-collect` takes from a cache only what nothing names.

    What lreg knows of tags and origins is as before.
    """
    loose = b"nothing names this"

    async def leave(store: FilesystemStore) -> None:
        await bring(store.repository(RepositoryName("evicted")), loose)

    before = with_store(cached, known)
    with_store(cached, leave)
    said = collect_garbage(tmp_path, cached)
    assert f"blob eligible for deletion: {sha256(loose)}" in said
    after = with_store(cached, known)
    assert [(each.repository, each.tags) for each in after] == [
        (each.repository, each.tags) for each in before
    ]
    assert [(each.blobs, each.manifests, each.cached) for each in after] == [
        (each.blobs, each.manifests, each.cached) for each in before
    ]


def test_untagged_go_with_all_that_lreg_knew(tmp_path: Path, cached: Path) -> None:
    """What distribution deletes takes lreg's files on it along, but for empty marks of blobs."""
    theirs = start_docker_registry(tmp_path, cached)
    try:
        with theirs.wire() as wire:
            for name in places(cached):
                while tags := wire.tags(name):
                    digest = wire.manifest(name, tags[0]).headers["docker-content-digest"]
                    wire.ask("DELETE", f"/v2/{name}/manifests/{digest}").expect(202)
    finally:
        theirs.process.kill()
    collect_garbage(tmp_path, cached, "--delete-untagged")
    left = files(cached)
    assert not [path for path in left if path.endswith("lreg.json")]
    assert not [path for path in left if path.startswith("blobs/")]
    after = with_store(cached, known)
    assert not any(each.tags or each.manifests or each.blobs for each in after)

    async def again(store: FilesystemStore) -> list[Holding]:
        await cache(store.repository(RepositoryName(f"{HUB}/whole")), WHOLE, "v1")
        return await store.holdings()

    whole = next(
        each for each in with_store(cached, again) if each.repository.text.endswith("/whole")
    )
    assert whole.cached == {Digest.parse(blob.digest) for blob in WHOLE.blobs}


def test_pushed_to_meanwhile(tmp_path: Path, cached: Path) -> None:
    """What is pushed to a cache through distribution is never evicted by lreg afterwards."""
    theirs = start_docker_registry(tmp_path, cached)
    try:
        with theirs.wire() as wire:
            wire.push(f"{HUB}/whole", WHOLE, "mine")
            wire.push(f"{HUB}/moved", hello("mine"), "v1")
    finally:
        theirs.process.kill()

    async def evict(store: FilesystemStore) -> dict[str, bool]:
        holdings = await store.holdings()
        await store.evict([digest for each in holdings for digest in each.blobs], idle=0)
        return {
            f"{each.repository}:{tag}": tagged.record.cached
            for each in holdings
            for tag, tagged in each.tags.items()
        }

    origins = with_store(cached, evict)
    assert origins[f"{HUB}/whole:v1"]
    assert not origins[f"{HUB}/whole:mine"]
    assert not origins[f"{HUB}/moved:v1"]
    theirs = start_docker_registry(tmp_path, cached)
    try:
        with theirs.wire() as wire:
            assert wire.pull(f"{HUB}/whole", "mine") == WHOLE.manifest.digest
            assert wire.pull(f"{HUB}/moved", "v1") == hello("mine").manifest.digest
            assert wire.pull(f"{HUB}/own", "v1") == OWN.manifest.digest
    finally:
        theirs.process.kill()
