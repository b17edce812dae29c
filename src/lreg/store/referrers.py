"""Which manifests of a repository refer to which: found by reading its revisions, kept in memory.

Nothing about referrers is on disk, so what another process wrote is found as well, and a subject
may come later than its referrers, or never. Source: distribution-spec, "Listing Referrers".
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from lreg.errors import RegistryError
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import Manifest
from lreg.store import files

if TYPE_CHECKING:
    from lreg.oci.descriptor import Descriptor
    from lreg.store.files import Stamp
    from lreg.store.layout import RepositoryPaths
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree

_MOST_REVISIONS = 1 << 18


class Referrers:
    """The referrers of every repository that was asked for them lately.

    Keeps up to 262144 revisions in all (about 0.1 KiB each; the least recently asked repository
    goes first), and the descriptors of those that have a subject.
    """

    def __init__(self, tree: Tree, threads: Threads) -> None:
        self._tree = tree
        self._threads = threads
        self._kept: OrderedDict[str, tuple[asyncio.Lock, Revisions]] = OrderedDict()

    async def find(self, paths: RepositoryPaths, subject: Digest) -> list[Descriptor]:
        """Return descriptors of the manifests that refer to `subject`, sorted by digest."""
        if (kept := self._kept.get(paths.home)) is None:
            kept = self._kept[paths.home] = asyncio.Lock(), Revisions(self._tree, paths)
        self._kept.move_to_end(paths.home)
        lock, revisions = kept
        async with lock:
            found = await self._threads.read(revisions.referring_to, subject)
        while len(self._kept) > 1 and self._size() > _MOST_REVISIONS:
            self._kept.popitem(last=False)
        return found

    def _size(self) -> int:
        return sum(revisions.size for _, revisions in self._kept.values())


class Revisions:
    """The manifests of one repository, by what they refer to. Blocks: used in one thread at a time.

    Content never changes under its digest, so a revision is read once. A folder without a link, or
    with a link to content that is missing, is looked at again every time: a deleted manifest
    leaves such a folder, and the same folder is used when it is pushed again.
    """

    def __init__(self, tree: Tree, paths: RepositoryPaths) -> None:
        self._tree = tree
        self._paths = paths
        self._stamps: dict[Algorithm, Stamp | None] = {}
        self._read: dict[Algorithm, set[str]] = {algorithm: set() for algorithm in Algorithm}
        self._missing: dict[Algorithm, set[str]] = {algorithm: set() for algorithm in Algorithm}
        self._referrers: dict[Digest, dict[Digest, Descriptor]] = {}

    @property
    def size(self) -> int:
        """How many revisions are kept in mind."""
        return sum(len(kept) for side in (self._read, self._missing) for kept in side.values())

    def referring_to(self, subject: Digest) -> list[Descriptor]:
        """Return descriptors of the manifests that refer to `subject`, sorted by digest."""
        for algorithm in Algorithm:
            self._refresh(algorithm)
        found = self._referrers.get(subject, {})
        return [found[digest] for digest in sorted(found) if self._is_there(digest)]

    def _refresh(self, algorithm: Algorithm) -> None:
        folder = f"{self._paths.revisions}/{algorithm}"
        try:
            status = os.stat(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        if self._stamps.get(algorithm) != files.stamp_of(status):
            names = set(os.listdir(folder))
            self._stamps[algorithm] = files.settled(status)
            self._read[algorithm] &= names
            self._missing[algorithm] = names - self._read[algorithm]
        for name in sorted(self._missing[algorithm]):
            self._look_at(algorithm, name)

    def _look_at(self, algorithm: Algorithm, name: str) -> None:
        try:
            digest = Digest.parse(f"{algorithm}:{name}")
        except RegistryError:
            return
        link = self._tree.read_link(self._paths.revision(digest))
        raw = files.read_file(self._tree.layout.blob(link.target)) if link else None
        if raw is None:
            return
        self._missing[algorithm].discard(name)
        self._read[algorithm].add(name)
        # Most manifests have no subject: parsing them all would take minutes where they are many.
        if b'"subject"' not in raw and b"\\u" not in raw:
            return
        try:
            manifest = Manifest.parse(raw, algorithm=algorithm)
        except RegistryError:
            return
        if manifest.subject is not None:
            same = self._referrers.setdefault(manifest.subject.digest, {})
            same[digest] = manifest.as_referrer()

    def _is_there(self, digest: Digest) -> bool:
        link = self._tree.read_link(self._paths.revision(digest))
        return link is not None and self._tree.has_blob(link.target)
