"""Content to put into stores, and the ways to put it there."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lreg.errors import TransferBroken
from lreg.oci import mediatypes
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.protocol import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lreg.oci.descriptor import Descriptor
    from lreg.store.caching import CachingRepository
    from lreg.store.protocol import Page, Readable, Repository

EMPTY = b"{}"
NAME = RepositoryName.parse("library/alpine")
OTHER = RepositoryName.parse("other")
LATEST = Tag.parse("latest")


@dataclass(frozen=True)
class Pieces:
    """A source of the given pieces, which may break off at its end."""

    pieces: Iterable[bytes]
    broken: bool = False

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give every piece from a thread, in a buffer that is overwritten right afterwards."""
        for piece in self.pieces:
            buffer = bytearray(piece)
            await asyncio.to_thread(sink, memoryview(buffer))
            buffer[:] = b"!" * len(buffer)
        if self.broken:
            raise TransferBroken("the sender went away")


@dataclass(frozen=True)
class Slow:
    """A source that gives its piece, says so, and ends only when told to."""

    piece: bytes
    given: asyncio.Event
    go_on: asyncio.Event

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give the piece twice, with a pause between."""
        await asyncio.to_thread(sink, memoryview(self.piece))
        self.given.set()
        await self.go_on.wait()
        await asyncio.to_thread(sink, memoryview(self.piece))


def source(*pieces: bytes, broken: bool = False) -> Pieces:
    """Return a source of the given pieces."""
    return Pieces(pieces, broken)


async def push(
    repository: Repository, content: bytes, algorithm: Algorithm = Algorithm.SHA256
) -> Digest:
    """Push a blob in one piece and return its digest."""
    upload = await repository.start_upload(algorithm)
    await upload.append(source(content))
    digest = Digest.of(content, algorithm)
    await upload.commit(digest)
    return digest


async def bring(
    repository: CachingRepository, content: bytes, algorithm: Algorithm = Algorithm.SHA256
) -> Digest:
    """Bring a blob from upstream and return its digest."""
    digest = Digest.of(content, algorithm)
    partial = repository.partial(digest)
    await partial.ready()
    await partial.append(source(content[partial.offset :]))
    await partial.commit()
    return digest


def read(content: Readable) -> bytes:
    """Return all bytes of a blob, its file closed."""
    if isinstance(content, Held):
        return content.data
    try:
        data = os.pread(content.fd, content.size + 1, 0)
    finally:
        os.close(content.fd)
    return data


def describe(content: bytes, media_type: str = mediatypes.OCI_LAYER) -> dict[str, Any]:
    """Return the descriptor of some content as JSON."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def image(
    *layers: bytes,
    config: bytes = EMPTY,
    subject: Manifest | None = None,
    algorithm: Algorithm = Algorithm.SHA256,
    **fields: object,
) -> Manifest:
    """Return an image manifest of the given layers."""
    value: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": describe(config, mediatypes.OCI_CONFIG),
        "layers": [describe(layer) for layer in layers],
    }
    if subject is not None:
        value["subject"] = subject.descriptor.to_json()
    return Manifest.parse(json.dumps(value | fields).encode(), algorithm=algorithm)


def index(*manifests: Manifest, subject: Manifest | None = None, **fields: object) -> Manifest:
    """Return an image index of the given manifests."""
    value: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [manifest.descriptor.to_json() for manifest in manifests],
    }
    if subject is not None:
        value["subject"] = subject.descriptor.to_json()
    return Manifest.parse(json.dumps(value | fields).encode())


async def push_image(
    repository: Repository, *layers: bytes, tags: Sequence[Tag] = (), **fields: Any
) -> Manifest:
    """Push an image, its blobs first, and return its manifest."""
    for content in (fields.get("config", EMPTY), *layers):
        await push(repository, content)
    manifest = image(*layers, **fields)
    await repository.put_manifest(manifest, tags)
    return manifest


async def referrers_of(repository: Repository, subject: Digest) -> list[Descriptor]:
    """Return what refers to a manifest."""
    return list((await repository.referrers(subject)).items)


async def all_pages(pages: Callable[[int, str], Any], limit: int, most: int = 1000) -> list[str]:
    """Return the names in a listing, read page by page; fail where it does not end."""
    names: list[str] = []
    for _ in range(most):
        page: Page[Tag | RepositoryName] = await pages(limit, names[-1] if names else "")
        names += map(str, page.items)
        if not page.more:
            return names
        assert len(page.items) == limit
    raise AssertionError("the listing does not end")
