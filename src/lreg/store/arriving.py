"""Blobs that are arriving: a folder each, a running hash in memory, taken up after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lreg.clock import WallClock
from lreg.errors import UploadUnknown
from lreg.oci.digest import Digest
from lreg.store import files
from lreg.store.intake import Intake, hash_file

if TYPE_CHECKING:
    from hashlib import _Hash

    from lreg.oci.digest import Algorithm
    from lreg.store.protocol import Source
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree

A = TypeVar("A", bound="Arriving")


class Arrivals(Generic[A]):
    """The blobs of one kind that are arriving: those in memory, and those that an earlier run left.

    Args:
        folder: where their folders lie.
        tree: where finished blobs go.
        threads: where disk work is done.
        expiry: seconds without a byte after which one is forgotten.
    """

    def __init__(self, folder: str, tree: Tree, threads: Threads, expiry: float) -> None:
        self.folder = folder
        self.tree = tree
        self.threads = threads
        self.live: dict[str, A] = {}
        self._expiry = expiry
        self._clock = WallClock()
        self._forgetting = threading.Lock()

    def forget(self, arriving: Arriving) -> None:
        """Take one that has ended off the list; quick, for any thread."""
        with self._forgetting:
            if self.live.get(arriving.id) is arriving:
                del self.live[arriving.id]

    def home(self, name: str) -> str:
        """Return the folder of the one called `name`."""
        return f"{self.folder}/{name}"

    def sweep(self, *, everything: bool = False) -> None:
        """Remove what nobody has added to for too long; blocks, call it in a thread.

        Nothing goes while the clock has just been set: everything may look old then.

        Args:
            everything: whatever its age; only right before the first request.
        """
        oldest = time.time() - self._expiry
        if not everything and not self._clock.is_settled():
            return
        for name in os.listdir(self.folder):
            if everything or _changed(self.home(name)) < oldest:
                if arriving := self.live.get(name):
                    arriving.abandon()
                else:
                    files.discard(self.home(name))


def _changed(home: str) -> float:
    """Return when bytes were last added to the file in this folder, in seconds.

    A time to come was written before the clock was set back: it grows old from now on.
    """
    now = time.time()
    for path in (f"{home}/data", home):
        with contextlib.suppress(OSError):
            changed = os.stat(path).st_mtime
            if changed > now:
                os.utime(path, (now, now))
            return min(changed, now)
    return now


class Arriving:
    """One blob that is arriving, in a file that grows.

    Attributes:
        id: the name of its folder.
        offset: how many bytes are in the file, and in the hash.
        ended: whether it was finished, cancelled or swept.
        hasher: of all bytes up to `offset`; None until what is on disk was read again.
        writing: held by the thread that takes a piece in.
        data: the file.
    """

    __slots__ = (
        "_algorithm",
        "_arrivals",
        "_lock",
        "_threads",
        "_tree",
        "data",
        "ended",
        "hasher",
        "home",
        "id",
        "offset",
        "writing",
    )

    def __init__(self, arrivals: Arrivals[Any], name: str, algorithm: Algorithm) -> None:
        self.id = name
        self.offset = 0
        self.ended = False
        self.hasher: _Hash | None = None
        self.writing = threading.Lock()
        self.home = arrivals.home(name)
        self.data = f"{self.home}/data"
        self._algorithm = algorithm
        self._lock = asyncio.Lock()
        self._arrivals = arrivals
        self._tree = arrivals.tree
        self._threads = arrivals.threads

    def abandon(self) -> None:
        """End it unless a request is working on it; blocks."""
        with self.writing:
            if not self._lock.locked():
                self.put_away()

    def put_away(self, *, keep: bool = False) -> None:
        """End it, then let its name be used again; blocks, under `writing`.

        Args:
            keep: leave its folder to the next of that name.
        """
        if not self.ended:
            if not keep:
                files.discard(self.home)
            self._arrivals.forget(self)
            self.ended = True

    def unknown(self) -> UploadUnknown:
        """Return the error that says that it has ended."""
        return UploadUnknown(detail={"uuid": self.id})

    async def end(self) -> None:
        """Forget it and its bytes; whoever is adding to it fails with UploadUnknown."""
        await self._threads.write(self._end)

    async def _take(self, source: Source, size: int | None, *, keep: bool) -> int:
        """Take the bytes of `source`, under the lock; return how many came.

        Args:
            source: the bytes.
            size: how many there may be.
            keep: whether what came before the disk was full stays.
        """
        intake = Intake(self, size, keep=keep)
        try:
            await source.pump(intake.take)
        finally:
            await asyncio.shield(self._threads.write(intake.close))
        return intake.taken

    async def _ready(self) -> None:
        if not self.ended and self.hasher is None:
            await self._threads.write(self._take_up)
        if self.ended:
            raise self.unknown()

    def _take_up(self) -> None:
        with self.writing:
            try:
                self.hasher, self.offset = hash_file(self.data, self._algorithm)
            except FileNotFoundError:
                self.put_away()

    def _found(self, algorithm: Algorithm) -> Digest:
        """Return the digest of all bytes; blocks where the hash is of another algorithm."""
        hasher = self.hasher
        if hasher is None or algorithm is not self._algorithm:
            hasher, _ = hash_file(self.data, algorithm)
        return Digest.finished(algorithm, hasher)

    def _end(self) -> None:
        with self.writing:
            self.put_away()
