"""What every repository holds, and what of it may go: one walk over the tree, whoever wrote it.

Everything here blocks, for seconds where there is much: call it in a thread. The tree may change
meanwhile; what vanishes is passed over.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lreg.store import naming
from lreg.store.caching import Holding
from lreg.store.listing import repositories, tags_among
from lreg.store.tagging import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import Tagged
    from lreg.store.claims import Claims
    from lreg.store.layout import RepositoryPaths
    from lreg.store.listing import Listings
    from lreg.store.tree import Tree
    from lreg.store.uses import Uses


@dataclass(frozen=True, slots=True)
class _File:
    """The content behind a link: the digest that it lies under, its size and last use."""

    target: Digest
    size: int
    used: float


@dataclass(frozen=True, slots=True)
class _Roots:
    """Manifests of a repository whose content stays: those pushed, and what pinned tags mean."""

    pushed: list[Digest]
    pinned: list[Digest]


class Survey:
    """One walk over the tree."""

    def __init__(self, tree: Tree, listings: Listings, uses: Uses) -> None:
        self._tree = tree
        self._listings = listings
        self._uses = uses
        self._files: dict[Digest, _File] = {}
        self._kept: set[Digest] = set()
        self._roots: dict[RepositoryName, _Roots] = {}

    def holdings(self) -> list[Holding]:
        """Return what every repository holds, sorted by name."""
        layout = self._tree.layout
        found = [
            self._look_at(name, layout.repository(name.text))
            for name in repositories(self._listings, layout.repositories)
        ]
        evictable = {digest for holding in found for digest in holding.cached} - self._kept
        if evictable:
            for name, roots in self._roots.items():
                paths = layout.repository(name.text)
                evictable -= self._named(paths, roots.pushed, lists=False)
                # What is pinned stays with all that proves what it is.
                evictable -= self._named(paths, roots.pinned, lists=True)
        return [replace(holding, cached=holding.cached & evictable) for holding in found]

    def tagged(self, prefix: str) -> dict[RepositoryName, Mapping[Tag, Tagged]]:
        """Return the tags of the repositories whose names begin with `prefix`, sorted by name."""
        layout = self._tree.layout
        found: dict[RepositoryName, Mapping[Tag, Tagged]] = {}
        for name in repositories(self._listings, layout.repositories, _just_before(prefix)):
            if not name.text.startswith(prefix):
                break
            found[name] = self._tags(layout.repository(name.text))
        return found

    def _look_at(self, name: RepositoryName, paths: RepositoryPaths) -> Holding:
        """Return what one repository holds, `cached` as far as its own links tell."""
        pushed: list[Digest] = []
        manifests: dict[Digest, int] = {}
        for digest, path, file in self._content(paths.revisions, paths.revision):
            manifests[digest] = file.size
            self._kept |= {digest, file.target}
            if not self._tree.is_fetched(path):
                pushed.append(digest)
        blobs: dict[Digest, int] = {}
        used: dict[Digest, float] = {}
        cached = set()
        for digest, path, file in self._content(paths.layers, paths.layer):
            blobs[digest], used[digest] = file.size, file.used
            if file.target == digest and self._tree.is_fetched(path):
                cached.add(digest)
            else:
                self._kept |= {digest, file.target}
        tags = self._tags(paths)
        pinned = [tagged.digest for tagged in tags.values() if tagged.record.pinned]
        self._roots[name] = _Roots(pushed, pinned)
        return Holding(name, tags, manifests, blobs, frozenset(cached), used)

    def _tags(self, paths: RepositoryPaths) -> dict[Tag, Tagged]:
        reader = Tags(self._tree, paths)
        tags = tags_among(paths, self._listings.names(paths.tags))
        read = ((tag, reader.read(tag.text)) for tag in tags)
        return {tag: tagged for tag, tagged in read if tagged is not None}

    def _content(
        self, folder: str, link: Callable[[Digest], str]
    ) -> Iterator[tuple[Digest, str, _File]]:
        """Yield the links in a folder that lead to content: name, path, what lies behind."""
        for digest in self._tree.linked(folder):
            path = link(digest)
            if (file := self._behind(path, digest)) is not None:
                # One object a digest, however many repositories hold it.
                yield file.target if file.target == digest else digest, path, file

    def _behind(self, path: str, digest: Digest) -> _File | None:
        """Return what lies behind the link called `digest`, None where either is missing."""
        if not os.access(path, os.F_OK):
            return None
        if (known := self._file(digest)) is not None:
            return known
        # distribution may link content by another digest than the one that it lies under.
        link = self._tree.read_link(path)
        return self._file(link.target) if link else None

    def _file(self, digest: Digest) -> _File | None:
        if (known := self._files.get(digest)) is not None:
            return known
        try:
            status = os.stat(self._tree.layout.blob(digest))
        except (FileNotFoundError, NotADirectoryError):
            return None
        file = _File(digest, status.st_size, self._uses.last(digest, status))
        self._files[digest] = file
        return file

    def _named(self, paths: RepositoryPaths, roots: list[Digest], *, lists: bool) -> set[Digest]:
        return naming.closure(
            roots, lambda digest: naming.contents(self._tree, paths, digest, lists=lists)
        )


def _just_before(prefix: str) -> str:
    """Return a text that all names with the prefix come after, and hardly any other between."""
    # No name has a byte above the tilde.
    return f"{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}~" if prefix else ""


@dataclass(slots=True)
class Order:
    """What somebody wants evicted.

    Attributes:
        digests: the blobs.
        idle: what was used within so many seconds stays.
        freed: how many bytes that freed; what several want removed counts for one of them.
    """

    digests: frozenset[Digest]
    idle: float
    freed: int = 0


class Eviction:
    """The removal of blobs that came from upstream and that nothing holds on to.

    Args:
        tree: where they lie.
        claims: what changes hold meanwhile.
        uses: when they were last used.
    """

    def __init__(self, tree: Tree, claims: Claims, uses: Uses) -> None:
        self._tree = tree
        self._claims = claims
        self._uses = uses

    def evict(self, listings: Listings, orders: Collection[Order]) -> None:
        """Remove what of the orders may go, judged by one walk, and note in them what it freed."""
        wanted: dict[Digest, Order] = {}
        for order in sorted(orders, key=lambda one: one.idle, reverse=True):
            wanted |= dict.fromkeys(order.digests, order)
        with self._claims.judging() as spared:
            links: dict[Digest, list[str]] = {}
            for holding in Survey(self._tree, listings, self._uses).holdings():
                paths = self._tree.layout.repository(holding.repository.text)
                for digest in holding.cached & wanted.keys():
                    links.setdefault(digest, []).append(paths.layer(digest))
            for digest in sorted(links):
                order = wanted[digest]
                with self._claims.removing(digest, spared) as alone:
                    if alone:
                        order.freed += self._remove(digest, links[digest], order.idle)

    def _remove(self, digest: Digest, links: list[str], idle: float) -> int:
        path = self._tree.layout.blob(digest)
        try:
            status = os.stat(path)
            if time.time() - self._uses.last(digest, status) < idle:
                return 0
            for link in links:
                # Another program may have pushed it meanwhile.
                if not self._tree.remove_link(link, fetched=True) and os.path.exists(link):
                    return 0
                _remove_empty(os.path.dirname(link))
            os.unlink(path)
        except FileNotFoundError:
            return 0
        _remove_empty(os.path.dirname(path))
        return status.st_size


def _remove_empty(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)
