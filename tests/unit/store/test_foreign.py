"""A tree that another program writes: distribution, its garbage collection, a backup."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown, NameUnknown
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.reference import Tag
from lreg.store import tree
from tests.contract.making import (
    EMPTY,
    LATEST,
    NAME,
    OTHER,
    image,
    index,
    push,
    push_image,
    read,
    referrers_of,
)

if TYPE_CHECKING:
    from lreg.oci.manifest import Manifest
    from lreg.store.filesystem import FilesystemStore
    from lreg.store.repository import FiledRepository
    from tests.unit.store.distribution import Distribution

SETTLED = 0.1  # seconds after which lreg trusts a file's times


def numbered(number: int) -> Manifest:
    return index(annotations={"number": str(number)})


async def test_served(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """What another program wrote is served, listed and deleted like lreg's own."""
    with pytest.raises(NameUnknown):
        await repository.tags(10)
    layer = distribution.blob(b"layer")
    digest = distribution.manifest(index().raw, "latest")
    assert read(await repository.blob(layer)) == b"layer"
    assert (await repository.manifest(LATEST)).digest == digest
    assert (await repository.tags(10)).items == [LATEST]
    assert (await store.repositories(10)).items == [NAME]
    await repository.delete_manifest(digest)
    assert (await repository.tags(10)).items == []


async def test_tag_rewritten(repository: FiledRepository, distribution: Distribution) -> None:
    """A tag that another program moves, in place, is seen at the next request."""
    distribution.manifest(numbered(0).raw, "latest")
    for number in range(1, 20):
        if number % 4 == 0:
            await asyncio.sleep(SETTLED)
        await repository.manifest(LATEST)
        digest = distribution.manifest(numbered(number).raw, "latest")
        held = repository.held(LATEST) or await repository.manifest(LATEST)
        assert held.digest == digest


async def test_removed(repository: FiledRepository, distribution: Distribution) -> None:
    """What another program removes is gone at the next request, from memory as well."""
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    layer = Digest.of(b"layer")
    await asyncio.sleep(SETTLED)
    await repository.manifest(LATEST)
    await repository.manifest(manifest.digest)
    await repository.blob(layer)
    assert repository.held(LATEST)
    assert repository.held(manifest.digest)
    assert repository.held_blob(layer)
    shutil.rmtree(distribution.paths.tag("latest"))
    os.unlink(distribution.paths.revision(manifest.digest))
    os.unlink(distribution.paths.layer(layer))
    assert not repository.held(LATEST)
    assert not repository.held(manifest.digest)
    assert not repository.held_blob(layer)


async def test_collected(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """A blob that a garbage collection took, its link left, is unknown, and pushed again whole."""
    digest = await push(repository, b"layer")
    await push(repository, EMPTY)
    await asyncio.sleep(SETTLED)
    await repository.blob(digest)
    shutil.rmtree(os.path.dirname(distribution.layout.blob(digest)))
    assert repository.held_blob(digest) is None
    with pytest.raises(BlobUnknown):
        await repository.blob(digest)
    assert not await store.repository(OTHER).mount(digest, NAME)
    with pytest.raises(ManifestBlobUnknown):
        await repository.put_manifest(image(b"layer"), [LATEST])
    await push(repository, b"layer")
    await repository.put_manifest(image(b"layer"), [LATEST])
    assert read(await repository.blob(digest)) == b"layer"


async def test_manifest_collected(repository: FiledRepository, distribution: Distribution) -> None:
    """A manifest whose content is gone is unknown, by tag and by digest, and no referrer."""
    subject = image()
    manifest = index(subject=subject)
    await repository.put_manifest(manifest, [LATEST])
    assert len(await referrers_of(repository, subject.digest)) == 1
    os.unlink(distribution.layout.blob(manifest.digest))
    for want in (LATEST, manifest.digest):
        with pytest.raises(ManifestUnknown):
            await repository.manifest(want)
    assert not await referrers_of(repository, subject.digest)


async def test_cut_short(repository: FiledRepository, distribution: Distribution) -> None:
    """A blob that another program left cut short is put right by the next push of it."""
    digest = Digest.of(b"content")
    distribution.write(distribution.layout.blob(digest), b"cont")
    await push(repository, b"content")
    assert read(await repository.blob(digest)) == b"content"


async def test_dangling_tag(repository: FiledRepository, distribution: Distribution) -> None:
    """A tag whose manifest another program deleted is unknown."""
    digest = distribution.manifest(index().raw, "latest")
    os.unlink(distribution.paths.revision(digest))
    with pytest.raises(ManifestUnknown):
        await repository.manifest(LATEST)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"sha256:", b"md5:00", b"\xff" * 80])
