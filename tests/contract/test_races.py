"""Several clients at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.errors import ManifestBlobUnknown, ManifestUnknown
from lreg.oci.reference import Tag
from tests.contract.making import EMPTY, LATEST, image, index, push, push_image

if TYPE_CHECKING:
    from lreg.oci.manifest import Manifest
    from lreg.store.protocol import Repository, Store

ROUNDS = 15


def numbered(count: int) -> list[Manifest]:
    """Return as many different indexes."""
    return [index(annotations={"number": str(number)}) for number in range(count)]


async def whole(repository: Repository) -> None:
    """Fail where a tag is listed that does not resolve to a manifest that is here."""
    for tag in (await repository.tags(1000)).items:
        held = await repository.manifest(tag)
        assert (await repository.manifest(held.digest)).data == held.data


async def test_two_pushers(repository: Repository) -> None:
    """Of several pushes of one tag at once one wins, and all manifests are there."""
    manifests = numbered(8)
    for _ in range(ROUNDS):
        await asyncio.gather(*(repository.put_manifest(made, [LATEST]) for made in manifests))
        assert (await repository.manifest(LATEST)).data in [made.raw for made in manifests]
    for made in manifests:
        assert (await repository.manifest(made.digest)).data == made.raw


async def test_new_tag_at_once(repository: Repository) -> None:
    """A tag that many make at the same moment points at one of their manifests."""
    for number in range(ROUNDS):
        tag = Tag(f"v{number}")
        made = numbered(4)
        await asyncio.gather(*(repository.put_manifest(one, [tag]) for one in made))
        assert (await repository.manifest(tag)).digest in [one.digest for one in made]


async def test_reader_beside_pusher(repository: Repository) -> None:
    """A reader always gets one of the manifests that a moving tag pointed at, never an error."""
    first, second = numbered(2)
    await repository.put_manifest(first, [LATEST])
    moving = True

    async def read() -> int:
        count = 0
        while moving:
            held = repository.held(LATEST) or await repository.manifest(LATEST)
            assert held.data in (first.raw, second.raw)
            assert (await repository.tags(10)).items == [LATEST]
            count += 1
        return count

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for _ in range(ROUNDS):
        await repository.put_manifest(second, [LATEST])
        await repository.put_manifest(first, [LATEST])
    moving = False
    assert all(await asyncio.gather(*readers))


async def test_delete_beside_push(repository: Repository) -> None:
    """A manifest that is pushed and deleted at once is there or not, and so is its tag."""
    manifest = index()
    for _ in range(ROUNDS):
        await repository.put_manifest(manifest, [LATEST])
        results = await asyncio.gather(
            repository.delete_manifest(manifest.digest),
            repository.put_manifest(manifest, [LATEST]),
            repository.delete_manifest(LATEST),
            return_exceptions=True,
        )
        assert all(result is None or isinstance(result, ManifestUnknown) for result in results)
        await whole(repository)


async def test_blob_deleted_beside_push(repository: Repository) -> None:
    """A manifest pushed beside the deletion of its layer is taken or refused, nothing else."""
    manifest = image(b"layer")
    await push(repository, EMPTY)
    for _ in range(ROUNDS):
        digest = await push(repository, b"layer")
        _, outcome = await asyncio.gather(
            repository.delete_blob(digest),
            repository.put_manifest(manifest, [LATEST]),
            return_exceptions=True,
        )
        assert outcome is None or isinstance(outcome, ManifestBlobUnknown)
        await whole(repository)


async def test_two_deletes(repository: Repository) -> None:
    """Of several deletions of one manifest at once one succeeds."""
    manifest = index()
    for _ in range(ROUNDS):
        await repository.put_manifest(manifest, [LATEST])
        results = await asyncio.gather(
            *(repository.delete_manifest(manifest.digest) for _ in range(4)), return_exceptions=True
        )
        assert results.count(None) == 1


async def test_images_with_shared_layers(store: Store, repository: Repository) -> None:
    """Images that share layers, pushed at once to one repository and others, are all whole."""

    async def one(number: int) -> None:
        target = store.repository(repository.name) if number % 2 else repository
        await push_image(target, b"base", f"{number}".encode(), tags=[Tag(f"t{number}")])

    await asyncio.gather(*(one(number) for number in range(20)))
    assert len((await repository.tags(100)).items) == 20
    await whole(repository)


async def test_cancelled_push(repository: Repository) -> None:
    """A push whose client goes away leaves a tag that is right, old or new."""
    first, second = numbered(2)
    await repository.put_manifest(first, [LATEST])
    for delay in range(ROUNDS):
        pushing = asyncio.create_task(repository.put_manifest(second, [LATEST]))
        await asyncio.sleep(delay / 5000)
        pushing.cancel()
        await asyncio.wait([pushing])
        assert (await repository.manifest(LATEST)).data in (first.raw, second.raw)
        await repository.put_manifest(first, [LATEST])
        with pytest.raises(ManifestUnknown):
            await repository.manifest(Tag("other"))
