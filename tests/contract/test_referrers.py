"""Which manifests refer to which."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lreg.oci import mediatypes
from lreg.oci.digest import Algorithm, Digest
from tests.contract.making import (
    EMPTY,
    LATEST,
    OTHER,
    image,
    index,
    push,
    push_image,
    referrers_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.protocol import Repository, Store


async def test_none(repository: Repository) -> None:
    """Where nothing refers to a digest the list is empty, whether that is there or not."""
    assert await referrers_of(repository, Digest.of(b"nothing")) == []
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    assert await referrers_of(repository, manifest.digest) == []


async def test_found(store: Store, repository: Repository) -> None:
    """Images and indexes that refer to a manifest are listed, with type and annotations."""
    subject = await push_image(repository, b"layer")
    first = await push_image(
        repository, subject=subject, artifactType="test/sbom", annotations={"a": "b"}
    )
    second = index(subject=subject, artifactType="test/index")
    await repository.put_manifest(second)
    await push_image(repository, b"unrelated", subject=first)
    expected = sorted((first, second), key=lambda manifest: manifest.digest)
    found = await referrers_of(repository, subject.digest)
    assert found == [manifest.as_referrer() for manifest in expected]
    assert {item.artifact_type for item in found} == {"test/sbom", "test/index"}
    assert {"a": "b"} in [item.annotations for item in found]
    assert await referrers_of(store.repository(OTHER), subject.digest) == []


async def test_subject_later(repository: Repository) -> None:
    """Referrers are found before their subject is pushed, after, and when it is deleted."""
    subject = image(b"layer")
    referrer = await push_image(repository, subject=subject)
    expected = [referrer.as_referrer()]
    assert await referrers_of(repository, subject.digest) == expected
    await push_image(repository, b"layer")
    assert await referrers_of(repository, subject.digest) == expected
    await repository.delete_manifest(subject.digest)
    assert await referrers_of(repository, subject.digest) == expected


async def test_deleted_and_back(repository: Repository) -> None:
    """A deleted referrer leaves the list, and is in it again when it was pushed again."""
    subject = image(b"layer")
    first = await push_image(repository, subject=subject)
    second = await push_image(repository, subject=subject, annotations={"second": "yes"})
    assert len(await referrers_of(repository, subject.digest)) == 2
    await repository.delete_manifest(first.digest)
    assert await referrers_of(repository, subject.digest) == [second.as_referrer()]
    await asyncio.sleep(0.1)
    assert await referrers_of(repository, subject.digest) == [second.as_referrer()]
    await repository.put_manifest(first)
    assert len(await referrers_of(repository, subject.digest)) == 2


async def test_deleted_before_asked(repository: Repository) -> None:
    """A referrer that was deleted before anyone asked is in the list once it is back."""
    subject = image(b"layer")
    referrer = await push_image(repository, subject=subject)
    await repository.delete_manifest(referrer.digest)
    await asyncio.sleep(0.1)
    assert await referrers_of(repository, subject.digest) == []
    await repository.put_manifest(referrer)
    assert await referrers_of(repository, subject.digest) == [referrer.as_referrer()]


async def test_sha512(repository: Repository) -> None:
    """Subjects and referrers may be called by sha512 digests."""
    await push(repository, EMPTY)
    subject = image(algorithm=Algorithm.SHA512)
    referrer = image(subject=subject, algorithm=Algorithm.SHA512)
    await repository.put_manifest(referrer)
    assert await referrers_of(repository, subject.digest) == [referrer.as_referrer()]
    assert await referrers_of(repository, image().digest) == []


async def test_artifact_type_of_config(repository: Repository) -> None:
    """Without an artifactType of its own an image is listed with its config's type."""
    subject = image()
    await push_image(repository, subject=subject)
    (found,) = await referrers_of(repository, subject.digest)
    assert found.artifact_type == mediatypes.OCI_CONFIG


async def test_asked_at_once(repository: Repository) -> None:
    """Many questions at once, beside pushes, get lists that are right for their moment."""
    subject = image(b"layer")
    await push(repository, EMPTY)
    manifests = [image(subject=subject, annotations={"n": str(n)}) for n in range(20)]

    async def ask() -> int:
        return len(await referrers_of(repository, subject.digest))

    for manifest in manifests:
        counts = asyncio.gather(*(ask() for _ in range(4)))
        await repository.put_manifest(manifest)
        await counts
    assert await asyncio.gather(*(ask() for _ in range(8))) == [20] * 8


async def test_after_restart(make_store: Callable[[], Store]) -> None:
    """Referrers are found again when the store is opened again."""
    store = make_store()
    await store.open()
    subject = image(b"layer")
    referrer = await push_image(store.repository(OTHER), subject=subject)
    await store.close()
    store = make_store()
    await store.open()
    found = await referrers_of(store.repository(OTHER), subject.digest)
    assert found == [referrer.as_referrer()]
    await store.close()
