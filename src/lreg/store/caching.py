"""What a store keeps of upstreams, beside what is pushed to it: the contract of a cache's store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lreg.store.protocol import Repository, Store

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag
    from lreg.store.protocol import Source


@dataclass(frozen=True, slots=True)
class TagRecord:
    """What is known of a tag besides its target; times are in seconds since 1970.

    Attributes:
        cached: it came from upstream and is upstream's to change; else it was pushed.
        upstream: what upstream had when it was last asked.
        checked: when that was; 0: never.
        until: when the own version that was pushed ends, if it does.
        pinned: whether its content is never evicted.
        gone: whether upstream had no such tag any more when it was last asked.
    """

    cached: bool = False
    upstream: Digest | None = None
    checked: float = 0.0
    until: float | None = None
    pinned: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a tag points at, and what is known of it."""

    digest: Digest
    record: TagRecord


@dataclass(frozen=True, slots=True)
class Holding:
    """What one repository holds.

    Attributes:
        repository: its name.
        tags: every tag.
        manifests: the size of every manifest, in bytes.
        blobs: the size of every blob, in bytes.
        cached: the blobs that may be evicted: in every repository that has them they came from
            upstream, and no manifest that was pushed or is pinned names them.
        used: when each blob was last read or taken in, in seconds since 1970, to a minute or so.
    """

    repository: RepositoryName
    tags: Mapping[Tag, Tagged]
    manifests: Mapping[Digest, int]
    blobs: Mapping[Digest, int]
    cached: frozenset[Digest]
    used: Mapping[Digest, float]


@dataclass(frozen=True, slots=True)
class Listed:
    """What upstream listed as the referrers of a manifest.

    Attributes:
        referrers: a descriptor each.
        checked: when it was asked, in seconds since 1970.
        is_whole: whether it keeps the list itself; else its clients do, under a tag.
    """

    referrers: tuple[Descriptor, ...]
    checked: float
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Referring:
    """What refers to a manifest, as far as is known here.

    Attributes:
        pushed: the manifests here that a client pushed, sorted by digest.
        fetched: those that came from upstream, sorted likewise.
        listed: what upstream listed last; None: nothing is kept of that.
        is_here: whether the manifest itself is.
        is_own: whether it was pushed here.
    """

    pushed: tuple[Descriptor, ...]
    fetched: tuple[Descriptor, ...]
    listed: Listed | None
    is_here: bool
    is_own: bool


class Partial(Protocol):
    """A blob on its way from upstream: one a digest and store, whoever asks for it.

    What has arrived stays over restarts, until it is whole, wrong, discarded, or nothing came for
    a week. One coroutine fills it; any number read what is there, through `open`.
    """

    @property
    def digest(self) -> Digest:
        """What it is to become."""

    @property
    def offset(self) -> int:
        """How many bytes are in the file: right at any time, also while `append` runs; it grows."""

    async def ready(self) -> int:
        """Make the file where there is none, else hash what it holds; return the offset.

        Everything else needs this first.

        Raises:
            StoreFull: the disk is full.
            UploadUnknown: it has ended.
        """

    def open(self) -> int:
        """Return a file to read from, which the caller closes (os.close); it may grow meanwhile.

        It stays valid when the blob is committed or discarded. Quick: for the event loop.

        Raises:
            UploadUnknown: it was discarded.
        """

    async def expect(self, size: int) -> None:
        """See that there is room for `size` more bytes, beside what of the disk is to stay free.

        Raises:
            StoreFull: there is not.
        """

    async def append(self, source: Source) -> None:
        """Take the bytes of `source`, from `offset` on; what arrived before an error stays.

        Raises:
            StoreFull: no more of the disk is for this; with more space one goes on at `offset`.
            UploadUnknown: it has ended meanwhile.
            TransferBroken: the sender went away.
        """

    async def verify(self) -> None:
        """See that what is here is the blob, whole: quick, its hash is known; not yet durable.

        Raises:
            DigestInvalid: it is not; the bytes are thrown away, this object has ended, and
                `Repository.partial` gives another.
            UploadUnknown: it has ended.
        """

    async def commit(self) -> None:
        """Verify, make durable, and link into every repository that asked for it by `partial`.

        The links are marked as fetched, but where a client pushed the same meanwhile. Once it is
        committed, committing and verifying again do nothing.

        Raises:
            DigestInvalid, UploadUnknown: as `verify`.
            StoreFull: the disk is full; commit may be tried again, and fails with UploadUnknown
                where the bytes were lost with it.
        """

    async def discard(self) -> None:
        """End it and forget its bytes; a coroutine that adds to it fails with UploadUnknown.

        They are off the disk at once, or as soon as the last reader has closed its file.
        """

    async def release(self) -> None:
        """End it, and keep what has come for another that goes on there, if anything has.

        For whoever filled it and stops, whatever the reason: what is not released takes room in
        memory, and a folder, for a week. Nothing happens where it has ended already.
        """


