"""A store in a folder: distribution's tree, and lreg's own folder beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from lreg.errors import RegistryError, StoreTaken, UsageError
from lreg.store import files
from lreg.store.cache import DEFAULT_BUDGET, Meanings, Memory
from lreg.store.claims import Claims
from lreg.store.fills import Fills
from lreg.store.handles import Handles
from lreg.store.layout import Layout
from lreg.store.listing import Listings, page_of_repositories
from lreg.store.lock import StoreLock
from lreg.store.referrers import Referrers
from lreg.store.repository import FiledRepository, Shared
from lreg.store.threads import Threads
from lreg.store.tree import Tree
from lreg.store.uploads import Uploads
from lreg.store.uses import Uses
from lreg.store.walks import Walks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.caching import Holding, Tagged
    from lreg.store.protocol import Page

log = logging.getLogger(__name__)

_LONGEST_SWEEP_PAUSE = 3600.0
_LOOK_EVERY = 1.0


class FilesystemStore:
    """Everything that one registry holds, under one folder; the protocol says what it does.

    Args:
        root: the folder, made by `open` where it is missing.
        upload_expiry: seconds without a byte after which an upload is swept; 0 sweeps all of
            them at `open` and none later.
        reserve: bytes of the disk that what comes from upstream leaves free; None: 1 GB, or a
            twentieth of the disk where that is less.
        memory: bytes of small content to keep in memory.
    """

    def __init__(
        self,
        root: Path,
        *,
        upload_expiry: float = 86400.0,
        reserve: int | None = 0,
        memory: int = DEFAULT_BUDGET,
    ) -> None:
        self._layout = Layout(os.path.abspath(root))
        self._expiry = upload_expiry
        self._threads = Threads()
        self._tree = Tree(self._layout)
        self._listings = Listings()
        self._claims = Claims()
        self._uses = Uses(self._layout, self._threads)
        self._uploads = Uploads(self._tree, self._threads, self._claims, upload_expiry)
        self._fills = Fills(self._tree, self._threads, self._claims, self._uses, reserve)
        self._walks = Walks(self._tree, self._threads, self._claims, self._listings, self._uses)
        self._shared = Shared(
            self._tree,
            self._threads,
            self._claims,
            Memory(memory),
            Meanings(),
            self._listings,
            Referrers(self._tree, self._threads),
            self._uploads,
            self._fills,
            self._uses,
        )
        # It owns the lock on changes.
        self._handles = Handles(lambda name: FiledRepository(name, self._shared))
        self._lock = StoreLock(self._layout)
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the folders, take the lock, sweep what was left over.

        Raises:
            UsageError: the folder can't be written, another lreg serves it, or it spans disks.
        """
        try:
            await self._threads.write(self._prepare)
        except BaseException:
            await self.close()
            raise
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Let go of the folder; unfinished uploads stay in it."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        await asyncio.to_thread(self._threads.close)
        self._lock.release()

    async def keep(self) -> None:
        """Make the folders anew where somebody removes them, until cancelled.

        Whoever pushes in between is told to try again.

        Raises:
            StoreTaken: another lreg serves the store by then.
        """
        is_known = False
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                if not await self._threads.read(self._lock.is_lost):
                    is_known = False
                    continue
                await self._threads.write(self._lock.take)
            except StoreTaken:
                raise
            except (OSError, UsageError, RegistryError) as error:
                if not is_known:
                    log.error(  # noqa: TRY400 - the reason is in the fields
                        "store.gone", extra={"store": self._layout.root, "error": str(error)}
                    )
                is_known = True
            else:
                is_known = False
                log.warning("store.remade", extra={"store": self._layout.root})

    def repository(self, name: RepositoryName) -> FiledRepository:
        """Return a handle on the repository called `name`."""
        return self._handles.get(name)

    async def repositories(self, limit: int, last: str = "") -> Page[RepositoryName]:
        """Return up to `limit` repositories after `last`."""
        return await self._threads.read(
            page_of_repositories, self._listings, self._layout.repositories, limit, last
        )

    def used(self, digest: Digest) -> None:
        """Note that the blob was used just now."""
        self._uses.note(digest)

    async def tagged(self, prefix: str = "") -> Mapping[RepositoryName, Mapping[Tag, Tagged]]:
        """Return the tags of the repositories whose names begin with `prefix`."""
        return await self._walks.tagged(prefix)

    async def partials(self) -> Mapping[Digest, int]:
        """Return how many bytes of each blob on its way are on disk."""
        return await self._threads.read(self._fills.sizes)

    async def holdings(self) -> list[Holding]:
        """Return what every repository holds."""
        return await self._walks.holdings()

    async def evict(self, digests: Collection[Digest], idle: float = 60.0) -> int:
        """Remove blobs that may be evicted."""
        return await self._walks.evict(digests, idle)

    def _prepare(self) -> None:
        layout = self._layout
        self._lock.take()
        for name in os.listdir(layout.scratch):
            files.discard(f"{layout.scratch}/{name}")
        self._uploads.sweep(everything=self._expiry == 0)
        self._fills.sweep()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self._expiry or _LONGEST_SWEEP_PAUSE, _LONGEST_SWEEP_PAUSE))
            try:
                if self._expiry:
                    await self._threads.write(self._uploads.sweep)
                await self._threads.write(self._fills.sweep)
            except OSError as error:
                log.warning("uploads.not_swept", extra={"error": str(error)})
