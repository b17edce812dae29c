"""Listings of great length."""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from lreg.store import listing
from lreg.store.layout import Layout
from lreg.store.listing import Listings, page_of_repositories, page_of_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REPOSITORIES = 10_000
TAGS = 50_000
LIMIT = 0.05


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    """A store of 10,000 repositories, one of them with 50,000 tags."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lreg-listing-", dir=memory) as root:
        made = Layout(root)
        for number in range(REPOSITORIES):
            os.makedirs(made.repository(f"org{number % 10}/app{number}").layers)
        tags = made.repository("org0/app0").tags
        os.makedirs(tags)
        os.makedirs(f"{tags}/v0/current")
        with open(f"{tags}/v0/current/link", "w", encoding="ascii") as file:
            file.write("sha256:")
        for number in range(1, TAGS):
            os.symlink("v0", f"{tags}/v{number}")
        time.sleep(0.1)  # until the times of the folders can be trusted
        yield made


def seconds(page: Callable[[str], object]) -> float:
    """Return what a warm page takes of a processor: the best of a few, at places of the list."""
    best = []
    for last in ("", "org5/app5555", "org9", "v3", "v9"):
        page(last)
        times = []
        for _ in range(5):
            start = time.thread_time()
            page(last)
            times.append(time.thread_time() - start)
        best.append(min(times))
    return max(best)


def test_catalog(layout: Layout) -> None:
    """A page of 100 of 10,000 repositories takes less than 50 ms, wherever it begins."""
    listings = Listings()
    pages = page_of_repositories(listings, layout.repositories, 100)
    assert (len(pages.items), pages.more) == (100, True)
    assert (
        seconds(lambda last: page_of_repositories(listings, layout.repositories, 100, last)) < LIMIT
    )


def test_whole_catalog(layout: Layout) -> None:
    """Page after page gives every repository once, in order."""
    listings, names = Listings(), [""]
    while True:
        page = page_of_repositories(listings, layout.repositories, 1000, names[-1])
        names += [item.text for item in page.items]
        if not page.more:
            break
    assert len(names) == REPOSITORIES + 1
    assert names == sorted(set(names))


def test_tags(layout: Layout) -> None:
    """A page of 100 of 50,000 tags takes less than 50 ms, wherever it begins."""
    listings, paths = Listings(), layout.repository("org0/app0")
    page = page_of_tags(listings, paths, 100)
    assert (len(page.items), page.more) == (100, True)
    assert seconds(lambda last: page_of_tags(listings, paths, 100, last)) < LIMIT


def test_memory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listings keep in memory is bounded, whatever the size of the tree."""
    monkeypatch.setattr(listing, "_MOST_NAMES", 1500)
    listings = Listings()
    tracemalloc.start()
    for number in (0, 3, 6):
        page_of_repositories(listings, layout.repositories, 2000, f"org{number}")
    page_of_tags(listings, layout.repository("org0/app0"), 10)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500_000


def test_racy_change(tmp_path: Path) -> None:
    """A name added right after a listing was read is in the next one."""
    listings = Listings()
    for number in range(300):
        (tmp_path / f"{number}").mkdir()
    for number in range(300, 330):
        listings.names(str(tmp_path))
        (tmp_path / f"{number}").mkdir()
        assert f"{number}" in listings.names(str(tmp_path))