class CachingRepository(Repository, Protocol):
    """A repository that takes what comes from upstream, and never lets it touch what was pushed."""

    def has_tag(self, tag: Tag) -> bool:
        """Return whether the tag exists, at once: one access(2).

        False is certain; a tag whose manifest another program removed counts as existing.
        """

    def held_tag(self, tag: Tag) -> Tagged | None:
        """Return what `tagged` would, at once, where it lies in memory and is still right."""

    async def tagged(self, tag: Tag) -> Tagged | None:
        """Return what the tag means, None where there is no such tag."""

    async def put_fetched(
        self, manifest: Manifest, tag: Tag | None, checked: float, *, adopt: bool = True
    ) -> bool:
        """Store upstream's manifest byte for byte, and point the tag at it unless it was pushed.

        Its blobs need not be here; those that the store has, in whatever repository, are linked.

        Args:
            manifest: what upstream has.
            tag: the tag by which upstream was asked, if it was.
            checked: when, in seconds since 1970; noted for a pushed tag as well.
            adopt: whether those blobs are linked; else each waits for `adopt`.

        Returns:
            Whether the tag, if there is one, means this manifest now.

        Raises:
            StoreFull: the disk is full.
        """

    async def note_checked(self, tag: Tag, upstream: Digest | None, checked: float) -> None:
        """Note what upstream has and when it said so; nothing where there is no such tag here.

        Args:
            tag: the tag.
            upstream: what it means there; None: it is gone, and what it meant last stays known.
            checked: in seconds since 1970.
        """

    async def referring(self, subject: Digest) -> Referring:
        """Return what is known here of what refers to a manifest, which need not be here."""

    async def note_listed(self, subject: Digest, listed: Listed) -> None:
        """Keep upstream's list of referrers for as long as the manifest is here; else nothing.

        Raises:
            StoreFull: the disk is full.
        """

    async def set_until(self, tag: Tag, until: float | None) -> None:
        """Note when the version that was pushed ends; raise ManifestUnknown unless one was."""

    async def undo(self, tag: Tag) -> Digest | None:
        """Take the version that was pushed away.

        Where the manifest that upstream had is still here the tag means that again, and is cached;
        else it is gone. A tag that is cached already stays as it is.

        Returns:
            What the tag means now, None where it is gone.

        Raises:
            ManifestUnknown: there is no such tag.
        """

    async def expire(self, tag: Tag, now: float) -> Digest | None:
        """Undo a version that was pushed, if its time is over.

        Args:
            tag: the tag; nothing happens where there is none, or it means something that does not
                end, or not yet: a push that was quicker stays.
            now: seconds since 1970.

        Returns:
            What the tag means now, None where there is none.
        """

    async def pin(self, tag: Tag, pinned: bool) -> None:
        """Keep all that the tag means from being evicted, or no more; raise ManifestUnknown."""

    async def names_blob(self, digest: Digest) -> Descriptor | None:
        """Return how a manifest of this repository names the blob, None where none does."""

    async def adopt(self, digest: Digest) -> bool:
        """Link a blob that the store has, if a manifest here names it; return if it is here now."""

    def partial(self, digest: Digest) -> Partial:
        """Return the blob on its way from upstream, begun or not, and ask for it to be linked here.

        All who ask for one digest, in whatever repository, get the same object until it has ended.
        """


class CachingStore(Store, Protocol):
    """A store that can tell what came from upstream, and give up what of it is not used."""

    def repository(self, name: RepositoryName) -> CachingRepository:
        """Return a handle on the repository called `name`."""

    def used(self, digest: Digest) -> None:
        """Note, for `Holding.used`, that the blob was of use just now; never waits.

        The store does so itself whenever a blob is asked for, adopted or committed.
        """

    async def tagged(self, prefix: str = "") -> Mapping[RepositoryName, Mapping[Tag, Tagged]]:
        """Return every tag of the repositories whose names begin with `prefix`, sorted by name."""

    async def partials(self) -> Mapping[Digest, int]:
        """Return how many bytes of each blob on its way are on disk, where there are any.

        Neither `holdings` nor `evict` know of those; `Partial.discard`, of any repository, frees
        them.
        """

    async def holdings(self) -> list[Holding]:
        """Return what every repository holds, sorted by name: one walk over the whole tree."""

    async def evict(self, digests: Collection[Digest], idle: float = 60.0) -> int:
        """Remove those of the blobs that may be evicted (`Holding.cached`), judged again now.

        Args:
            digests: the blobs.
            idle: seconds; what was used within them stays.

        Returns:
            How many bytes that freed.
        """
