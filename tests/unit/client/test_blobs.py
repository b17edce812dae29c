"""Blobs arrive whole and right, or not at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, Denied, DigestInvalid, SizeInvalid, TransferBroken
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream

BLOB = random.Random("blob").randbytes(3 << 20)
DESCRIPTOR = Descriptor("application/octet-stream", Digest.of(BLOB), len(BLOB))
BLOBS = f"/v2/{NAME}/blobs/"


async def read(stream: AsyncIterator[bytes], into: bytearray) -> None:
    async for piece in stream:
        into += piece


async def whole(repository: RemoteRepository, start: int = 0) -> bytes:
    got = bytearray()
    await read(aiter(repository.blob(DESCRIPTOR, start)), got)
    return bytes(got)


@pytest.fixture(autouse=True)
def _held(upstream: Upstream) -> None:
    upstream.put_blob(NAME, BLOB)


async def test_whole(alpine: RemoteRepository) -> None:
    """A blob arrives as it is, in large pieces."""
    sizes = [len(piece) async for piece in alpine.blob(DESCRIPTOR)]
    assert sum(sizes) == len(BLOB)
    assert min(sizes[:-1]) >= 256 << 10
    assert await whole(alpine) == BLOB


async def test_from_the_middle(alpine: RemoteRepository) -> None:
    """What is here already is not fetched again, and the digest is still verified."""
    assert await whole(alpine, 1_000_000) == BLOB[1_000_000:]
    hasher = Digest.of(b"").algorithm.hasher()
    hasher.update(BLOB[:1_000_000])
    rest = b"".join([piece async for piece in alpine.blob(DESCRIPTOR, 1_000_000, hasher)])
    assert rest == BLOB[1_000_000:]
    hasher.update(b"something else")
    with pytest.raises(DigestInvalid):
        await read(aiter(alpine.blob(DESCRIPTOR, 1_000_000, hasher)), bytearray())


async def test_empty(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A blob of no bytes is one."""
    descriptor = upstream.put_blob(NAME, b"")
    assert [piece async for piece in alpine.blob(descriptor)] == []


