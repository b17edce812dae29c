"""Blobs on their way in: a folder each, a running hash in memory, taken up again after a restart.

`<root>/lreg/uploads/<id>/about.json` says whose upload it is, `data` holds what has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from lreg.errors import DigestInvalid, RangeInvalid, SizeInvalid, UploadUnknown
from lreg.oci.digest import Algorithm, Digest
from lreg.store import files
from lreg.store.intake import Intake, hash_file

if TYPE_CHECKING:
    from hashlib import _Hash

    from lreg.store.protocol import Source
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Uploads:
    """All uploads of one store, those in memory and those that an earlier run left on disk.

    Args:
        tree: where finished blobs go.
        threads: where disk work is done.
        expiry: seconds without a byte after which an upload is forgotten.
    """

    def __init__(self, tree: Tree, threads: Threads, expiry: float) -> None:
        self.tree = tree
        self.threads = threads
        self._expiry = expiry
        self._live: dict[str, FiledUpload] = {}

    async def start(self, name: str, algorithm: Algorithm) -> FiledUpload:
        """Begin an upload to the repository called `name`; raise StoreFull."""
        upload = FiledUpload(self, str(uuid4()), name, algorithm)
        await self.threads.write(upload.create)
        self._live[upload.id] = upload
        return upload

    def find(self, name: str, upload_id: str) -> FiledUpload:
        """Return an upload to the repository called `name`; raise UploadUnknown."""
        upload = self._live.get(upload_id) or self._left_over(upload_id)
        if upload is None or upload.ended or upload.name != name:
            raise UploadUnknown(detail={"uuid": upload_id[:80]})
        return upload

    def forget(self, upload: FiledUpload) -> None:
        """Take an upload that has ended off the list."""
        self._live.pop(upload.id, None)

    def home(self, upload_id: str) -> str:
        """Return the folder of an upload."""
        return f"{self.tree.layout.uploads}/{upload_id}"

    def sweep(self, *, everything: bool = False) -> None:
        """Remove what nobody has added to for too long; blocks, call it in a thread.

        Args:
            everything: whatever its age; only right before the first request.
        """
        oldest = time.time() - self._expiry
        for upload_id in os.listdir(self.tree.layout.uploads):
            if everything or _changed(self.home(upload_id)) < oldest:
                upload = self._live.get(upload_id)
                if upload is None or upload.abandon():
                    files.discard(self.home(upload_id))

    def _left_over(self, upload_id: str) -> FiledUpload | None:
        """Return an upload that an earlier run of lreg left on disk."""
        if not _ID.fullmatch(upload_id):
            return None
        home = self.home(upload_id)
        try:
            size = os.stat(f"{home}/data").st_size
            about = json.loads(files.read_file(f"{home}/about.json") or b"")
            name, algorithm = str(about["repository"]), Algorithm(about["algorithm"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        upload = FiledUpload(self, upload_id, name, algorithm)
        upload.offset = size
        self._live[upload_id] = upload
        return upload


def _changed(home: str) -> float:
    """Return when bytes were last added to the upload in this folder, in seconds."""
    for path in (f"{home}/data", home):
        with contextlib.suppress(OSError):
            return os.stat(path).st_mtime
    return time.time()


class FiledUpload:
    """One upload into a file; the protocol says what its methods do.

    Attributes:
        name: the repository that it goes to.
        ended: whether it was finished, cancelled or swept.
        hasher: of all bytes up to `offset`; None until what is on disk was read again.
        writing: held by the thread that takes a piece in.
    """

    __slots__ = (
        "_algorithm",
        "_lock",
        "_threads",
        "_tree",
        "_uploads",
        "data",
        "ended",
        "hasher",
        "home",
        "id",
        "name",
        "offset",
        "writing",
    )

    def __init__(self, uploads: Uploads, upload_id: str, name: str, algorithm: Algorithm) -> None:
        self.id = upload_id
        self.name = name
        self.offset = 0
        self.ended = False
        self.hasher: _Hash | None = None
        self.writing = threading.Lock()
        self.home = uploads.home(upload_id)
        self.data = f"{self.home}/data"
        self._algorithm = algorithm
        self._lock = asyncio.Lock()
        self._uploads = uploads
        self._tree = uploads.tree
        self._threads = uploads.threads

    def abandon(self) -> bool:
        """End the upload unless a request is working on it; return whether it has ended."""
        with self.writing:
            self.ended = self.ended or not self._lock.locked()
            if self.ended:
                self._uploads.forget(self)
            return self.ended

    def create(self) -> None:
        """Make its folder and files; blocks."""
        about = {"repository": self.name, "algorithm": self._algorithm.value}
        try:
            os.mkdir(self.home)
            files.write_file(self.data, b"", durable=False)
            files.write_file(f"{self.home}/about.json", json.dumps(about).encode(), durable=False)
        except BaseException:
            files.discard(self.home)
            raise
        self.hasher = self._algorithm.hasher()

    async def append(
        self, source: Source, *, at: int | None = None, size: int | None = None
    ) -> None:
        """Take the bytes of `source`."""
        async with self._lock:
            await self._ready()
            if at is not None and at != self.offset:
                raise RangeInvalid(
                    f"the upload stands at {self.offset}, these bytes start at {at}",
                    detail={"uuid": self.id, "offset": self.offset},
                )
            intake = Intake(self, size)
            try:
                await source.pump(intake.take)
            finally:
                await asyncio.shield(self._threads.write(intake.close))
            if size is not None and intake.taken != size:
                raise SizeInvalid(f"{size} bytes were announced, {intake.taken} came")

    async def commit(self, digest: Digest) -> None:
        """Verify, make durable, link into the repository; goes on even where nobody waits."""
        await asyncio.shield(self._commit(digest))

    async def cancel(self) -> None:
        """End the upload; a request that is adding to it fails with UploadUnknown."""
        self.ended = True
        self._uploads.forget(self)
        async with self._lock:
            await self._threads.write(files.discard, self.home)

    async def _commit(self, digest: Digest) -> None:
        async with self._lock:
            await self._ready()
            try:
                await self._threads.write(self._finish, digest)
            finally:
                if self.ended:
                    self._uploads.forget(self)

    async def _ready(self) -> None:
        if not self.ended and self.hasher is None:
            await self._threads.write(self._take_up)
        if self.ended:
            raise UploadUnknown(detail={"uuid": self.id})

    def _take_up(self) -> None:
        with self.writing:
            try:
                self.hasher, self.offset = hash_file(self.data, self._algorithm)
            except FileNotFoundError:
                self.ended = True

    def _finish(self, digest: Digest) -> None:
        with self.writing:
            hasher = self.hasher
            if self.ended:
                raise UploadUnknown(detail={"uuid": self.id})
            if hasher is None or digest.algorithm is not self._algorithm:
                hasher, _ = hash_file(self.data, digest.algorithm)
            found = Digest.finished(digest.algorithm, hasher)
            if found == digest:
                self._take_in(digest)
            self.ended = True
            files.discard(self.home)
        if found != digest:
            raise DigestInvalid(
                f"the upload was to be {digest}, what came is {found}: send it again",
                detail={"digest": str(digest), "found": str(found)},
            )

    def _take_in(self, digest: Digest) -> None:
        paths = self._tree.layout.repository(self.name)
        try:
            self._tree.add_file(digest, self.data, self.offset)
        except FileNotFoundError:
            self.ended = True
            raise UploadUnknown(detail={"uuid": self.id}) from None
        self._tree.add_link(paths.layer(digest), digest)
