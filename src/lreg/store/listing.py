"""Sorted listings, a page at a time: the tags of a repository, the repositories of a store.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import heapq
import os
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from lreg.errors import NameInvalid, TagInvalid
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.files import settled, stamp_of
from lreg.store.protocol import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.store.files import Stamp
    from lreg.store.layout import RepositoryPaths

T = TypeVar("T")

_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_WORTH_KEEPING = 256
_MOST_NAMES = 1 << 18


class Listings:
    """The names in folders, sorted by byte.

    Folders of 256 names and more are remembered until they change: 262144 names in all, about
    24 MiB, the least recently used folder goes first. Safe to use in several threads.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Stamp, list[str]]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def names(self, folder: str) -> list[str]:
        """Return the names in the folder, none where there is no such folder."""
        try:
            status = os.stat(folder)
            with self._lock:
                stamp, names = self._kept.get(folder, (None, []))
                if stamp == stamp_of(status):
                    self._kept.move_to_end(folder)
                    return names
            names = sorted(os.listdir(folder))
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            return []
        if len(names) >= _WORTH_KEEPING:
            self._keep(folder, settled(status), names)
        return names

    def _keep(self, folder: str, stamp: Stamp | None, names: list[str]) -> None:
        with self._lock:
            if folder in self._kept:
                self._count -= len(self._kept.pop(folder)[1])
            if stamp is not None:
                self._kept[folder] = stamp, names
                self._count += len(names)
            while self._count > _MOST_NAMES:
                self._count -= len(self._kept.popitem(last=False)[1][1])


def page_of_tags(
    listings: Listings, paths: RepositoryPaths, limit: int, last: str = ""
) -> Page[Tag]:
    """Return up to `limit` tags after `last`; folders that point at nothing are no tags."""
    names = listings.names(paths.tags)
    return _page(tags_among(paths, names, bisect_right(names, last)), limit)


def page_of_repositories(
    listings: Listings, root: str, limit: int, last: str = ""
) -> Page[RepositoryName]:
    """Return up to `limit` repositories under the folder `root` after `last`."""
    return _page(repositories(listings, root, last), limit)


def _page(found: Iterator[T], limit: int) -> Page[T]:
    items = list(islice(found, max(limit, 0)))
    return Page(items, more=limit > 0 and next(found, None) is not None)


def tags_among(paths: RepositoryPaths, names: list[str], start: int = 0) -> Iterator[Tag]:
    """Yield the tags among the sorted names of folders, from the one at `start` on."""
    for index in range(start, len(names)):
        try:
            tag = Tag.parse(names[index])
        except TagInvalid:
            continue
        if os.access(paths.current(tag.text), os.F_OK):
            yield tag


def repositories(
    listings: Listings, root: str, last: str = "", prefix: str = ""
) -> Iterator[RepositoryName]:
    """Yield the repositories below `prefix` after `last`, sorted by byte.

    A folder stands for a name, and for names that go on after a slash. In between come the names
    that go on with a byte below the slash: a, a-b, a.b, a/b. So the inside of a folder waits until
    the names beside it have passed it.
    """
    names = listings.names(f"{root}/{prefix}")
    position = last[len(prefix) :] if last.startswith(prefix) else ""
    head = position.partition("/")[0]
    waiting = [f"{head[:end]}/" for end in range(1, len(head)) if _among(names, head[:end])]
    for name in names[bisect_left(names, head) :]:
        while waiting and waiting[0] < name:
            yield from _inside(listings, root, last, prefix + heapq.heappop(waiting))
        try:
            found = RepositoryName.parse(prefix + name)
        except NameInvalid:
            # No name below it is one, either: lost+found, _uploads, and what is too long.
            continue
        heapq.heappush(waiting, f"{name}/")
        if found.text > last and _is_repository(f"{root}/{found}"):
            yield found
    for inside in sorted(waiting):
        yield from _inside(listings, root, last, prefix + inside)


def _inside(listings: Listings, root: str, last: str, prefix: str) -> Iterator[RepositoryName]:
    if prefix >= last[: len(prefix)]:
        yield from repositories(listings, root, last, prefix)


def _among(names: list[str], name: str) -> bool:
    index = bisect_left(names, name)
    return index < len(names) and names[index] == name


def _is_repository(path: str) -> bool:
    return os.access(f"{path}/_manifests", os.F_OK) or os.access(f"{path}/_layers", os.F_OK)
