"""Blobs on their way in from upstream: `<root>/lreg/fills/<algorithm>-<hex>/data`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from lreg.errors import DigestInvalid
from lreg.oci.digest import Digest
from lreg.store import files
from lreg.store.arriving import Arrivals, Arriving
from lreg.store.room import Room, Within

if TYPE_CHECKING:
    from lreg.store.claims import Claims
    from lreg.store.protocol import Source
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree
    from lreg.store.uses import Uses

_EXPIRY = 7 * 86400.0


class Fills(Arrivals["FiledPartial"]):
    """All blobs of one store that are on their way from upstream."""

    def __init__(
        self, tree: Tree, threads: Threads, claims: Claims, uses: Uses, reserve: int | None
    ) -> None:
        super().__init__(tree.layout.fills, tree, threads, _EXPIRY)
        self.claims = claims
        self.uses = uses
        self.room = Room(self.folder, reserve)

    def get(self, digest: Digest, name: str) -> FiledPartial:
        """Return the blob on its way, to be linked into the repository called `name` as well."""
        key = f"{digest.algorithm}-{digest.hex}"
        partial = self.live.get(key)
        if partial is None or partial.ended:
            partial = self.live[key] = FiledPartial(self, key, digest)
        partial.wanted_by.add(name)
        return partial

    def sizes(self) -> dict[Digest, int]:
        """Return how many bytes of each are on disk, where there are any; blocks."""
        found = {}
        for name in os.listdir(self.folder):
            with contextlib.suppress(DigestInvalid):
                digest = Digest.parse(name.replace("-", ":", 1))
                if size := _size(self.home(name)):
                    found[digest] = size
        return found


def _size(home: str) -> int:
    """Return how many bytes are in the folder of a blob on its way."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.stat(f"{home}/data").st_size
    return 0


class FiledPartial(Arriving):
    """A blob on its way from upstream into a file; the protocol says what its methods do.

    Attributes:
        digest: what it is to become.
        wanted_by: the repositories that asked for it.
    """

    __slots__ = ("_claims", "_committed", "_room", "_uses", "digest", "wanted_by")

    def __init__(self, fills: Fills, key: str, digest: Digest) -> None:
        super().__init__(fills, key, digest.algorithm)
        self.digest = digest
        self.wanted_by: set[str] = set()
        self._committed = False
        self._claims = fills.claims
        self._uses = fills.uses
        self._room = fills.room

    async def ready(self) -> int:
        """Make the file, or hash what is in it."""
        if self.hasher is not None and not self.ended:
            return self.offset
        async with self._lock:
            await self._ready()
            return self.offset

    def open(self) -> int:
        """Return a file to read what has arrived from."""
        if self.ended and not self._committed:
            raise self.unknown()
        with contextlib.suppress(FileNotFoundError):
            return os.open(self.data, os.O_RDONLY)
        try:
            return os.open(self._tree.layout.blob(self.digest), os.O_RDONLY)
        except FileNotFoundError:
            raise self.unknown() from None

    async def expect(self, size: int) -> None:
        """See that there is room for so many more bytes."""
        await self._threads.write(self._room.check, size)

    async def append(self, source: Source) -> None:
        """Take the bytes of `source`."""
        async with self._lock:
            await self._ready()
            await self._take(Within(source, self._room), None, keep=True)

    async def verify(self) -> None:
        """See that the bytes are the blob, else throw them away."""
        async with self._lock:
            await self._verify()

    async def commit(self) -> None:
        """Make durable and link wherever it was asked for; goes on even where nobody waits."""
        await asyncio.shield(self._commit())

    async def discard(self) -> None:
        """End it and forget its bytes."""
        await self.end()

    async def release(self) -> None:
        """End it, and leave what has come to the next one."""
        await self._threads.write(self._release)

    def _release(self) -> None:
        with self.writing:
            self.put_away(keep=_size(self.home) > 0)

    async def _ready(self) -> None:
        if not self.ended and self.hasher is None:
            await self._threads.write(self._create)
        await super()._ready()

    def _create(self) -> None:
        # Where it is discarded meanwhile, `_take_up` finds nothing.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.home)
            files.write_file(self.data, b"", durable=False)

    async def _verify(self) -> None:
        if self._committed:
            return
        await self._ready()
        found = self._found(self.digest.algorithm)
        if found == self.digest:
            return
        await self.end()
        raise DigestInvalid(
            f"upstream sent {found} for {self.digest}",
            detail={"digest": str(self.digest), "found": str(found)},
        )

    async def _commit(self) -> None:
        async with self._lock:
            await self._verify()
            linked: set[str] = set()
            # Others may ask for it while it is being linked.
            while names := self.wanted_by - linked:
                await self._threads.write(self._take_in, sorted(names))
                linked |= names
            self.ended = True
            self._arrivals.forget(self)
            self._uses.note(self.digest)

    def _take_in(self, names: list[str]) -> None:
        with self.writing, self._claims.hold([self.digest]):
            if not self._committed:
                self._move()
            elif not self._tree.has_blob(self.digest):
                raise self.unknown()
            for name in names:
                paths = self._tree.layout.repository(name)
                self._tree.link_fetched(paths.layer(self.digest), self.digest)

    def _move(self) -> None:
        """Move the bytes to where blobs lie."""
        if self.ended:
            raise self.unknown()
        try:
            self._tree.add_file(self.digest, self.data, self.offset)
        except FileNotFoundError:
            self.put_away()
            raise self.unknown() from None
        except OSError:
            if not os.path.exists(self.data):
                self.put_away()
            raise
        self._committed = True
        files.discard(self.home)
