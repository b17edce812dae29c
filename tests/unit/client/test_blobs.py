"""Blobs arrive whole and right, or not at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lreg.errors import BlobUnknown, DigestInvalid, SizeInvalid, TransferBroken
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lreg.client.blobs import RemoteBlob
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream

    Read = Callable[[RemoteBlob, bytearray], Awaitable[None]]

BLOB = random.Random("blob").randbytes(3 << 20)
DESCRIPTOR = Descriptor("application/octet-stream", Digest.of(BLOB), len(BLOB))
BLOBS = f"/v2/{NAME}/blobs/"


async def iterate(blob: RemoteBlob, into: bytearray) -> None:
    async for piece in blob:
        into += piece


async def pump(blob: RemoteBlob, into: bytearray) -> None:
    await blob.pump(into.extend)


@pytest.fixture(params=[iterate, pump])
def read(request: pytest.FixtureRequest) -> Read:
    """A way to read a blob: what comes goes to a bytearray."""
    way: Read = request.param
    return way


async def whole(read: Read, repository: RemoteRepository, start: int = 0) -> bytes:
    got = bytearray()
    await read(repository.blob(DESCRIPTOR, start), got)
    return bytes(got)


@pytest.fixture(autouse=True)
def _held(upstream: Upstream) -> None:
    upstream.put_blob(NAME, BLOB)


async def test_whole(alpine: RemoteRepository, read: Read) -> None:
    """A blob arrives as it is, in large pieces."""
    sizes = [len(piece) async for piece in alpine.blob(DESCRIPTOR)]
    assert sum(sizes) == len(BLOB)
    assert min(sizes[:-1]) >= 256 << 10
    assert await whole(read, alpine) == BLOB


async def test_from_the_middle(alpine: RemoteRepository, read: Read) -> None:
    """What is here already is not fetched again, and the digest is still verified."""
    assert await whole(read, alpine, 1_000_000) == BLOB[1_000_000:]
    hasher = Digest.of(b"").algorithm.hasher()
    hasher.update(BLOB[:1_000_000])
    rest = bytearray()
    await read(alpine.blob(DESCRIPTOR, 1_000_000, hasher), rest)
    assert rest == BLOB[1_000_000:]
    hasher.update(b"something else")
    with pytest.raises(DigestInvalid):
        await read(alpine.blob(DESCRIPTOR, 1_000_000, hasher), bytearray())


async def test_empty(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """A blob of no bytes is one."""
    descriptor = upstream.put_blob(NAME, b"")
    got = bytearray()
    await read(alpine.blob(descriptor), got)
    assert not got


async def test_dropped_connections(
    upstream: Upstream, alpine: RemoteRepository, read: Read
) -> None:
    """A blob whose connection drops again and again arrives whole, no byte of it twice."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=400_000), times=7)
    assert await whole(read, alpine) == BLOB
    assert upstream.sent == len(BLOB)
    ranges = [one.headers.get("range") for one in upstream.requests("GET", BLOBS)]
    end = len(BLOB) - 1
    assert ranges == [None, *(f"bytes={n * 400_000}-{end}" for n in range(1, 8))]


async def test_stall(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """A connection on which nothing comes any more is given up for another."""
    upstream.script.add("GET", BLOBS, Fault(stall_after=1_000_000))
    assert await whole(read, alpine) == BLOB


async def test_registry_restarts(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """A 503 in the middle of it all is waited out."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(reply=Reply(503, headers={"Retry-After": "0"})), 2)
    assert await whole(read, alpine) == BLOB


async def test_range_ignored(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """A registry that does not know Range sends all again; what came before is passed over."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(ignore_range=True))
    assert await whole(read, alpine) == BLOB


async def test_given_up(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """Where no byte comes any more patience ends, and says after how many."""
    upstream.script.add("GET", BLOBS, Fault(cut_after=1_000_000))
    upstream.script.add("GET", BLOBS, Fault(cut_after=0), times=99)
    got = bytearray()
    with pytest.raises(TransferBroken, match="broke off"):
        await read(alpine.blob(DESCRIPTOR), got)
    assert BLOB.startswith(bytes(got))
    assert len(upstream.requests("GET", BLOBS)) == 4


async def test_wrong_bytes(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """Nobody can complete a wrong blob: its last piece is held back."""
    upstream.script.add("GET", BLOBS, Fault(corrupt=True))
    got = bytearray()
    with pytest.raises(DigestInvalid, match="another digest"):
        await read(alpine.blob(DESCRIPTOR), got)
    assert len(got) < len(BLOB)


async def test_too_many_bytes(upstream: Upstream, alpine: RemoteRepository, read: Read) -> None:
    """A body longer than the descriptor says is an error, not a longer blob."""
    upstream.script.add("GET", BLOBS, Fault(reply=Reply(200, BLOB + b"more")))
    got = bytearray()
    with pytest.raises(SizeInvalid, match="more than"):
        await read(alpine.blob(DESCRIPTOR), got)
    assert len(got) < len(BLOB)


async def test_unknown(alpine: RemoteRepository) -> None:
    """A blob that is not there is BlobUnknown, and has_blob is false."""
    absent = Digest.of(b"absent")
    with pytest.raises(BlobUnknown):
        await iterate(alpine.blob(Descriptor("x/y", absent, 6)), bytearray())
    assert not await alpine.has_blob(absent)
    assert await alpine.has_blob(DESCRIPTOR.digest)
