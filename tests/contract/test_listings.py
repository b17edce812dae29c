"""The catalog and the lists of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import NameUnknown
from lreg.oci.reference import RepositoryName, Tag
from tests.contract.making import EMPTY, LATEST, all_pages, index, push

if TYPE_CHECKING:
    from lreg.store.protocol import Repository, Store

NAMES = [
    "a",
    "a-b",
    "a-b/c",
    "a.b",
    "a/b",
    "a/b-c",
    "a/b/c",
    "a/b_c",
    "a0",
    "a_b",
    "b/c/d/e",
    "docker.io/library/alpine",
    "docker.io/library/busybox",
]
TAGS = ["0", "1.0", "1.0-rc1", "A", "Z", "_x", "a", "latest", "v1", "v10", "v2"]


async def test_empty(store: Store) -> None:
    """An empty store lists nothing."""
    page = await store.repositories(100)
    assert (page.items, page.more) == ([], False)


@pytest.mark.parametrize("limit", [1, 2, 3, 12, 13, 14, 1000])
async def test_repositories(store: Store, limit: int) -> None:
    """Every repository is listed once, sorted by byte, whatever the size of a page."""
    for name in reversed(NAMES):
        await store.repository(RepositoryName(name)).put_manifest(index(), [LATEST])
    assert await all_pages(store.repositories, limit) == NAMES == sorted(NAMES)


@pytest.mark.parametrize("last", ["", "0", "a", "a-", "a.", "a/", "a/b/", "a/b/d", "b", "c", "~"])
async def test_repositories_after(store: Store, last: str) -> None:
    """A page begins after any text, whether a repository is called that or not."""
    for name in NAMES:
        await store.repository(RepositoryName(name)).put_manifest(index())
    page = await store.repositories(100, last)
    assert [item.text for item in page.items] == [name for name in NAMES if name > last]


async def test_blobs_make_a_repository(store: Store) -> None:
    """A repository that holds a blob only is listed, the folders above its name are not."""
    await push(store.repository(RepositoryName("x/y/z")), EMPTY)
    assert (await store.repositories(10)).items == [RepositoryName("x/y/z")]
    with pytest.raises(NameUnknown):
        await store.repository(RepositoryName("x/y")).tags(10)


@pytest.mark.parametrize("limit", [1, 2, 10, 11, 12, 1000])
async def test_tags(repository: Repository, limit: int) -> None:
    """Every tag is listed once, sorted by byte, whatever the size of a page."""
    await repository.put_manifest(index(), [Tag(tag) for tag in reversed(TAGS)])
    assert await all_pages(repository.tags, limit) == TAGS == sorted(TAGS)


@pytest.mark.parametrize("last", ["", "0", "1", "1.0", "B", "v", "v1", "v2", "w"])
async def test_tags_after(repository: Repository, last: str) -> None:
    """A page begins after any text, whether there is such a tag or not."""
    await repository.put_manifest(index(), [Tag(tag) for tag in TAGS])
    page = await repository.tags(100, last)
    assert [item.text for item in page.items] == [tag for tag in TAGS if tag > last]
    assert not page.more


async def test_no_tags(repository: Repository) -> None:
    """A repository without tags has an empty list; a name without repository has none."""
    with pytest.raises(NameUnknown):
        await repository.tags(10)
    await push(repository, EMPTY)
    assert (await repository.tags(10)).items == []
    await repository.put_manifest(index(), [LATEST])
    await repository.delete_manifest(LATEST)
    page = await repository.tags(10)
    assert (page.items, page.more) == ([], False)


async def test_limit_of_nothing(store: Store, repository: Repository) -> None:
    """A page of nothing is empty and has no next one."""
    await repository.put_manifest(index(), [LATEST])
    for page in (await repository.tags(0), await store.repositories(0)):
        assert (page.items, page.more) == ([], False)


async def test_many_and_changing(repository: Repository) -> None:
    """A long list shows every change made since it was last read."""
    tags = [Tag(f"t{number:04}") for number in range(300)]
    await repository.put_manifest(index(), tags)
    assert (await repository.tags(1000)).items == tags
    assert (await repository.tags(1000)).items == tags
    await repository.delete_manifest(tags[7])
    await repository.put_manifest(index(), [Tag("u")])
    assert (await repository.tags(1000)).items == [*tags[:7], *tags[8:], Tag("u")]
