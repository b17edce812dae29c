"""Blobs on their way in from clients.

`<root>/lreg/uploads/<id>/about.json` says whose upload it is, `data` holds what has arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING
from uuid import uuid4

from lreg.errors import DigestInvalid, RangeInvalid, SizeInvalid, UploadUnknown
from lreg.oci.digest import Algorithm
from lreg.store import files
from lreg.store.arriving import Arrivals, Arriving

if TYPE_CHECKING:
    from lreg.oci.digest import Digest
    from lreg.store.claims import Claims
    from lreg.store.protocol import Source
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Uploads(Arrivals["FiledUpload"]):
    """All uploads of one store.

    Args:
        tree: where finished blobs go.
        threads: where disk work is done.
        claims: what holds a blob while it is linked.
        expiry: seconds without a byte after which an upload is forgotten.
    """

    def __init__(self, tree: Tree, threads: Threads, claims: Claims, expiry: float) -> None:
        super().__init__(tree.layout.uploads, tree, threads, expiry)
        self.claims = claims

    async def start(self, name: str, algorithm: Algorithm) -> FiledUpload:
        """Begin an upload to the repository called `name`; raise StoreFull."""
        upload = FiledUpload(self, str(uuid4()), name, algorithm)
        await self.threads.write(upload.create)
        self.live[upload.id] = upload
        return upload

    def find(self, name: str, upload_id: str) -> FiledUpload:
        """Return an upload to the repository called `name`; raise UploadUnknown."""
        upload = self.live.get(upload_id) or self._left_over(upload_id)
        if upload is None or upload.ended or upload.name != name:
            raise UploadUnknown(detail={"uuid": upload_id[:80]})
        return upload

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
        self.live[upload_id] = upload
        return upload


class FiledUpload(Arriving):
    """One upload into a file; the protocol says what its methods do.

    Attributes:
        name: the repository that it goes to.
    """

    __slots__ = ("_claims", "name")

    def __init__(self, uploads: Uploads, upload_id: str, name: str, algorithm: Algorithm) -> None:
        super().__init__(uploads, upload_id, algorithm)
        self.name = name
        self._claims = uploads.claims

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
            taken = await self._take(source, size, keep=False)
            if size is not None and taken != size:
                raise SizeInvalid(f"{size} bytes were announced, {taken} came")

    async def commit(self, digest: Digest) -> None:
        """Verify, make durable, link into the repository; goes on even where nobody waits."""
        await asyncio.shield(self._commit(digest))

    async def cancel(self) -> None:
        """End the upload; a request that is adding to it fails with UploadUnknown."""
        await self.end()

    async def _commit(self, digest: Digest) -> None:
        async with self._lock:
            await self._ready()
            try:
                await self._threads.write(self._finish, digest)
            finally:
                if self.ended:
                    self._arrivals.forget(self)

    def _finish(self, digest: Digest) -> None:
        with self.writing:
            if self.ended:
                raise self.unknown()
            found = self._found(digest.algorithm)
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
        with self._claims.hold([digest]):
            try:
                self._tree.add_file(digest, self.data, self.offset)
            except FileNotFoundError:
                self.ended = True
                raise self.unknown() from None
            self._tree.link_pushed(paths.layer(digest), digest)
