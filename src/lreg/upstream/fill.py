"""One download in progress, and those who follow it.

The bytes go to disk as they come, and every reader follows the growing file from its own offset at
its own pace. The last piece is held back until the digest is verified, so that no reader ever
completes a wrong blob.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import RegistryError, SizeInvalid, SizeUnstated, TransferBroken
from lreg.kinds import show_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.client.blobs import BlobBody
    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName
    from lreg.store.caching import CachingRepository, Partial
    from lreg.upstream.dial import Upstream

HELD_BACK = 64 << 10
# Readers hear of new bytes so often, in seconds: each time costs a step for every one of them.
_TELL_EVERY = 0.01


class Attempt:
    """One try at the bytes of a blob: one file, which is thrown away whole where it is wrong.

    Attributes:
        partial: the file.
        begin: how many bytes were here before.
        size: of the blob in bytes; None until upstream has said it.
        verified: whether the bytes are what the digest names.
    """

    def __init__(
        self, partial: Partial, size: int | None, limit: int, arrived: Callable[[int], None]
    ) -> None:
        """Begin where `partial` stands.

        Args:
            partial: the file.
            size: of the blob in bytes, None where upstream has to say it.
            limit: the most bytes that are taken where it does not.
            arrived: told how many bytes came, now and then.
        """
        self.partial = partial
        self._limit = limit
        self.begin = partial.offset
        self.size = size
        self.verified = False
        self._arrived = arrived
        self._counted = partial.offset
        self._loop = asyncio.get_running_loop()
        self._error: RegistryError | None = None
        self._growth: asyncio.Future[None] = self._loop.create_future()
        self._told = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def reach(self, offset: int) -> int:
        """Wait until there are bytes beyond `offset`; return how far they may be read.

        Raises:
            TransferBroken: they will never come.
        """
        while True:
            size = self.size or 0
            if self.verified:
                return size
            if (safe := min(self.partial.offset, size - HELD_BACK)) > offset:
                return safe
            if self._error:
                raise TransferBroken(f"the rest does not come: {self._error}")
            # Shielded: one reader that leaves must not wake the others.
            await asyncio.shield(self._growth)

    def admit(self, count: int) -> None:
        """Raise SizeInvalid where `count` more bytes are too many; called from any thread."""
        reached = self.partial.offset + count
        if self.size is None and reached > self._limit:
            raise SizeUnstated(
                f"nobody says how long it is, and it has more than {show_size(self._limit)}: if "
                "that is right, set blob-limit in lreg.toml higher"
            )
        if self.size is not None and reached > self.size:
            raise SizeInvalid(f"upstream sent more than the {self.size} bytes of the blob")

    def grew(self) -> None:
        """Tell the readers soon that there is more; called from any thread."""
        self._loop.call_soon_threadsafe(self._tell_soon)

    def end(self, error: RegistryError | None) -> None:
        """Let the readers complete, or break off."""
        self._error, self.verified = error, error is None
        self._tell()

    def _tell_soon(self) -> None:
        wait = self._told + _TELL_EVERY - self._loop.time()
        if wait <= 0:
            self._tell()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self._tell)

    def _tell(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._told = self._loop.time()
        if (count := self.partial.offset - self._counted) > 0:
            self._counted += count
            self._arrived(count)
        growth, self._growth = self._growth, self._loop.create_future()
        growth.set_result(None)


class Arriving:
    """What one answer of upstream brings, as a store takes it (store.protocol.Source)."""

    def __init__(self, body: BlobBody, attempt: Attempt) -> None:
        self._body = body
        self._attempt = attempt

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give every piece to `sink`; raise TransferBroken, or SizeInvalid for too many bytes."""
        attempt = self._attempt

        def take(piece: memoryview) -> None:
            attempt.admit(len(piece))
            sink(piece)
            attempt.grew()

        await self._body.pump(take)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob to bring.

    Attributes:
        digest: its name.
        size: in bytes, None where upstream has to say it.
        upstream: where it comes from.
        path: the repository's name there.
        target: the repository here that is to hold it.
    """

    digest: Digest
    size: int | None
    upstream: Upstream
    path: RepositoryName
    target: CachingRepository

    @property
    def place(self) -> tuple[object, ...]:
        """What its coming depends on: another place may have what this one lacks."""
        return self.digest, self.upstream.host, self.path, self.size


class Fill:
    """A blob on its way from upstream: one for the whole server, whoever asks and however many.

    Attributes:
        wanted: what is to come.
        opened: gives the attempt as soon as upstream has begun to answer; raises what it said
            where it has not.
        done: done when the blob is in the store, or failed.
        task: the download, once it runs.
        fetched: how many bytes came from upstream, wrong ones as well.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.fetched = 0
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[Attempt] = self._loop.create_future()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.task: asyncio.Task[None] | None = None

    def gives(self, upstream: Upstream, path: RepositoryName) -> bool:
        """Return whether it brings, or has brought, the blob out of that repository."""
        failed = self.done.done() and self.done.exception() is not None
        ours = self.wanted.upstream is upstream and self.wanted.path == path
        return ours and self.task is not None and not failed

    def open(self, attempt: Attempt) -> None:
        """Let readers begin."""
        if not self.opened.done():
            self.opened.set_result(attempt)

    def close(self) -> None:
        """Let readers that come from now on wait for another attempt."""
        if self.opened.done():
            self.opened = self._loop.create_future()

    def end(self, error: RegistryError | None) -> None:
        """Tell everybody how it ended."""
        if error is None:
            self.done.set_result(None)
            return
        futures: tuple[asyncio.Future[Any], ...] = self.opened, self.done
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody has to wait for it