async def test_broken_link(
    repository: FiledRepository, distribution: Distribution, content: bytes
) -> None:
    """A link that says nothing is as good as none."""
    digest = distribution.manifest(index().raw, "latest")
    distribution.write(distribution.paths.current("latest"), content)
    distribution.write(distribution.paths.layer(digest), content)
    with pytest.raises(ManifestUnknown):
        await repository.manifest(LATEST)
    with pytest.raises(BlobUnknown):
        await repository.blob(digest)


async def test_link_with_newline(repository: FiledRepository, distribution: Distribution) -> None:
    """A link that a person wrote, with a newline, is read."""
    digest = distribution.manifest(index().raw, "latest")
    distribution.write(distribution.paths.current("latest"), f"{digest}\n".encode())
    assert (await repository.manifest(LATEST)).digest == digest


async def test_moment_of_rewriting(
    repository: FiledRepository, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is empty because it is being rewritten is waited for."""
    monkeypatch.setattr(tree, "_PATIENCE", 10_000)
    digest = distribution.manifest(index().raw, "latest")
    path = distribution.paths.current("latest")
    distribution.write(path, b"")
    reading = asyncio.create_task(repository.manifest(LATEST))
    await asyncio.sleep(0.004)
    distribution.write(path, str(digest).encode())
    assert (await reading).digest == digest


async def test_other_algorithm(repository: FiledRepository, distribution: Distribution) -> None:
    """A blob that distribution linked by sha512, stored by sha256, is served and mounted."""
    canonical = distribution.blob(b"content")
    alias = Digest.of(b"content", Algorithm.SHA512)
    distribution.write(distribution.paths.layer(alias), str(canonical).encode())
    blob = await repository.blob(alias)
    assert (blob.digest, read(blob)) == (alias, b"content")
    assert await repository.mount(alias, NAME)


@pytest.mark.parametrize(
    ("fields", "media_type"),
    [
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ({"schemaVersion": 2, "mediaType": "application/x"}, "application/x"),
        ({"schemaVersion": 1, "mediaType": "a/b\r\nX: y"}, "application/vnd.docker.distribution"),
        ({"schemaVersion": 3}, "application/octet-stream"),
    ],
)
async def test_other_manifests(
    repository: FiledRepository,
    distribution: Distribution,
    fields: dict[str, object],
    media_type: str,
) -> None:
    """A manifest of a kind that lreg would not take is served as what it says it is."""
    raw = json.dumps(fields).encode()
    distribution.manifest(raw, "old")
    held = await repository.manifest(Tag("old"))
    assert held.data == raw
    assert held.media_type.startswith(media_type)
    assert "\n" not in held.media_type


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[1]", b"[" * 100_000])
async def test_no_manifest_at_all(
    repository: FiledRepository, distribution: Distribution, raw: bytes
) -> None:
    """Even what is not JSON is served, and disturbs no list of referrers."""
    distribution.manifest(raw, "odd")
    assert (await repository.manifest(Tag("odd"))).data == raw
    assert await referrers_of(repository, Digest.of(b"")) == []


async def test_referrers(repository: FiledRepository, distribution: Distribution) -> None:
    """Referrers that another program pushes are listed, whenever their link comes."""
    subject = image()
    first, second = index(subject=subject), index(subject=subject, artifactType="a/b")
    distribution.manifest(first.raw, "first")
    assert await referrers_of(repository, subject.digest) == [first.as_referrer()]
    link = distribution.paths.revision(second.digest)
    distribution.write(distribution.layout.blob(second.digest), second.raw)
    os.makedirs(os.path.dirname(link))
    await asyncio.sleep(SETTLED)
    assert len(await referrers_of(repository, subject.digest)) == 1
    distribution.write(link, str(second.digest).encode())
    assert len(await referrers_of(repository, subject.digest)) == 2


async def test_odd_names(
    store: FilesystemStore, repository: FiledRepository, distribution: Distribution
) -> None:
    """Files and folders that are no tags and no repositories are passed over."""
    distribution.manifest(index().raw, "latest")
    distribution.write(f"{distribution.paths.tags}/.nfs0001", b"")
    distribution.write(f"{distribution.paths.tags}/file", b"")
    distribution.write(f"{distribution.paths.tags}/-x/current/link", b"sha256:")
    os.makedirs(f"{distribution.paths.tags}/unfinished/index")
    distribution.write(f"{distribution.layout.repositories}/file", b"")
    os.makedirs(f"{distribution.layout.repositories}/Upper/_manifests")
    os.makedirs(f"{distribution.layout.repositories}/_odd/_manifests")
    os.makedirs(f"{distribution.layout.repositories}/empty/inside")
    os.makedirs(f"{distribution.layout.repositories}/lost+found/x/_manifests")
    os.symlink(".", f"{distribution.layout.repositories}/empty/round")
    os.makedirs(f"{distribution.layout.repositories}/{'/'.join('d' * 200)}/_manifests")
    assert (await repository.tags(10)).items == [LATEST]
    assert (await store.repositories(10)).items == [NAME]
