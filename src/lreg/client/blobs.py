"""Blobs on their way from and to a registry: verified, resumed, in pieces."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from lreg import errors
from lreg.client.auth import Scope
from lreg.client.connection import Ask
from lreg.client.pumping import Behind
from lreg.client.wire import SourceFailed, joined
from lreg.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from hashlib import _Hash

    from lreg.client.repository import RemoteRepository
    from lreg.client.response import Response
    from lreg.client.wire import Body
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.reference import RepositoryName

# More digits than a file can have bytes are no size.
_SIZE = re.compile(r"[0-9]{1,19}")
# Below this a thread costs more than the hash.
_INLINE = 64 << 10


class RunningHash:
    """A hash that is computed in a thread, one piece behind the stream.

    Args:
        hasher: what to feed.
    """

    def __init__(self, hasher: _Hash) -> None:
        self._hasher = hasher
        self._behind = Behind(hasher.update)

    async def add(self, piece: bytes) -> None:
        """Take the next piece; returns once the one before it is hashed."""
        if len(piece) < _INLINE:
            await self._behind.settle()
            self._hasher.update(piece)
        else:
            await self._behind.give(piece)

    async def hexdigest(self) -> str:
        """Return the hash of all pieces."""
        await self._behind.settle()
        return self._hasher.hexdigest()


class BlobBody:
    """What one answer brings of a blob; valid within its `read_blob`.

    Attributes:
        size: of the whole blob in bytes, None where the registry does not say it.
    """

    def __init__(self, response: Response, position: int) -> None:
        """Read `response` from byte `position` of the blob on; raise RangeInvalid."""
        self._response = response
        # A registry that ignores Range is read past what is here already.
        self._excess = position if response.status != 206 else 0
        text = response.headers.get("Content-Length", "")
        if response.status == 206:
            content_range = response.headers.get("Content-Range", "")
            if not content_range.startswith(f"bytes {position}-"):
                raise errors.RangeInvalid(
                    f"{response.url} sent {content_range!r:.80} where bytes from {position} on "
                    "were asked for"
                )
            text = content_range.rpartition("/")[2]
        self.size = int(text) if _SIZE.fullmatch(text) else None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes in large pieces; raises what transport.Response.pieces does."""
        async with aclosing(self._response.pieces()) as pieces:
            async for piece in pieces:
                if rest := piece[self._skip(piece) :]:
                    yield rest

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give all bytes to `sink`, piece after piece, in threads (store.protocol.Source).

        Raises:
            TransferBroken: the connection broke off or stalled; what had come was given to `sink`.
        """

        def wanted(piece: memoryview) -> None:
            if piece := piece[self._skip(piece) :]:
                sink(piece)

        await self._response.pump(wanted if self._excess else sink)

    def _skip(self, piece: bytes | memoryview) -> int:
        """Return how many bytes at the beginning of a piece are here already."""
        skipped = min(self._excess, len(piece))
        self._excess -= skipped
        return skipped


@asynccontextmanager
async def read_blob(
    repository: RemoteRepository, digest: Digest, position: int
) -> AsyncIterator[BlobBody]:
    """Ask once for a blob from byte `position` on (distribution-spec, "Pulling blobs").

    Raises:
        BlobUnknown: the registry does not have it.
        RangeInvalid: it sent another part.
    """
    ask = Ask(
        "GET",
        f"{repository.path}/blobs/{digest}",
        f"blob {digest.short} of {repository.name}",
        repository.scope("pull"),
        {"Range": f"bytes={position}-"} if position else None,
        missing=errors.BlobUnknown,
    )
    async with repository.connection.answer(ask) as response:
        yield BlobBody(response, position)


class RemoteBlob(AsyncIterable[bytes]):
    """A blob of a registry, read by `async for`; every iteration reads it anew.

    A connection that drops or stalls is taken up again by Range, with growing pauses, as often as
    there is progress; an upstream that ignores Range is read past what is here already. The last
    piece is held back until size and digest are verified, so that nobody completes a wrong blob.

    Attributes:
        repository: which has it.

    Iterating raises BlobUnknown, DigestInvalid or SizeInvalid (the registry sent something else),
    TransferBroken or Unavailable (patience ran out), and what else the registry says.
    """

    def __init__(
        self, repository: RemoteRepository, descriptor: Descriptor, start: int, hasher: _Hash | None
    ) -> None:
        self.repository = repository
        self._descriptor = descriptor
        self._start = start
        self._hasher = hasher

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        digest, size = self._descriptor.digest, self._descriptor.size
        running: RunningHash | None = None
        if self._hasher is not None:
            running = RunningHash(self._hasher.copy())
        elif self._start == 0:
            running = RunningHash(digest.algorithm.hasher())
        count, held = self._start, b""
        async with aclosing(self._resumed()) as pieces:
            async for piece in pieces:
                count += len(piece)
                if count > size:
                    raise self._wrong(f"more than its {size} bytes", errors.SizeInvalid)
                if running:
                    await running.add(piece)
                if held:
                    yield held
                held = piece
        if running and Digest(digest.algorithm, await running.hexdigest()) != digest:
            raise self._wrong("bytes with another digest", errors.DigestInvalid)
        if held:
            yield held

    def _wrong(self, what: str, kind: type[errors.RegistryError]) -> errors.RegistryError:
        where = f"{self.repository.host}/{self.repository.name}@{self._descriptor.digest}"
        return kind(f"{where}: the registry sent {what}")

    async def _resumed(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to `size`, over as many connections as it takes."""
        position, size = self._start, self._descriptor.size
        patience = self.repository.connection.patience
        failures = 0
        failure: errors.LregError
        while position < size:
            before = position
            try:
                async with (
                    read_blob(self.repository, self._descriptor.digest, position) as body,
                    aclosing(body.pieces()) as pieces,
                ):
                    async for piece in pieces:
                        position += len(piece)
                        yield piece
                        if position > size:
                            return
                failure = errors.TransferBroken(
                    f"{self.repository.host} ended blob {self._descriptor.digest.short} "
                    f"after {position} of {size} bytes"
                )
            except (errors.TransferBroken, errors.Unavailable) as error:
                failure = error
            failures = failures + 1 if position == before else 0
            if failures == patience.attempts:
                raise failure
            await asyncio.sleep(patience.pause(max(failures, 1)))


