"""What a store is: the contract that every store keeps and every handler stands on.

A store is used from one event loop. Its coroutines do disk work and hashing in threads; nothing
they return is visible to another reader before it is complete, verified and durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Algorithm, Digest
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag


class Origin(StrEnum):
    """How content that is given out came to be here."""

    HERE = "here"
    CACHE = "cache"
    STALE = "stale"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Held:
    """Small content, whole in memory.

    Attributes:
        age: of what is stale, how many seconds ago it was known to be right.
        of: the repository that it is of, where it was asked for by another name.
    """

    digest: Digest
    media_type: str
    data: bytes
    origin: Origin = Origin.HERE
    age: float | None = None
    of: RepositoryName | None = None

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Filed:
    """Content in an open file: whoever gets it closes `fd` (os.close) when done."""

    digest: Digest
    media_type: str
    size: int
    fd: int
    origin: Origin = Origin.HERE
    of: RepositoryName | None = None


@dataclass(frozen=True, slots=True)
class Growing:
    """Content that is still coming, in an open file: whoever gets it closes `fd` when done.

    Attributes:
        reach: waits until there are bytes beyond an offset, and returns how far they may be read;
            raises TransferBroken where they will never come.
    """

    digest: Digest
    media_type: str
    size: int
    fd: int
    reach: Callable[[int], Awaitable[int]]
    origin: Origin = Origin.UPSTREAM
    of: RepositoryName | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """Content that is known of and not here: for who asks only whether there is any."""

    digest: Digest
    media_type: str
    size: int
    origin: Origin = Origin.UPSTREAM
    of: RepositoryName | None = None


T_co = TypeVar("T_co", covariant=True)

Readable = Held | Filed | Growing
Content = Readable | Described
BLOB_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A part of a sorted listing, and whether there is more after it."""

    items: Sequence[T_co]
    more: bool


@dataclass(frozen=True, slots=True)
class ReferrersList:
    """What refers to a manifest (distribution-spec, "Listing Referrers").

    Attributes:
        items: a descriptor each, sorted by digest.
        origin: where it was got; CACHE: upstream's part of it is what that listed a while ago.
        age: for STALE: how many seconds ago upstream was last asked; None: it never was.
        of: the repository that it is of, where that is not the one that was asked.
    """

    items: Sequence[Descriptor]
    origin: Origin = Origin.HERE
    age: float | None = None
    of: RepositoryName | None = None


class Source(Protocol):
    """Bytes on their way in, such as the body of a request."""

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Call `sink` with every piece, in order, until the end.

        The calls come from worker threads, one at a time; a view is valid only during its call.
        What `sink` raises stops the pump and is raised here.

        Raises:
            TransferBroken: the other end went away before the end; what came was given to `sink`.
        """


class Upload(Protocol):
    """A blob on its way in, over as many requests and connections as it takes."""

    @property
    def id(self) -> str:
        """The session's name: a random UUID."""

    @property
    def offset(self) -> int:
        """How many bytes are here."""

    async def append(
        self, source: Source, *, at: int | None = None, size: int | None = None
    ) -> None:
        """Take the bytes of `source`; what arrived before an error stays and counts.

        Args:
            source: the bytes.
            at: the offset that the sender believes to be at.
            size: how many bytes were announced, where they were.

        Raises:
            RangeInvalid: `at` is not where the upload stands; nothing was taken.
            SizeInvalid: the bytes were not as many as announced.
            StoreFull: the disk is full; nothing of `source` was kept.
            UploadUnknown: the upload has ended meanwhile.
            TransferBroken: the sender went away.
        """

    async def commit(self, digest: Digest) -> None:
        """End the upload: verify, make durable, link into the repository.

        Raises:
            DigestInvalid: the bytes have another digest; the upload is gone.
            StoreFull: the disk is full.
            UploadUnknown: the upload has ended meanwhile.
        """

    async def cancel(self) -> None:
        """End the upload and forget its bytes."""


class Repository(Protocol):
    """An open handle on one repository, which need not exist yet."""

    @property
    def name(self) -> RepositoryName:
        """Its name."""

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest at once, where it lies in memory and is still right, else None.

        Never waits for the disk: the answer to most requests, given without a thread.
        """

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob at once, where it lies in memory and is still right, else None."""

    async def manifest(self, want: Tag | Digest) -> Held:
        """Return the manifest, its type as stored; raise ManifestUnknown or NameUnknown."""

    async def blob(self, digest: Digest) -> Readable:
        """Return the blob; raise BlobUnknown, or NameUnknown where there is no repository."""

    async def peek(self, digest: Digest) -> Content:
        """Return the blob, or what is known of it; nothing is brought from anywhere.

        Raises:
            BlobUnknown, NameUnknown: as `blob`.
        """

    async def put_manifest(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Store the manifest byte for byte, then point `tags` at it.

        Raises:
            ManifestBlobUnknown: a blob that it names is not in this repository.
            StoreFull: the disk is full.
        """

    async def delete_manifest(self, want: Tag | Digest) -> None:
        """Forget the tag, or the manifest and every tag on it; raise ManifestUnknown."""

    async def delete_blob(self, digest: Digest) -> None:
        """Forget the blob in this repository; raise BlobUnknown."""

    async def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Link a blob of `source` (of any repository where None); return whether there was one."""

    async def start_upload(self, algorithm: Algorithm) -> Upload:
        """Begin an upload whose digest will be of `algorithm`."""

    def upload(self, upload_id: str) -> Upload:
        """Return the upload begun here under this id; raise UploadUnknown."""

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """Return up to `limit` tags after `last`, sorted by byte; raise NameUnknown."""

    async def referrers(self, subject: Digest) -> ReferrersList:
        """Return what refers to the manifest `subject`, which need not be here."""


class Repositories(Protocol):
    """What handlers serve: repositories by their names."""

    def repository(self, name: RepositoryName) -> Repository:
        """Return a handle on the repository called `name`."""

    async def repositories(self, limit: int, last: str = "") -> Page[RepositoryName]:
        """Return up to `limit` repositories after `last`, sorted by byte."""


class Store(Repositories, Protocol):
    """Everything that one registry holds."""

    async def open(self) -> None:
        """Make ready to serve: check that the place is writable, sweep what was left over."""

    async def close(self) -> None:
        """Let go of everything; uploads that are not finished can be continued after `open`."""
