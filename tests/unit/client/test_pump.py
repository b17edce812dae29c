"""Blobs on their way into a sink: whole, in order, one call at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.client.credentials import Only
from lreg.client.registry import Registry
from lreg.errors import BlobUnknown, RangeInvalid
from lreg.oci.digest import Digest
from tests.fakes.faults import Fault, Reply
from tests.unit.client.conftest import NAME
from tests.unit.client.sinks import BLOB, BLOBS, DIGEST, Sink, pump

if TYPE_CHECKING:
    from lreg.certificates import CertificateAuthority
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream


@pytest.fixture(autouse=True)
def _held(far_end: Upstream) -> None:
    far_end.put_blob(NAME, BLOB)


@pytest.mark.parametrize("start", [0, 1, 5_000_000, len(BLOB) - 1])
async def test_whole(remote: RemoteRepository, start: int) -> None:
    """Every byte comes once, from the one that was asked for on."""
    sink = Sink()
    assert await pump(remote, sink, start) == len(BLOB)
    assert sink.data == BLOB[start:]


@pytest.mark.parametrize("start", [0, 1_000_000])
async def test_chunked(far_end: Upstream, remote: RemoteRepository, start: int) -> None:
    """A body whose length is not said arrives as well; the size is told where a part was sent."""
    far_end.script.add("GET", BLOBS, Fault(chunked=True))
    sink = Sink()
    assert await pump(remote, sink, start) == (len(BLOB) if start else None)
    assert sink.data == BLOB[start:]


@pytest.mark.parametrize("chunked", [False, True])
async def test_range_ignored(far_end: Upstream, remote: RemoteRepository, chunked: bool) -> None:
    """A registry that sends all again is read past what is here already."""
    far_end.script.add("GET", BLOBS, Fault(ignore_range=True, chunked=chunked))
    sink = Sink()
    assert await pump(remote, sink, 2_000_001) == (None if chunked else len(BLOB))
    assert sink.data == BLOB[2_000_001:]


@pytest.mark.parametrize(
    "part",
    [
        {"Content-Range": "bytes 0-9/10"},
        {"Content-Range": "bytes 12-20/21"},
        {"Content-Range": "octets"},
        {},
    ],
)
async def test_another_part(
    far_end: Upstream, remote: RemoteRepository, part: dict[str, str]
) -> None:
    """A part that begins elsewhere is refused before a byte of it is used."""
    far_end.script.add("GET", BLOBS, Fault(reply=Reply(206, b"x" * 9, part)))
    sink = Sink()
    with pytest.raises(RangeInvalid):
        await pump(remote, sink, 1)
    assert not sink.times


async def test_absurd_sizes(far_end: Upstream, remote: RemoteRepository) -> None:
    """A size that no file can have is none."""
    for size in ("*", "9" * 5000, "-1", "²"):
        part = {"Content-Range": f"bytes 1-9/{size}"}
        far_end.script.add("GET", BLOBS, Fault(reply=Reply(206, b"x" * 9, part)))
        assert await pump(remote, Sink(), 1) is None


@pytest.mark.parametrize("chunked", [False, True])
async def test_first_bytes_at_once(
    far_end: Upstream, remote: RemoteRepository, chunked: bool
) -> None:
    """What comes slowly is passed on as it comes, in pieces that are worth a thread."""
    far_end.script.add("GET", BLOBS, Fault(rate=6_000_000, chunked=chunked))
    sink = Sink()
    await pump(remote, sink)
    assert sink.data == BLOB
    (blob,) = far_end.requests("GET", BLOBS)
    assert sink.times[0] < blob.told.last
    assert 10 <= len(sink.times) <= 300


async def test_connection_is_kept(far_end: Upstream, remote: RemoteRepository) -> None:
    """A connection whose body was received to its end serves the next request."""
    small = far_end.put_blob(NAME, b"small")
    for start in (0, 4_000_000, len(BLOB) - 5):
        await pump(remote, Sink(), start)
        async with remote.read_blob(small.digest, 0) as body:
            sink = Sink()
            await body.pump(sink)
        assert sink.data == b"small"
        with pytest.raises(BlobUnknown):
            await pump_absent(remote)
    assert far_end.links == 1


async def pump_absent(remote: RemoteRepository) -> None:
    async with remote.read_blob(Digest.of(b"absent"), 0):
        pass


async def test_unread(far_end: Upstream, remote: RemoteRepository) -> None:
    """An answer that nobody reads is not mistaken for the next one."""
    async with remote.read_blob(DIGEST, 0) as body:
        assert body.size == len(BLOB)
    sink = Sink()
    await pump(remote, sink)
    assert sink.data == BLOB


async def test_unasked(upstream: Upstream, alpine: RemoteRepository) -> None:
    """What a registry sends behind the end of a body is no answer to anything."""
    upstream.put_blob(NAME, BLOB)
    for size in (2, 2_000_000):
        too_long = Reply(200, BLOB, {"Content-Length": str(size)})
        upstream.script.add("GET", BLOBS, Fault(reply=too_long))
        sink = Sink()
        assert await pump(alpine, sink) == size
        assert sink.data == BLOB[:size]
        sink = Sink()
        assert await pump(alpine, sink) == len(BLOB)
        assert sink.data == BLOB


async def test_many_at_once(
    far_end: Upstream, scheme: str, authority: CertificateAuthority
) -> None:
    """More bodies than threads come side by side."""
    sinks = [Sink() for _ in range(20)]
    ca = authority.path if scheme == "tls" else None
    async with Registry(far_end.host, credentials=Only(None), ca=ca) as registry:
        remote = registry.repository(far_end.repository(NAME))
        async with asyncio.TaskGroup() as group:
            for sink in sinks:
                group.create_task(pump(remote, sink))
    assert all(sink.data == BLOB for sink in sinks)
