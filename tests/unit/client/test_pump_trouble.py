"""Blobs on their way into a sink that do not get there: nothing is lost, nothing is left behind."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lreg.client.credentials import Only
from lreg.client.registry import Registry
from lreg.errors import StoreFull, TransferBroken
from tests.fakes.faults import Fault
from tests.support.processes import in_time
from tests.unit.client.conftest import HASTE, NAME
from tests.unit.client.sinks import BLOB, BLOBS, DIGEST, Sink, descriptors, pump

if TYPE_CHECKING:
    from lreg.certificates import CertificateAuthority
    from lreg.client.repository import RemoteRepository
    from tests.fakes.upstream import Upstream


@pytest.fixture(autouse=True)
def _held(far_end: Upstream) -> None:
    far_end.put_blob(NAME, BLOB)


@pytest.mark.parametrize("cut", [0, 1000, 4_000_000, len(BLOB) - 1])
@pytest.mark.parametrize("chunked", [False, True])
async def test_dropped(
    far_end: Upstream, remote: RemoteRepository, cut: int, chunked: bool
) -> None:
    """When the connection drops, all that had come was given to the sink."""
    far_end.script.add("GET", BLOBS, Fault(cut_after=cut, chunked=chunked))
    sink = Sink()
    with pytest.raises(TransferBroken, match="broke off in the middle"):
        await pump(remote, sink)
    assert BLOB.startswith(bytes(sink.data))
    # What the fake's TLS had not sent yet is lost with its connection.
    unsent = 0 if far_end.url.startswith("http:") else 1 << 20
    assert cut - unsent <= len(sink.data) <= cut


@pytest.mark.parametrize("chunked", [False, True])
async def test_stall(far_end: Upstream, remote: RemoteRepository, chunked: bool) -> None:
    """Where nothing comes for the time of patience that is said, and what came is kept."""
    far_end.script.add("GET", BLOBS, Fault(stall_after=3_000_000, chunked=chunked))
    sink = Sink()
    begin = time.monotonic()
    with pytest.raises(TransferBroken, match="nothing came in time") as broken:
        await pump(remote, sink)
    assert HASTE.stall <= time.monotonic() - begin < HASTE.stall + 20
    assert sink.data == BLOB[:3_000_000]
    assert isinstance(broken.value.__cause__, TimeoutError)


def patient(
    far_end: Upstream, authority: CertificateAuthority, floor: int, stall: float
) -> Registry:
    ca = authority.path if far_end.url.startswith("https:") else None
    patience = replace(HASTE, stall=stall, rate_floor=floor)
    return Registry(far_end.host, credentials=Only(None), patience=patience, ca=ca)


async def test_rate_floor(far_end: Upstream, authority: CertificateAuthority) -> None:
    """A trickle is as good as nothing, where the registry is known to be faster."""
    far_end.script.add("GET", BLOBS, Fault(rate=1_000_000), times=2)
    # Only waiting counts, of which there is little where the machine is kept busy: so much more.
    async with patient(far_end, authority, 20_000_000, 0.4) as registry:
        remote = registry.repository(far_end.repository(NAME))
        sink = Sink()
        with pytest.raises(TransferBroken, match="less than 20000000 bytes a second"):
            await pump(remote, sink)
        assert BLOB.startswith(bytes(sink.data))
        assert 0 < len(sink.data) < len(BLOB)
        with pytest.raises(TransferBroken, match="less than"):
            async with remote.read_blob(DIGEST, 0) as body:
                assert b"".join([piece async for piece in body.pieces()]) == b""


async def test_slow_sink(far_end: Upstream, authority: CertificateAuthority) -> None:
    """A disk that is slow is not taken for a registry that is."""
    async with patient(far_end, authority, 8_000_000, 1) as registry:
        sink = Sink(pause=0.1)
        await pump(registry.repository(far_end.repository(NAME)), sink)
        assert sink.data == BLOB


async def test_sink_fails(far_end: Upstream, remote: RemoteRepository) -> None:
    """What a sink raises is raised as it is, and it is not called again."""
    calls = 0

    def full(_: memoryview) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreFull("no room")
        if calls > 2:
            raise AssertionError("called again")

    for error in (False, True):
        calls = 0
        far_end.script.add("GET", BLOBS, Fault(cut_after=4_000_000 if error else None))
        async with remote.read_blob(DIGEST, 0) as body:
            with pytest.raises(StoreFull, match="no room"):
                await body.pump(full)
        await asyncio.sleep(0.1)
        assert calls == 2


async def test_sink_raises_what_a_socket_would(remote: RemoteRepository) -> None:
    """A failing disk is not blamed on the connection."""

    def failing(_: memoryview) -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        async with remote.read_blob(DIGEST, 0) as body:
            await body.pump(failing)


@pytest.mark.parametrize("chunked", [False, True])
async def test_cancelled(far_end: Upstream, remote: RemoteRepository, chunked: bool) -> None:
    """A pump that is cancelled leaves no thread behind that is in the sink or will be."""
    before = descriptors()
    for after in (0.0, 0.02, 0.05, 0.1, 0.2):
        far_end.script.add("GET", BLOBS, Fault(chunked=chunked, rate=30_000_000))
        sink = Sink(pause=0.03)
        pumping = asyncio.create_task(pump(remote, sink))
        await asyncio.sleep(after)
        pumping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pumping
        came = bytes(sink.data)
        await asyncio.sleep(0.06)
        assert sink.data == came
        assert BLOB.startswith(came)
    # One connection may be kept, with the registry's end of it in this process too.
    await in_time(lambda: descriptors() <= before + 2)


async def test_nothing_leaks(far_end: Upstream, remote: RemoteRepository) -> None:
    """However often it goes wrong, no descriptor is left open."""
    await pump(remote, Sink())
    before = descriptors()
    for _ in range(10):
        far_end.script.add("GET", BLOBS, Fault(cut_after=2_000_000))
        with pytest.raises(TransferBroken):
            await pump(remote, Sink())
    await pump(remote, Sink())
    await in_time(lambda: descriptors() <= before)
