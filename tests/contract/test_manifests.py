"""Manifests and tags."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from lreg.errors import ManifestBlobUnknown, ManifestUnknown, NameUnknown
from lreg.oci import mediatypes
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import Tag
from lreg.store.protocol import Held
from tests.contract.making import (
    EMPTY,
    LATEST,
    OTHER,
    describe,
    image,
    index,
    push,
    push_image,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.store.protocol import Repository, Store

V1, V2 = Tag.parse("v1"), Tag.parse("v2")


async def test_push(repository: Repository) -> None:
    """A manifest is pulled by digest and by tag, byte for byte, with its type."""
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    held = Held(manifest.digest, mediatypes.OCI_MANIFEST, manifest.raw)
    assert await repository.manifest(LATEST) == held
    assert await repository.manifest(manifest.digest) == held


async def test_byte_exact(repository: Repository) -> None:
    """Spaces and the order of keys are kept: the digest is of the bytes."""
    await push(repository, EMPTY)
    value = {"config": describe(EMPTY), "layers": None, "schemaVersion": 2}
    manifest = Manifest.parse(json.dumps(value, indent=7).encode() + b"\n")
    await repository.put_manifest(manifest)
    held = await repository.manifest(manifest.digest)
    assert (held.data, held.media_type) == (manifest.raw, mediatypes.OCI_MANIFEST)


@pytest.mark.parametrize("media_type", mediatypes.ALL_MANIFESTS)
async def test_types(repository: Repository, media_type: str) -> None:
    """Images and indexes keep their type, OCI's and Docker's."""
    await push(repository, EMPTY)
    made = image if media_type in mediatypes.MANIFESTS else index
    manifest = made(mediaType=media_type)
    await repository.put_manifest(manifest, [LATEST])
    assert (await repository.manifest(LATEST)).media_type == media_type


async def test_sha512(repository: Repository) -> None:
    """A manifest can be called by its sha512 digest, and tagged with that."""
    await push(repository, EMPTY)
    manifest = image(algorithm=Algorithm.SHA512)
    await repository.put_manifest(manifest, [LATEST])
    assert (await repository.manifest(manifest.digest)).data == manifest.raw
    assert (await repository.manifest(LATEST)).digest == manifest.digest
    with pytest.raises(ManifestUnknown):
        await repository.manifest(Digest.of(manifest.raw))


async def test_unknown(repository: Repository) -> None:
    """What is not there is unknown; where nothing was ever pushed, the name is."""
    for want in (LATEST, Digest.of(b"nothing")):
        with pytest.raises(NameUnknown):
            await repository.manifest(want)
        with pytest.raises(NameUnknown):
            await repository.delete_manifest(want)
    await push(repository, EMPTY)
    for want in (LATEST, Digest.of(b"nothing")):
        with pytest.raises(ManifestUnknown):
            await repository.manifest(want)
        with pytest.raises(ManifestUnknown):
            await repository.delete_manifest(want)


async def test_blobs_first(store: Store, repository: Repository) -> None:
    """A manifest is refused while this repository lacks a blob that it names, and says which."""
    await push(repository, EMPTY)
    await push(store.repository(OTHER), b"layer")
    manifest = image(b"layer", b"another")
    with pytest.raises(ManifestBlobUnknown) as caught:
        await repository.put_manifest(manifest, [LATEST])
    assert caught.value.detail == {
        "digests": [str(Digest.of(b"layer")), str(Digest.of(b"another"))]
    }
    for want in (LATEST, manifest.digest):
        with pytest.raises(ManifestUnknown):
            await repository.manifest(want)
    await push(repository, b"layer")
    await push(repository, b"another")
    await repository.put_manifest(manifest, [LATEST])
    assert (await repository.manifest(LATEST)).digest == manifest.digest


async def test_config_first(repository: Repository) -> None:
    """The config of an image must be there, too."""
    await push(repository, b"layer")
    with pytest.raises(ManifestBlobUnknown):
        await repository.put_manifest(image(b"layer"))


@pytest.mark.parametrize(
    "layer",
    [
        describe(b"far", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        describe(b"far", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        describe(b"far") | {"urls": ["https://example.com/far"]},
    ],
)
async def test_layers_elsewhere(repository: Repository, layer: dict[str, object]) -> None:
    """Layers that may not be distributed, or lie at a URL, need not be here."""
    await push(repository, EMPTY)
    await repository.put_manifest(image(layers=[layer]), [LATEST])
    assert (await repository.manifest(LATEST)).media_type == mediatypes.OCI_MANIFEST


async def test_sparse_index(repository: Repository) -> None:
    """An index may name manifests that are not here, in a repository that holds nothing else."""
    sparse = index(image(b"elsewhere"))
    await repository.put_manifest(sparse, [LATEST])
    assert (await repository.manifest(LATEST)).data == sparse.raw


async def test_subject_may_be_missing(repository: Repository) -> None:
    """A manifest may refer to a subject that is not here."""
    manifest = await push_image(repository, b"layer", subject=image(b"elsewhere"))
    assert (await repository.manifest(manifest.digest)).data == manifest.raw


async def test_move_tag(repository: Repository) -> None:
    """A tag goes where it was pushed last; what it pointed at before stays, by digest."""
    old = await push_image(repository, b"old", tags=[LATEST, V1])
    new = await push_image(repository, b"new", tags=[LATEST])
    assert (await repository.manifest(LATEST)).digest == new.digest
    assert (await repository.manifest(V1)).digest == old.digest
    assert (await repository.manifest(old.digest)).data == old.raw
    await repository.put_manifest(old, [LATEST])
    assert (await repository.manifest(LATEST)).digest == old.digest


async def test_held(repository: Repository) -> None:
    """A manifest that was read comes from memory at once, until its tag moves or goes."""
    old = await push_image(repository, b"old", tags=[LATEST])
    assert repository.held(LATEST) is None
    await asyncio.sleep(0.1)
    held = await repository.manifest(LATEST)
    await repository.manifest(old.digest)
    assert repository.held(LATEST) == repository.held(old.digest) == held
    new = await push_image(repository, b"new", tags=[LATEST])
    assert repository.held(LATEST) is None
    assert (await repository.manifest(LATEST)).digest == new.digest
    assert repository.held(old.digest) == held
    await repository.delete_manifest(old.digest)
    assert repository.held(old.digest) is None


async def test_delete_tag(repository: Repository) -> None:
    """A deleted tag is gone; its manifest and the other tags on it stay."""
    manifest = await push_image(repository, b"layer", tags=[V1, V2])
    await repository.delete_manifest(V1)
    with pytest.raises(ManifestUnknown):
        await repository.manifest(V1)
    with pytest.raises(ManifestUnknown):
        await repository.delete_manifest(V1)
    assert (await repository.manifest(V2)).digest == manifest.digest
    assert (await repository.manifest(manifest.digest)).data == manifest.raw
    assert (await repository.tags(10)).items == [V2]


async def test_delete_manifest(repository: Repository) -> None:
    """A manifest deleted by digest takes along the tags on it, and no others."""
    gone = await push_image(repository, b"gone", tags=[LATEST, V1])
    stays = await push_image(repository, b"stays", tags=[LATEST, V2])
    await repository.delete_manifest(gone.digest)
    for want in (gone.digest, V1):
        with pytest.raises(ManifestUnknown):
            await repository.manifest(want)
    assert (await repository.manifest(LATEST)).digest == stays.digest
    assert (await repository.tags(10)).items == [LATEST, V2]
    with pytest.raises(ManifestUnknown):
        await repository.delete_manifest(gone.digest)


async def test_come_back(repository: Repository) -> None:
    """What was deleted can be pushed again."""
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    await repository.delete_manifest(manifest.digest)
    await repository.put_manifest(manifest, [LATEST])
    assert (await repository.manifest(LATEST)).data == manifest.raw


async def test_same_manifest_elsewhere(store: Store, repository: Repository) -> None:
    """A manifest is in the repositories that it was pushed to, and deleted in one only."""
    manifest = index()
    other = store.repository(OTHER)
    await repository.put_manifest(manifest, [LATEST])
    with pytest.raises(NameUnknown):
        await other.manifest(manifest.digest)
    await other.put_manifest(manifest, [LATEST])
    await repository.delete_manifest(manifest.digest)
    assert (await other.manifest(LATEST)).data == manifest.raw


async def test_large_manifest(repository: Repository) -> None:
    """A manifest of four megabytes is kept whole."""
    manifest = index(annotations={"a": "x" * (4_000_000)})
    await repository.put_manifest(manifest, [LATEST])
    assert (await repository.manifest(LATEST)).data == manifest.raw


async def test_manifest_that_is_a_blob(repository: Repository) -> None:
    """The same bytes may be a manifest and a blob, each with its type."""
    manifest = index()
    await push(repository, manifest.raw)
    await repository.put_manifest(manifest)
    await asyncio.sleep(0.1)
    for _ in range(2):
        blob = repository.held_blob(manifest.digest) or await repository.blob(manifest.digest)
        held = repository.held(manifest.digest) or await repository.manifest(manifest.digest)
        assert (blob.media_type, held.media_type) == (
            "application/octet-stream",
            mediatypes.OCI_INDEX,
        )
        assert read(blob) == held.data


async def test_after_restart(make_store: Callable[[], Store]) -> None:
    """What was acknowledged is there when the store is opened again."""
    store = make_store()
    await store.open()
    manifest = await push_image(store.repository(OTHER), b"layer", tags=[LATEST])
    await store.close()
    store = make_store()
    await store.open()
    assert (await store.repository(OTHER).manifest(LATEST)).data == manifest.raw
    await store.close()
