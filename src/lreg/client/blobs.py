"""Blobs on their way from a registry: verified, resumed, in pieces."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from lreg import errors
from lreg.client.connection import Ask
from lreg.client.pumping import Behind
from lreg.oci.digest import Digest
from lreg.transfer import finished

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from hashlib import _Hash

    from lreg.client.patience import Patience
    from lreg.client.repository import RemoteRepository
    from lreg.client.response import Response
    from lreg.oci.descriptor import Descriptor

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
        packed: how its bytes are encoded (RFC 9110, 8.4), though that was not asked for; "": not.
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
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        self.packed = "" if encoding == "identity" else encoding

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
    repository: RemoteRepository, digest: Digest, position: int, size: int | None = None
) -> AsyncIterator[BlobBody]:
    """Ask once for a blob from byte `position` on (distribution-spec, "Pulling blobs").

    Where its `size` is known the range has an end: go-containerregistry's takes no other.

    Raises:
        BlobUnknown: the registry does not have it.
        RangeInvalid: it sent another part.
    """
    ask = Ask(
        "GET",
        f"{repository.path}/blobs/{digest}",
        f"blob {digest.short} of {repository.name}",
        repository.scope("pull"),
        {"Range": f"bytes={position}-{'' if size is None else size - 1}"} if position else None,
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

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give all bytes to `sink`, piece after piece, in threads; raises what iterating does."""
        digest, size = self._descriptor.digest, self._descriptor.size
        hasher = digest.algorithm.hasher() if self._start == 0 else None
        hasher = self._hasher.copy() if self._hasher is not None else hasher
        too_much = self._wrong(f"more than its {size} bytes", errors.SizeInvalid)
        taken = _Taken(self._start, size, hasher, sink, too_much)
        stamina = _Stamina(self.repository.connection.patience, self._start)
        while taken.count < size:
            try:
                async with read_blob(self.repository, digest, taken.count, size) as body:
                    await body.pump(taken)
            except (errors.TransferBroken, errors.Unavailable) as error:
                await stamina.spend(taken.count, error)
            else:
                if taken.count < size:
                    await stamina.spend(taken.count, self._ended(taken.count))
        if hasher and Digest(digest.algorithm, hasher.hexdigest()) != digest:
            raise self._wrong("bytes with another digest", errors.DigestInvalid)
        if taken.held:
            await finished(asyncio.ensure_future(asyncio.to_thread(sink, memoryview(taken.held))))

    async def _resumed(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to `size`, over as many connections as it takes."""
        position, size = self._start, self._descriptor.size
        stamina = _Stamina(self.repository.connection.patience, position)
        while position < size:
            try:
                async with (
                    read_blob(self.repository, self._descriptor.digest, position, size) as body,
                    aclosing(body.pieces()) as pieces,
                ):
                    async for piece in pieces:
                        position += len(piece)
                        yield piece
                        if position > size:
                            return
            except (errors.TransferBroken, errors.Unavailable) as error:
                await stamina.spend(position, error)
            else:
                if position < size:
                    await stamina.spend(position, self._ended(position))

    def _ended(self, position: int) -> errors.TransferBroken:
        return errors.TransferBroken(
            f"{self.repository.host} ended blob {self._descriptor.digest.short} "
            f"after {position} of {self._descriptor.size} bytes"
        )


class _Stamina:
    """How often a download is taken up again: as long as each connection brings something.

    Args:
        patience: how often in a row it may bring nothing, and the pauses.
        position: from where it begins.
    """

    def __init__(self, patience: Patience, position: int) -> None:
        self._patience = patience
        self._position = position
        self._failures = 0

    async def spend(self, position: int, failure: errors.LregError) -> None:
        """Wait before the next connection; raise `failure`, which ended one there, if in vain."""
        self._failures = self._failures + 1 if position == self._position else 0
        self._position = position
        if self._failures == self._patience.attempts:
            raise failure
        await asyncio.sleep(self._patience.pause(max(self._failures, 1)))


class _Taken:
    """A sink between a blob and the one who wants it, who has to wait for the last piece.

    Attributes:
        count: where the next piece belongs in the blob.
        held: the last piece.
    """

    def __init__(
        self,
        start: int,
        size: int,
        hasher: _Hash | None,
        sink: Callable[[memoryview], None],
        too_much: Exception,
    ) -> None:
        self.count = start
        self.held = b""
        self._size = size
        self._hasher = hasher
        self._sink = sink
        self._too_much = too_much

    def __call__(self, piece: memoryview) -> None:
        """Take the next piece, in a thread; raise `too_much` where there are more than `size`."""
        self.count += len(piece)
        if self.count > self._size:
            raise self._too_much
        if self._hasher:
            self._hasher.update(piece)
        if self.count < self._size:
            self._sink(piece)
        else:
            self.held = bytes(piece)