async def test_dropped_connections(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A blob whose connection drops again and again arrives whole, no byte of it twice."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=400_000), times=7)
    assert await whole(alpine) == BLOB
    assert upstream.sent == len(BLOB)
    ranges = [one.headers.get("range") for one in upstream.requests("GET", BLOBS)]
    assert ranges == [None, *(f"bytes={n * 400_000}-" for n in range(1, 8))]


async def test_stall(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A connection on which nothing comes any more is given up for another."""
    upstream.script.add("GET", BLOBS, Fault(stall_after=1_000_000))
    assert await whole(alpine) == BLOB


async def test_registry_restarts(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A 503 in the middle of it all is waited out."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(reply=Reply(503, headers={"Retry-After": "0"})), 2)
    assert await whole(alpine) == BLOB


async def test_range_ignored(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A registry that does not know Range sends all again; what came before is passed over."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(ignore_range=True))
    assert await whole(alpine) == BLOB


async def test_given_up(upstream: Upstream, alpine: RemoteRepository) -> None:
    """Where no byte comes any more patience ends, and says after how many."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(cut_after=0), times=99)
    got = bytearray()
    with pytest.raises(TransferBroken, match="broke off"):
        await read(aiter(alpine.blob(DESCRIPTOR)), got)
    assert BLOB.startswith(bytes(got))
    assert len(upstream.requests("GET", BLOBS)) == 4


async def test_wrong_bytes(upstream: Upstream, alpine: RemoteRepository) -> None:
    """Nobody can complete a wrong blob: its last piece is held back."""
    upstream.script.add("GET", BLOBS, Fault(corrupt=True))
    got = bytearray()
    with pytest.raises(DigestInvalid, match="another digest"):
        await read(aiter(alpine.blob(DESCRIPTOR)), got)
    assert len(got) < len(BLOB)


async def test_too_many_bytes(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A body longer than the descriptor says is an error, not a longer blob."""
    upstream.script.add("GET", BLOBS, Fault(reply=Reply(200, BLOB + b"more")))
    got = bytearray()
    with pytest.raises(SizeInvalid, match="more than"):
        await read(aiter(alpine.blob(DESCRIPTOR)), got)
    assert len(got) < len(BLOB)


async def test_unknown(alpine: RemoteRepository) -> None:
    """A blob that is not there is BlobUnknown, and has_blob is false."""
    absent = Digest.of(b"absent")
    with pytest.raises(BlobUnknown):
        await read(aiter(alpine.blob(Descriptor("x/y", absent, 6))), bytearray())
    assert not await alpine.has_blob(absent)
    assert await alpine.has_blob(DESCRIPTOR.digest)


class Pieces:
    """A source that can be read again."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read += 1
        for start in range(0, len(self.data), 300_000):
            yield self.data[start : start + 300_000]


async def test_push(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A blob is pushed from memory or in pieces, whatever the upload's URL looks like."""
    new = Descriptor("x/y", Digest.of(b"new"), 3)
    await alpine.push_blob(new, b"new")
    upstream.held[NAME].blobs.pop(str(DESCRIPTOR.digest))
    await alpine.push_blob(DESCRIPTOR, Pieces(BLOB))
    assert upstream.held[NAME].blobs[str(new.digest)] == b"new"
    assert upstream.held[NAME].blobs[str(DESCRIPTOR.digest)] == BLOB


async def test_push_again(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A push whose connection drops is begun again, where its source can be read again."""
    upstream.held.clear()
    upstream.script.add("PUT", "/blobs/uploads/", Fault(drop_upload_after=1_000_000), times=2)
    source = Pieces(BLOB)
    await alpine.push_blob(DESCRIPTOR, source)
    assert upstream.held[NAME].blobs[str(DESCRIPTOR.digest)] == BLOB
    assert source.read == 3


async def test_push_once(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A source that is used up is not pretended to be sent again."""
    upstream.script.add("PUT", "/blobs/uploads/", Fault(drop_upload_after=1_000_000))
    with pytest.raises(TransferBroken):
        await alpine.push_blob(DESCRIPTOR, aiter(Pieces(BLOB)))


async def test_push_refused_early(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A registry that refuses in the middle of a body is understood at once."""
    refusal = Reply(403, b'{"errors":[{"code":"DENIED","message":"quota exceeded"}]}')
    upstream.script.add("PUT", "/blobs/uploads/", Fault(reply=refusal, deaf=True))
    with pytest.raises(Denied, match="quota exceeded"):
        await alpine.push_blob(DESCRIPTOR, Pieces(BLOB))


async def test_push_to_a_deaf_registry(upstream: Upstream, alpine: RemoteRepository) -> None:
    """A registry that takes no byte any more is given up."""
    upstream.script.add("PUT", "/blobs/uploads/", Fault(deaf=True, delay=60), times=99)
    large = random.Random("large").randbytes(16 << 20)
    with pytest.raises(TransferBroken):
        await alpine.push_blob(Descriptor("x/y", Digest.of(large), len(large)), Pieces(large))


async def test_push_from_a_broken_source(upstream: Upstream, alpine: RemoteRepository) -> None:
    """What a source raises is raised as it is, and the registry is not asked again."""

    class Broken(Pieces):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            self.read += 1
            yield self.data[:300_000]
            raise TransferBroken("the source is gone")

    source = Broken(BLOB)
    with pytest.raises(TransferBroken, match="the source is gone"):
        await alpine.push_blob(DESCRIPTOR, source)
    assert source.read == 1
    assert not upstream.requests("PUT")


@pytest.mark.parametrize("data", [BLOB[:-1], BLOB + b"x"], ids=["short", "long"])
async def test_push_of_another_size(alpine: RemoteRepository, data: bytes) -> None:
    """A source that is not as long as was said never becomes a blob."""
    with pytest.raises(SizeInvalid):
        await alpine.push_blob(DESCRIPTOR, Pieces(data))


async def test_push_of_other_bytes(alpine: RemoteRepository) -> None:
    """What the registry says of wrong bytes is passed on."""
    with pytest.raises(DigestInvalid, match="the fake says so"):
        await alpine.push_blob(DESCRIPTOR, bytes(len(BLOB)))
