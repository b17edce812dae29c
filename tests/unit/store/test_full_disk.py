"""A disk that is full, and has space again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lreg.errors import ManifestUnknown, StoreFull
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.reference import Tag
from lreg.store.filesystem import FilesystemStore
from tests.contract.making import LATEST, NAME, bring, image, index, push, push_image, read, source
from tests.unit.store.checking import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path, small_disk: Callable[[Path, str], Path]) -> Path:
    """A disk of four megabytes."""
    return small_disk(tmp_path / "disk", "size=4m")


@pytest.fixture
async def store(disk: Path) -> AsyncIterator[FilesystemStore]:
    """A store on that disk."""
    made = FilesystemStore(disk / "store")
    await made.open()
    yield made
    await made.close()


def fill(disk: Path) -> Path:
    """Take all the space that is left; return the file to remove for having it back."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


async def test_upload(store: FilesystemStore, disk: Path) -> None:
    """A request that fills the disk gives back what it brought; with more space it ends well."""
    repository = store.repository(NAME)
    manifest = await push_image(repository, b"layer", tags=[LATEST])
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - MIB - 10_000)
    pieces = [bytes([number]) * 300_000 for number in range(6)]
    upload = await repository.start_upload(Algorithm.SHA256)
    await upload.append(source(*pieces[:2]))
    with pytest.raises(StoreFull):
        await upload.append(source(*pieces[2:]))
    content = b"".join(pieces)
    assert upload.offset == 600_000
    assert (disk / "store/lreg/uploads" / upload.id / "data").stat().st_size == 600_000
    assert (await repository.manifest(LATEST)).data == manifest.raw
    assert read(await repository.blob(Digest.of(b"layer"))) == b"layer"

    filler.unlink()
    await upload.append(source(content[upload.offset :]), at=upload.offset)
    await upload.commit(Digest.of(content))
    assert read(await repository.blob(Digest.of(content))) == content
    check(disk / "store")


async def test_pieces_of_an_upload(store: FilesystemStore, disk: Path) -> None:
    """A piece that fits in part is taken not at all: the offset is what the hash covers."""
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - 100_000)
    upload = await store.repository(NAME).start_upload(Algorithm.SHA256)
    with pytest.raises(StoreFull):
        await upload.append(source(b"x" * MIB))
    assert upload.offset == 0
    (data,) = (disk / "store/lreg/uploads").glob("*/data")
    assert data.stat().st_size == 0
    await upload.append(source(b"small"))
    filler.unlink()
    await upload.commit(Digest.of(b"small"))


async def test_everything_else(store: FilesystemStore, disk: Path) -> None:
    """On a full disk pushes fail in the same clear way, reading goes on, then all is well."""
    repository = store.repository(NAME)
    old = await push_image(repository, b"layer", tags=[LATEST])
    new = index(annotations={"x": "y" * 10_000})
    waiting = await repository.start_upload(Algorithm.SHA256)
    filler = fill(disk)
    with pytest.raises(StoreFull):
        await repository.start_upload(Algorithm.SHA256)
    with pytest.raises(StoreFull):
        await repository.put_manifest(new, [LATEST, Tag("new")])
    with pytest.raises(StoreFull):
        await waiting.commit(Digest.of(b""))
    assert (await repository.manifest(LATEST)).digest == old.digest
    with pytest.raises(ManifestUnknown):
        await repository.manifest(new.digest)
    assert (await repository.tags(10)).items == [LATEST]
    check(disk / "store")

    filler.unlink()
    await waiting.commit(Digest.of(b""))
    await repository.put_manifest(new, [LATEST])
    assert (await repository.manifest(LATEST)).digest == new.digest
    assert not os.listdir(disk / "store/lreg/scratch")


async def test_start(store: FilesystemStore, disk: Path) -> None:
    """A store on a full disk opens, serves, and lets things be deleted."""
    manifest = await push_image(store.repository(NAME), b"x" * MIB, tags=[LATEST])
    filler = fill(disk)
    await store.close()
    again = FilesystemStore(disk / "store")
    await again.open()
    repository = again.repository(NAME)
    assert (await repository.manifest(LATEST)).data == manifest.raw
    await repository.delete_manifest(manifest.digest)
    assert not (await repository.tags(10)).items
    filler.unlink()
    await push(repository, b"more")
    await again.close()


async def test_fill(store: FilesystemStore, disk: Path) -> None:
    """A download that fills the disk keeps what came, for its readers, and goes on with space."""
    repository = store.repository(NAME)
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - MIB - 100_000)
    pieces = [bytes([number]) * 300_000 for number in range(6)]
    content = b"".join(pieces)
    partial = repository.partial(Digest.of(content))
    await partial.ready()
    reader = partial.open()
    await partial.append(source(pieces[0]))
    with pytest.raises(StoreFull):
        await partial.append(source(*pieces[1:]))
    assert partial.offset == 900_000
    assert os.pread(reader, MIB, 0) == content[:900_000]
    with pytest.raises(StoreFull):
        await partial.append(source(*pieces[3:]))
    assert partial.offset == 900_000
    with pytest.raises(StoreFull):
        await repository.put_fetched(index(annotations={"x": "y" * 400_000}), LATEST, 1.0)
    assert await repository.tagged(LATEST) is None
    check(disk / "store")

    filler.unlink()
    await partial.append(source(content[partial.offset :]))
    await partial.commit()
    assert os.pread(reader, 2 * MIB, 0) == content
    os.close(reader)
    assert read(await repository.blob(Digest.of(content))) == content
    check(disk / "store")


async def test_discarded_fill(store: FilesystemStore, disk: Path) -> None:
    """A download that filled the disk and is discarded gives its room back to pushes at once."""
    repository = store.repository(NAME)
    digest = Digest.of(b"x" * 10 * MIB)
    partial = repository.partial(digest)
    await partial.ready()
    with pytest.raises(StoreFull):
        await partial.append(source(*[b"x" * 300_000] * 30))
    assert await store.partials() == {digest: partial.offset}
    with pytest.raises(StoreFull):
        await push(repository, b"y" * MIB)
    await partial.discard()
    assert await store.partials() == {}
    await push(repository, b"y" * 3 * MIB)


async def test_evict(store: FilesystemStore, disk: Path) -> None:
    """A full disk has space again after an eviction."""
    repository = store.repository(NAME)
    digest = await bring(repository, b"x" * MIB)
    fill(disk)
    with pytest.raises(StoreFull):
        await push(repository, b"y" * MIB)
    assert await store.evict([digest], idle=0) == MIB
    await push(repository, b"y" * (MIB // 2))


async def test_full_records(store: FilesystemStore, disk: Path) -> None:
    """Where there is no room for a change to a tag it means what it meant."""
    repository = store.repository(NAME)
    await repository.put_fetched(index(), LATEST, 1.0)
    tagged = await repository.tagged(LATEST)
    filler = fill(disk)
    for change in (
        repository.pin(LATEST, True),
        repository.note_checked(LATEST, Digest.of(b""), 2.0),
        repository.put_fetched(image(), LATEST, 2.0),
    ):
        with pytest.raises(StoreFull):
            await change
    assert await repository.tagged(LATEST) == tagged
    filler.unlink()
    await repository.pin(LATEST, True)
