"""What is made of an upstream's failures: what they say of it, and what is told."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest

from lreg.config import load
from lreg.errors import LregError, TooManyRequests, UpstreamFailed, UpstreamTimeout
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import RepositoryName, Tag
from lreg.store.filesystem import FilesystemStore
from lreg.store.protocol import Growing, Held
from lreg.store.repository import FiledRepository
from lreg.upstream.dial import State
from lreg.upstream.mirror import Mirror
from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.upstream import Upstream
from tests.support.images import hello, noise
from tests.support.mirrors import write_config
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.store.protocol import Readable
    from lreg.upstream.repository import CachedRepository

MADE = hello("trouble", 200_000)
LAYER = Manifest.parse(MADE.manifest.data).layers[-1]
SETTINGS = """
upstream-stall = "1s"
upstream-patience = "1s"
prefetch = false
[[freshness]]
match = "*"
ttl = "always"
"""
V1 = Tag("v1")


@pytest.fixture
async def hub() -> AsyncIterator[Upstream]:
    """A docker.io that has MADE."""
    async with Upstream() as made:
        made.hold("some/app", MADE, "v1")
        yield made


@pytest.fixture
async def mirror(tmp_path: Path, hub: Upstream) -> AsyncIterator[Mirror]:
    """What a registry puts in front of it."""
    file = write_config(tmp_path, {"docker.io": hub.url}, SETTINGS)
    config = load({"store": str(tmp_path / "store")}, file, {}).config
    store = FilesystemStore(config.store)
    await store.open()
    made = Mirror(config, store)
    yield made
    await made.close()
    await store.close()


@pytest.fixture
def app(mirror: Mirror) -> CachedRepository:
    """The image's repository."""
    cached = mirror.cached(RepositoryName("docker.io/some/app"))
    assert cached
    return cached


async def test_a_broken_download_says_nothing_of_the_upstream(
    hub: Upstream, mirror: Mirror, app: CachedRepository
) -> None:
    """A blob whose connection breaks, of a storage elsewhere say, makes no tag stale."""
    await app.manifest(V1)
    hub.script.add("GET", "/blobs/", Fault(cut_after=0), ALWAYS)
    with pytest.raises(UpstreamFailed):
        await mirror.fills.done(app.source.blobs.wanted(LAYER))
    docker = mirror.upstreams["docker.io"]
    assert (docker.state, docker.resting) == (State.OK, False)
    heads = len(hub.requests("HEAD"))
    assert (await app.manifest(V1)).age is None
    assert len(hub.requests("HEAD")) == heads + 1