async def push(repository: RemoteRepository, descriptor: Descriptor, source: Body) -> None:
    """Upload in one piece: POST, then PUT (distribution-spec, "POST then PUT")."""
    patience = repository.connection.patience
    attempts = 1 if isinstance(source, AsyncIterator) else patience.attempts
    for attempt in range(1, attempts + 1):
        location = await _start(repository)
        try:
            await _send(repository, descriptor, source, location)
        except SourceFailed as failed:
            # A source has patience of its own.
            raise failed.error from failed
        except (errors.TransferBroken, errors.Unavailable):
            if attempt == attempts:
                raise
        else:
            return
        await asyncio.sleep(patience.pause(attempt))


async def _start(repository: RemoteRepository) -> str:
    ask = Ask(
        "POST",
        f"{repository.path}/blobs/uploads/",
        f"an upload to {repository.name}",
        repository.scope("pull", "push"),
        missing=errors.NameUnknown,
    )
    async with repository.connection.answer(ask) as response:
        return _location(response)


def _location(response: Response) -> str:
    if location := response.headers.get("Location"):
        return joined(response.url, location)
    raise errors.Unavailable(f"{response.url} began an upload without saying where")


async def _send(
    repository: RemoteRepository, descriptor: Descriptor, source: Body, location: str
) -> None:
    mark = "&" if "?" in location else "?"
    ask = Ask(
        "PUT",
        f"{location}{mark}digest={descriptor.digest}",
        f"blob {descriptor.digest.short} to {repository.name}",
        repository.scope("pull", "push"),
        {"Content-Type": "application/octet-stream"},
        source,
        descriptor.size,
        missing=errors.UploadUnknown,
    )
    async with repository.connection.answer(ask):
        pass


async def mount(repository: RemoteRepository, digest: Digest, source: RepositoryName) -> bool:
    """Ask for a mount (distribution-spec, "Mounting a blob from another repository")."""
    scope = Scope.of(repository.name, "pull", "push", mount=source)
    ask = Ask(
        "POST",
        f"{repository.path}/blobs/uploads/?mount={digest}&from={quote(source.text, safe='')}",
        f"a mount of {digest.short} from {source}",
        scope,
        missing=errors.NameUnknown,
    )
    async with repository.connection.answer(ask) as response:
        if response.status == 201:
            return True
        location = _location(response)
    # 202: an upload was begun instead. It is not wanted here.
    gone = frozenset(range(400, 600))
    cancel = Ask("DELETE", location, "an upload that is not needed", scope, allow=gone)
    async with repository.connection.answer(cancel):
        return False
