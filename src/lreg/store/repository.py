"""One repository on disk; the protocol says what its methods do."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVarTuple

from lreg.errors import (
    BlobUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
)
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import Tag
from lreg.store import files
from lreg.store.listing import page_of_tags
from lreg.store.protocol import BLOB_TYPE, Content, Filed, Held, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Algorithm
    from lreg.oci.reference import RepositoryName
    from lreg.store.cache import Memory
    from lreg.store.files import Stamp
    from lreg.store.listing import Listings
    from lreg.store.protocol import Upload
    from lreg.store.referrers import Referrers
    from lreg.store.threads import Threads
    from lreg.store.tree import Link, Tree
    from lreg.store.uploads import Uploads

Ts = TypeVarTuple("Ts")

SMALL = 64 << 10
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)
_MANIFEST, _BLOB = "manifest ", "blob "


@dataclass(frozen=True, slots=True)
class Shared:
    """What all repositories of one store share."""

    tree: Tree
    threads: Threads
    memory: Memory
    listings: Listings
    referrers: Referrers
    uploads: Uploads


class FiledRepository:
    """A handle on one repository of a filesystem store."""

    __slots__ = ("__weakref__", "_changing", "_paths", "_shared", "_tree", "name")

    def __init__(self, name: RepositoryName, shared: Shared) -> None:
        self.name = name
        self._shared = shared
        self._tree = shared.tree
        self._paths = shared.tree.layout.repository(name.text)
        self._changing = asyncio.Lock()

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest from memory, where its link on disk is as it was."""
        return self._shared.memory.recall(self._manifest_link(want))

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob from memory, where its link is as it was and the content is there."""
        held = self._shared.memory.recall(self._paths.layer(digest))
        return held if held is not None and self._tree.has_blob(digest) else None

    async def manifest(self, want: Tag | Digest) -> Held:
        """Return the manifest, its type as stored."""
        path = self._manifest_link(want)
        held, stamp = await self._shared.threads.read(self._read_manifest, want, path)
        self._shared.memory.remember(path, stamp, held, _MANIFEST)
        return held

    async def blob(self, digest: Digest) -> Content:
        """Return the blob."""
        path = self._paths.layer(digest)
        reading = asyncio.ensure_future(self._shared.threads.read(self._read_blob, digest, path))
        try:
            content, stamp = await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_close_unwanted)
            raise
        if isinstance(content, Held):
            self._shared.memory.remember(path, stamp, content, _BLOB)
        return content

    async def put_manifest(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Store the manifest byte for byte, then point `tags` at it."""
        await self._change(self._put_manifest, manifest, tags)

    async def delete_manifest(self, want: Tag | Digest) -> None:
        """Forget the tag, or the manifest and every tag on it."""
        await self._change(self._delete_manifest, want)

    async def delete_blob(self, digest: Digest) -> None:
        """Forget the blob in this repository."""
        await self._change(self._delete_blob, digest)

    async def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Link a blob of `source`, or of any repository."""
        return await self._shared.threads.write(self._mount, digest, source)

    async def start_upload(self, algorithm: Algorithm) -> Upload:
        """Begin an upload."""
        return await self._shared.uploads.start(self.name.text, algorithm)

    def upload(self, upload_id: str) -> Upload:
        """Return an upload begun here."""
        return self._shared.uploads.find(self.name.text, upload_id)

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """Return up to `limit` tags after `last`."""
        return await self._shared.threads.read(self._page_of_tags, limit, last)

    async def referrers(self, subject: Digest) -> list[Descriptor]:
        """Return what refers to `subject`."""
        return await self._shared.referrers.find(self._paths, subject)

    async def _change(self, function: Callable[[*Ts], None], *args: *Ts) -> None:
        """Make one change after the other; each goes on to its end even where nobody waits."""

        async def in_turn() -> None:
            async with self._changing:
                await self._shared.threads.write(function, *args)

        await asyncio.shield(in_turn())

    def _manifest_link(self, want: Tag | Digest) -> str:
        if isinstance(want, Digest):
            return self._paths.revision(want)
        return self._paths.current(want.text)

    def _read_manifest(self, want: Tag | Digest, path: str) -> tuple[Held, Stamp | None]:
        link = self._find(want, path)
        if link is None:
            raise self._missing(ManifestUnknown(f"no manifest {want} in {self.name}"))
        digest = want if isinstance(want, Digest) else link.target
        held = self._shared.memory.content(digest.hex, _MANIFEST)
        if held is None:
            raw = files.read_file(self._tree.layout.blob(link.target))
            if raw is None:
                raise ManifestUnknown(f"the manifest {want} of {self.name} was removed")
            held = Held(digest, _media_type(raw, digest), raw)
        return held, link.stamp

    def _find(self, want: Tag | Digest, path: str) -> Link | None:
        """Return the link to a manifest that this repository holds."""
        link = self._tree.read_link(path)
        while link and isinstance(want, Tag):
            if os.access(self._paths.revision(link.target), os.F_OK):
                break
            # The manifest is gone: with its tag, or after that was moved on.
            before, link = link, self._tree.read_link(path)
            if link and link.target == before.target:
                return None
        return link

    def _read_blob(self, digest: Digest, path: str) -> tuple[Content, Stamp | None]:
        link = self._tree.read_link(path)
        if link is None:
            raise self._missing(BlobUnknown(f"no blob {digest} in {self.name}"))
        try:
            descriptor = os.open(self._tree.layout.blob(link.target), os.O_RDONLY)
        except FileNotFoundError:
            raise BlobUnknown(f"the blob {digest} of {self.name} was removed") from None
        size = os.fstat(descriptor).st_size
        if size > SMALL:
            return Filed(digest, BLOB_TYPE, size, descriptor), None
        with open(descriptor, "rb", buffering=0) as file:
            return Held(digest, BLOB_TYPE, file.readall()), link.stamp

    def _put_manifest(self, manifest: Manifest, tags: Sequence[Tag]) -> None:
        missing = [
            str(blob.digest)
            for blob in manifest.blobs
            if blob.distributable and not self._tree.held_blob(self._paths, blob.digest)
        ]
        if missing:
            raise ManifestBlobUnknown(
                f"{self.name} does not hold {missing[0]}, which the manifest names: push it first",
                detail={"digests": missing},
            )
        # distribution finds repositories by one of the two folders, or stumbles without it.
        files.make_directories(self._paths.layers)
        self._tree.add_content(manifest.digest, manifest.raw)
        self._tree.add_link(self._paths.revision(manifest.digest), manifest.digest)
        for tag in tags:
            self._tree.set_tag(self._paths, tag.text, manifest.digest)

    def _delete_manifest(self, want: Tag | Digest) -> None:
        if isinstance(want, Tag):
            gone = self._tree.remove_tag(self._paths, want.text)
        else:
            for tag in self._tree.tags_on(self._paths, want):
                self._tree.remove_tag(self._paths, tag)
            gone = self._tree.remove_link(self._paths.revision(want))
        if not gone:
            raise self._missing(ManifestUnknown(f"no manifest {want} in {self.name}"))

    def _delete_blob(self, digest: Digest) -> None:
        if not self._tree.remove_link(self._paths.layer(digest)):
            raise self._missing(BlobUnknown(f"no blob {digest} in {self.name}"))

    def _mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        if source is None:
            target = digest if self._tree.has_blob(digest) else None
        else:
            target = self._tree.held_blob(self._tree.layout.repository(source.text), digest)
        if target is None:
            return False
        self._tree.add_link(self._paths.layer(digest), target)
        return True

    def _page_of_tags(self, limit: int, last: str) -> Page[Tag]:
        page = page_of_tags(self._shared.listings, self._paths, limit, last)
        if not page.items and not self._tree.has_repository(self._paths):
            raise self._missing(NameUnknown())
        return page

    def _missing(self, error: RegistryError) -> RegistryError:
        """Return `error`, or that there is no such repository at all."""
        if self._tree.has_repository(self._paths):
            return error
        return NameUnknown(f"there is no repository {self.name}", detail={"name": self.name.text})


def _close_unwanted(reading: asyncio.Future[tuple[Content, Stamp | None]]) -> None:
    """Close the file of a blob whose reader went away before it was open."""
    if not reading.cancelled() and reading.exception() is None:
        content, _ = reading.result()
        if isinstance(content, Filed):
            os.close(content.fd)


def _media_type(raw: bytes, digest: Digest) -> str:
    """Return the type to serve a stored manifest as, also one that lreg would not accept."""
    try:
        return Manifest.parse(raw, algorithm=digest.algorithm).media_type
    except RegistryError:
        pass
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return BLOB_TYPE
    if not isinstance(fields, dict):
        return BLOB_TYPE
    declared = fields.get("mediaType")
    if isinstance(declared, str) and _MEDIA_TYPE.fullmatch(declared):
        return declared
    return SCHEMA_1 if fields.get("schemaVersion") == 1 else BLOB_TYPE
