"""Blobs are pushed whole and right, through the event loop or past it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from lreg.errors import Denied, DigestInvalid, SizeInvalid, TransferBroken
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lreg.client.registry import Registry
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream

BLOB = random.Random("blob").randbytes(3 << 20)
DESCRIPTOR = Descriptor("application/octet-stream", Digest.of(BLOB), len(BLOB))
BLOBS = f"/v2/{NAME}/blobs/"


@pytest.fixture(autouse=True)
def _held(far_end: Upstream) -> None:
    far_end.put_blob(NAME, BLOB)


class Pieces:
    """A source that can be read again."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read += 1
        for start in range(0, len(self.data), 300_000):
            yield self.data[start : start + 300_000]


class PumpedPieces(Pieces):
    """The same, whose pieces come in threads."""

    async def pump(self, sink: Callable[[memoryview], None]) -> None:
        """Give all of them."""
        async for piece in self:
            await asyncio.to_thread(sink, memoryview(piece))


@pytest.fixture(params=[Pieces, PumpedPieces])
def pieces(request: pytest.FixtureRequest) -> type[Pieces]:
    """A kind of source."""
    kind: type[Pieces] = request.param
    return kind


async def test_push(far_end: Upstream, remote: RemoteRepository, pieces: type[Pieces]) -> None:
    """A blob is pushed from memory or in pieces, whatever the upload's URL looks like."""
    new = Descriptor("x/y", Digest.of(b"new"), 3)
    await remote.push_blob(new, b"new")
    far_end.held[NAME].blobs.pop(str(DESCRIPTOR.digest))
    await remote.push_blob(DESCRIPTOR, pieces(BLOB))
    assert far_end.held[NAME].blobs[str(new.digest)] == b"new"
    assert far_end.held[NAME].blobs[str(DESCRIPTOR.digest)] == BLOB


async def test_push_again(
    far_end: Upstream, remote: RemoteRepository, pieces: type[Pieces]
) -> None:
    """A push whose connection drops is begun again, where its source can be read again."""
    far_end.held.clear()
    far_end.script.add("PUT", "/blobs/uploads/", Fault(drop_upload_after=1_000_000), times=2)
    source = pieces(BLOB)
    await remote.push_blob(DESCRIPTOR, source)
    assert far_end.held[NAME].blobs[str(DESCRIPTOR.digest)] == BLOB
    assert source.read == 3


async def test_push_once(far_end: Upstream, remote: RemoteRepository) -> None:
    """A source that is used up is not pretended to be sent again."""
    far_end.script.add("PUT", "/blobs/uploads/", Fault(drop_upload_after=1_000_000))
    with pytest.raises(TransferBroken):
        await remote.push_blob(DESCRIPTOR, aiter(Pieces(BLOB)))


async def test_push_refused_early(
    far_end: Upstream, remote: RemoteRepository, pieces: type[Pieces]
) -> None:
    """A registry that refuses in the middle of a body is understood at once."""
    refusal = Reply(403, b'{"errors":[{"code":"DENIED","message":"quota exceeded"}]}')
    far_end.script.add("PUT", "/blobs/uploads/", Fault(reply=refusal, deaf=True))
    with pytest.raises(Denied, match="quota exceeded"):
        await remote.push_blob(DESCRIPTOR, pieces(BLOB))


async def test_push_to_a_deaf_registry(
    far_end: Upstream, remote: RemoteRepository, pieces: type[Pieces]
) -> None:
    """A registry that takes no byte any more is given up."""
    far_end.script.add("PUT", "/blobs/uploads/", Fault(deaf=True, delay=60), times=99)
    large = random.Random("large").randbytes(16 << 20)
    with pytest.raises(TransferBroken):
        await remote.push_blob(Descriptor("x/y", Digest.of(large), len(large)), pieces(large))


async def test_push_from_a_broken_source(
    far_end: Upstream, remote: RemoteRepository, pieces: type[Pieces]
) -> None:
    """What a source raises is raised as it is, and the registry is not asked again."""

    class Broken(pieces):  # type: ignore[misc,valid-type]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            self.read += 1
            yield self.data[:300_000]
            raise TransferBroken("the source is gone")

    source = Broken(BLOB)
    with pytest.raises(TransferBroken, match="the source is gone"):
        await remote.push_blob(DESCRIPTOR, source)
    assert source.read == 1
    assert not far_end.requests("PUT")


@pytest.mark.parametrize("data", [BLOB[:-1], BLOB + b"x"], ids=["short", "long"])
async def test_push_of_another_size(
    remote: RemoteRepository, pieces: type[Pieces], data: bytes
) -> None:
    """A source that is not as long as was said never becomes a blob."""
    with pytest.raises(SizeInvalid):
        await remote.push_blob(DESCRIPTOR, pieces(data))


async def test_push_of_other_bytes(remote: RemoteRepository) -> None:
    """What the registry says of wrong bytes is passed on."""
    with pytest.raises(DigestInvalid, match="the fake says so"):
        await remote.push_blob(DESCRIPTOR, bytes(len(BLOB)))


async def test_push_in_threads(
    far_end: Upstream, near_end: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large blob goes from one registry to another past the event loop, drops and all."""
    monkeypatch.setattr("lreg.client.blobs.BlobBody.pieces", None)
    far_end.script.add("GET", BLOBS, Fault(cut_after=1_500_000))
    mine = near_end.repository(far_end.repository("mine"))
    await mine.push_blob(DESCRIPTOR, near_end.repository(far_end.repository(NAME)).blob(DESCRIPTOR))
    assert far_end.held["mine"].blobs[str(DESCRIPTOR.digest)] == BLOB


async def test_push_of_what_comes_wrong(far_end: Upstream, near_end: Registry) -> None:
    """A blob that a registry sends wrong is not completed at another."""
    far_end.script.add("GET", BLOBS, Fault(corrupt=True), times=99)
    mine = near_end.repository(far_end.repository("mine"))
    with pytest.raises(DigestInvalid, match="another digest"):
        await mine.push_blob(
            DESCRIPTOR, near_end.repository(far_end.repository(NAME)).blob(DESCRIPTOR)
        )
    assert not far_end.held["mine"].blobs
    assert not far_end.requests("PUT")


async def test_push_is_cancelled(far_end: Upstream, remote: RemoteRepository) -> None:
    """A push that is given up leaves no thread behind that still sends."""
    far_end.script.add("PUT", "/blobs/uploads/", Fault(deaf=True, delay=60))
    large = random.Random("large").randbytes(16 << 20)
    source = PumpedPieces(large)
    descriptor = Descriptor("x/y", Digest.of(large), len(large))
    pushing = asyncio.create_task(remote.push_blob(descriptor, source))
    await asyncio.sleep(0.3)
    pushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(pushing, 20)
