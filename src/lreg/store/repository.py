"""One repository on disk; the protocol says what its methods do."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from lreg.oci.digest import Digest
from lreg.store import lists, naming
from lreg.store.changing import Writer
from lreg.store.protocol import Filed, Held, Page, ReferrersList
from lreg.store.reading import BLOB, MANIFEST, Reader
from lreg.store.tagging import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Algorithm
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.cache import Meanings, Memory
    from lreg.store.caching import Listed, Partial, Referring, Tagged
    from lreg.store.claims import Claims
    from lreg.store.files import Stamp
    from lreg.store.fills import Fills
    from lreg.store.listing import Listings
    from lreg.store.protocol import Readable, Upload
    from lreg.store.referrers import Referrers
    from lreg.store.threads import Threads
    from lreg.store.tree import Tree
    from lreg.store.uploads import Uploads
    from lreg.store.uses import Uses

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all repositories of one store share."""

    tree: Tree
    threads: Threads
    claims: Claims
    memory: Memory
    meanings: Meanings
    listings: Listings
    referrers: Referrers
    uploads: Uploads
    fills: Fills
    uses: Uses


class FiledRepository:
    """A handle on one repository of a filesystem store."""

    __slots__ = (
        "__weakref__",
        "_changing",
        "_paths",
        "_reader",
        "_shared",
        "_tags",
        "_tree",
        "_writer",
        "name",
    )

    def __init__(self, name: RepositoryName, shared: Shared) -> None:
        self.name = name
        self._shared = shared
        self._tree = shared.tree
        self._paths = shared.tree.layout.repository(name.text)
        self._reader = Reader(name, shared.tree, shared.memory)
        self._tags = Tags(shared.tree, self._paths)
        self._writer = Writer(name, shared.tree, shared.claims, self._tags, self._reader)
        self._changing = asyncio.Lock()

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest from memory, where its link on disk is as it was."""
        return self._shared.memory.recall(self._manifest_link(want))

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob from memory, where its link is as it was and the content is there."""
        held = self._shared.memory.recall(self._paths.layer(digest))
        if held is None or not self._tree.has_blob(digest):
            return None
        self._shared.uses.note(digest)
        return held

    async def manifest(self, want: Tag | Digest) -> Held:
        """Return the manifest, its type as stored."""
        path = self._manifest_link(want)
        held, stamp = await self._shared.threads.read(self._reader.manifest, want, path)
        self._shared.memory.remember(path, stamp, held, MANIFEST)
        return held

    async def blob(self, digest: Digest) -> Readable:
        """Return the blob."""
        path = self._paths.layer(digest)
        reading = asyncio.ensure_future(self._shared.threads.read(self._reader.blob, digest, path))
        try:
            content, stamp = await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_close_unwanted)
            raise
        self._shared.uses.note(digest)
        if isinstance(content, Held):
            self._shared.memory.remember(path, stamp, content, BLOB)
        return content

    async def peek(self, digest: Digest) -> Readable:
        """Return the blob."""
        return await self.blob(digest)

    async def put_manifest(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Store the manifest byte for byte, then point `tags` at it."""
        await self._change(self._writer.put_manifest, manifest, tags)

    async def delete_manifest(self, want: Tag | Digest) -> None:
        """Forget the tag, or the manifest and every tag on it."""
        await self._change(self._writer.delete_manifest, want)

    async def delete_blob(self, digest: Digest) -> None:
        """Forget the blob in this repository."""
        await self._change(self._writer.delete_blob, digest)

    async def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Link a blob of `source`, or of any repository."""
        return await self._shared.threads.write(self._writer.mount, digest, source)

    async def start_upload(self, algorithm: Algorithm) -> Upload:
        """Begin an upload."""
        return await self._shared.uploads.start(self.name.text, algorithm)

    def upload(self, upload_id: str) -> Upload:
        """Return an upload begun here."""
        return self._shared.uploads.find(self.name.text, upload_id)

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """Return up to `limit` tags after `last`."""
        return await self._shared.threads.read(
            self._reader.tags, self._shared.listings, limit, last
        )

    async def referrers(self, subject: Digest) -> ReferrersList:
        """Return the manifests here that refer to `subject`."""
        return ReferrersList(await self._shared.referrers.find(self._paths, subject))

    async def referring(self, subject: Digest) -> Referring:
        """Return what is known here of what refers to `subject`."""
        here = await self._shared.referrers.find(self._paths, subject)
        return await self._shared.threads.read(
            lists.referring, self._tree, self._paths, subject, here
        )

    async def note_listed(self, subject: Digest, listed: Listed) -> None:
        """Keep upstream's list."""
        await self._change(lists.write, self._tree, self._paths, subject, listed)

    def has_tag(self, tag: Tag) -> bool:
        """Return whether the tag's link is there."""
        return os.access(self._paths.current(tag.text), os.F_OK)

    def held_tag(self, tag: Tag) -> Tagged | None:
        """Return what the tag means from memory, where its files are as they were."""
        paths = self._paths
        return self._shared.meanings.recall(paths.current(tag.text), paths.record(tag.text))

    async def tagged(self, tag: Tag) -> Tagged | None:
        """Return what the tag means."""
        tagged, stamps = await self._shared.threads.read(self._tags.read_stamped, tag.text)
        if tagged and stamps:
            self._shared.meanings.remember(self._paths.current(tag.text), stamps, tagged)
        return tagged

    async def put_fetched(
        self, manifest: Manifest, tag: Tag | None, checked: float, *, adopt: bool = True
    ) -> bool:
        """Store upstream's manifest, and point the tag at it unless it was pushed."""
        return await self._change(self._writer.put_fetched, manifest, tag, checked, adopt)

    async def note_checked(self, tag: Tag, upstream: Digest | None, checked: float) -> None:
        """Note what upstream has."""
        await self._change(self._tags.note_checked, tag.text, upstream, checked)

    async def set_until(self, tag: Tag, until: float | None) -> None:
        """Note when the version that was pushed ends."""
        await self._change(self._tags.set_until, tag.text, until)

    async def undo(self, tag: Tag) -> Digest | None:
        """Take the version that was pushed away."""
        return await self._change(self._writer.undo, tag.text)

    async def expire(self, tag: Tag, now: float) -> Digest | None:
        """Undo a version that was pushed, if its time is over."""
        return await self._change(self._writer.expire, tag.text, now)

    async def pin(self, tag: Tag, pinned: bool) -> None:
        """Keep what the tag means from being evicted, or no more."""
        await self._change(self._writer.pin, tag.text, pinned)

    async def names_blob(self, digest: Digest) -> Descriptor | None:
        """Return how a manifest here names the blob."""
        return await self._shared.threads.read(
            naming.descriptor_of, self._tree, self._paths, digest
        )

    async def adopt(self, digest: Digest) -> bool:
        """Link a blob that the store has, if a manifest here names it."""
        if not await self._shared.threads.write(self._writer.adopt, digest):
            return False
        self._shared.uses.note(digest)
        return True

    def partial(self, digest: Digest) -> Partial:
        """Return the blob on its way from upstream."""
        return self._shared.fills.get(digest, self.name.text)

    async def _change(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Make one change after the other; each goes on to its end even where nobody waits."""

        async def in_turn() -> T:
            async with self._changing:
                return await self._shared.threads.write(function, *args)

        return await asyncio.shield(in_turn())

    def _manifest_link(self, want: Tag | Digest) -> str:
        if isinstance(want, Digest):
            return self._paths.revision(want)
        return self._paths.current(want.text)


def _close_unwanted(reading: asyncio.Future[tuple[Readable, Stamp | None]]) -> None:
    """Close the file of a blob whose reader went away before it was open."""
    if not reading.cancelled() and reading.exception() is None:
        content, _ = reading.result()
        if isinstance(content, Filed):
            os.close(content.fd)