async def test_a_silent_check_rests_the_upstream(
    hub: Upstream, mirror: Mirror, app: CachedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upstream that does not answer a check in time is left alone, also for other images."""
    hub.hold("other/app", MADE, "v1")
    other = mirror.cached(RepositoryName("docker.io/other/app"))
    assert other
    for each in (app, other):
        await each.manifest(V1)
    monkeypatch.setattr("lreg.upstream.source._CHECK_SECONDS", 0.2)
    hub.script.add("HEAD", "/manifests/", Fault(delay=60), ALWAYS)
    assert (await app.manifest(V1)).age is not None
    docker = mirror.upstreams["docker.io"]
    assert (docker.state, docker.resting) == (State.UNREACHABLE, True)
    assert "does not answer" in docker.reason
    heads = len(hub.requests("HEAD"))
    assert (await other.manifest(V1)).age is not None
    assert len(hub.requests("HEAD")) == heads


async def test_a_manifest_that_crawls(
    hub: Upstream, app: CachedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that comes byte by byte, and so never stalls, is given up all the same."""
    monkeypatch.setattr("lreg.upstream.source._FETCH_SECONDS", 0.5)
    hub.script.add("GET", "/manifests/", Fault(rate=4), ALWAYS)
    with pytest.raises(UpstreamTimeout, match="does not answer in time"):
        await app.manifest(V1)


async def test_what_waits_for_its_turn_hears_how_long(hub: Upstream, app: CachedRepository) -> None:
    """Where an upstream asks to wait, blobs it was not asked for yet are told so as well."""
    refusal = Reply(429, b"", {"Retry-After": "600"})
    hub.script.add("GET", "/blobs/", Fault(reply=refusal), ALWAYS)
    await app.manifest(V1)
    for blob in MADE.blobs:
        with pytest.raises(TooManyRequests) as refused:
            await app.blob(Digest.parse(blob.digest))
        assert 590 <= int(refused.value.headers["Retry-After"]) <= 600
    assert len(hub.requests("GET", "/blobs/")) == 1


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "open"])
async def test_a_fill_that_ends_while_the_store_is_looked_through(
    hub: Upstream,
    mirror: Mirror,
    app: CachedRepository,
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    """A blob that comes to be here just after it was looked for is served, also during a 429."""
    await app.manifest(V1)
    app.source.blobs.guarded = guarded
    go = threading.Event()
    hub.script.add("GET", "/blobs/", Fault(until=go))
    fill = mirror.fills.start(app.source.blobs.wanted(LAYER))
    look = FiledRepository.blob

    async def late(repository: FiledRepository, digest: Digest) -> Readable:
        monkeypatch.undo()
        try:
            return await look(repository, digest)
        finally:
            go.set()
            await fill.done
            await in_time(lambda: mirror.fills.find(digest) is None)
            refusal = TooManyRequests("enough", headers={"Retry-After": "600"})
            mirror.upstreams["docker.io"].note(refusal)

    monkeypatch.setattr(FiledRepository, "blob", late)
    found = await app.blob(LAYER.digest)
    assert not isinstance(found, Held)
    os.close(found.fd)


async def everything(app: CachedRepository, digest: Digest) -> bytes:
    """Read a blob that comes or is here, to its last byte."""
    found = await app.blob(digest)
    assert isinstance(found, Growing)
    try:
        assert await found.reach(found.size - 1) == found.size
        return os.pread(found.fd, found.size, 0)
    finally:
        os.close(found.fd)


@pytest.mark.parametrize("named", [True, False], ids=["named", "unasked"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "open"])
async def test_a_blob_that_is_just_being_kept(
    hub: Upstream,
    mirror: Mirror,
    app: CachedRepository,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
    guarded: bool,
) -> None:
    """Who asks between a blob's last byte and its place on the disk gets it, also during a 429.

    Upstream has sent it once and is not asked again, also where the disk takes its time.
    """
    if named:
        await app.manifest(V1)
    app.source.blobs.guarded = guarded
    slow, slow_disk = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def fsync(path: str) -> None:
        loop.call_soon_threadsafe(slow_disk.set)
        assert slow.wait(60), path

    monkeypatch.setattr("lreg.store.files.fsync_file", fsync)
    try:
        assert await everything(app, LAYER.digest) == MADE.blobs[-1].data
        await slow_disk.wait()
        asked = len(hub.seen)
        docker = mirror.upstreams["docker.io"]
        docker.note(TooManyRequests("enough", headers={"Retry-After": "600"}))
        assert await everything(app, LAYER.digest) == MADE.blobs[-1].data
        fill = mirror.fills.find(LAYER.digest)
    finally:
        slow.set()
    assert fill, "it has ended before: this proved nothing"
    await fill.done
    assert len(hub.seen) == asked


@pytest.mark.parametrize(
    ("remaining", "quota"),
    [
        ("76;w=21600", 76),
        ("76", 76),
        ("0", 0),
        ("9" * 5000, None),
        ("-1", None),
        ("²", None),
        ("٣", None),
        (";w=1", None),
        ("", None),
    ],
)
async def test_any_quota(
    hub: Upstream, mirror: Mirror, app: CachedRepository, remaining: str, quota: int | None
) -> None:
    """Whatever an upstream says of its quota, its images come; what is no number is none."""
    hub.more_headers = {"RateLimit-Remaining": remaining.encode().decode("latin-1")}
    assert (await app.manifest(V1)).digest == Digest.parse(MADE.manifest.digest)
    told = mirror.upstreams["docker.io"].quota
    assert (told and told.remaining) == quota


@pytest.mark.parametrize("size", [1000, 2_000_000])
async def test_signatures_are_not_told(
    hub: Upstream,
    mirror: Mirror,
    app: CachedRepository,
    size: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The URL that an upstream sent us on to, whose query opens it, is told to nobody whole."""
    caplog.set_level(logging.INFO, "lreg")
    blob = hub.put_blob("some/app", noise(size, "signed"))
    async with Upstream("127.0.0.2") as storage:
        storage.held = hub.held
        hub.blobs_at = storage.url
        storage.script.add("GET", "/blobs/", Fault(cut_after=size // 2))
        storage.script.add("GET", "/blobs/", Fault(cut_after=0), ALWAYS)
        with pytest.raises(LregError) as told:
            await mirror.fills.done(app.source.blobs.wanted(blob))
        assert storage.requests("GET", "signature=")
    assert str(blob.digest) in str(told.value)
    assert "signature" not in str(told.value)
    assert "signature" not in mirror.upstreams["docker.io"].reason
    assert "fill.failed" in caplog.text
    shown = [str(vars(record)) for record in caplog.records if record.name.startswith("lreg.up")]
    assert not [line for line in shown if "signature" in line]
