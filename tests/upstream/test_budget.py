"""The disk that the cache may take: what was not used for longest goes first."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.downloads import download
from tests.support.images import hello, noise
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.images import Image
    from tests.support.mirrors import Start
    from tests.support.registries import Running

IMAGES = [hello(f"budget {number}", 400_000) for number in range(6)]
OWN = hello("budget own", 400_000)
HOUR = 3600.0


def blob_file(store: Path, digest: str) -> Path:
    """Return where a blob lies."""
    name = digest.removeprefix("sha256:")
    return store / f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"


def is_here(store: Path, image: Image) -> bool:
    """Return whether the large layer of an image is in the store."""
    return blob_file(store, image.blobs[-1].digest).exists()


def let_pass(store: Path, image: Image, hours: float) -> None:
    """Let an image not have been used for so long."""
    for blob in image.blobs:
        file = blob_file(store, blob.digest)
        os.utime(file, (time.time() - hours * HOUR, file.stat().st_mtime))


def fill(start: Start, hub: Upstream) -> Running:
    """Let a registry without a budget bring everything, the first image longest ago, and stop."""
    mirror = start({"docker.io": hub.url})
    with mirror.wire() as wire:
        for number, made in enumerate(IMAGES):
            hub.hold(f"some/app{number}", made, "v1")
            wire.pull(f"docker.io/some/app{number}", "v1")
        wire.push("mine/app", OWN, "v1")
        wire.push("docker.io/some/own", IMAGES[1], "v1")
    mirror.stop()
    for number, made in enumerate(IMAGES):
        let_pass(mirror.store, made, 10 - number)
    let_pass(mirror.store, OWN, 20)
    return mirror


def test_oldest_first(start: Start, hub: Upstream) -> None:
    """What was used least recently goes, until the cache fits; what was pushed never goes.

    What went is fetched again when somebody asks for it: no tag becomes unpullable.
    """
    store = fill(start, hub).store
    mirror = start({"docker.io": hub.url}, "--cache-size=1300KB")
    eventually(lambda: sum(is_here(store, made) for made in IMAGES) < 5)
    time.sleep(0.5)
    here = [is_here(store, made) for made in IMAGES]
    assert not here[0]
    assert here[1], "it was pushed, too"
    assert here[-2:] == [True, True]
    assert is_here(store, OWN)
    asked = len(hub.requests("GET", "/blobs/"))
    with mirror.wire() as wire:
        assert wire.pull("docker.io/some/app0", "v1") == IMAGES[0].manifest.digest
        assert wire.pull("docker.io/some/own", "v1") == IMAGES[1].manifest.digest
        assert wire.pull("mine/app", "v1") == OWN.manifest.digest
    assert len(hub.requests("GET", "/blobs/")) > asked


def test_downloads_that_stopped(start: Start, hub: Upstream) -> None:
    """What came of a download that stopped counts, and goes where there is too much."""
    data = noise(2_000_000, "stopped")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    hub.script.add("GET", "/blobs/", Fault(cut_after=1_500_000))
    hub.script.add("GET", "/blobs/", Fault(reply=Reply(503)), ALWAYS)
    settings = 'upstream-stall = "1s"\nupstream-patience = "1s"\n'
    mirror = start({"docker.io": hub.url}, "--cache-size=2MB", settings=settings)
    assert not download(mirror, path).is_whole
    mirror.stop()
    fills = mirror.store / "lreg/fills"
    (partial,) = fills.glob("*/data")
    assert partial.stat().st_size == 1_500_000
    start({"docker.io": hub.url}, "--cache-size=1MB", settings=settings)
    eventually(lambda: not list(fills.glob("*/data")))


def test_no_budget(start: Start, hub: Upstream) -> None:
    """Without a budget nothing goes."""
    store = fill(start, hub).store
    with start({"docker.io": hub.url}).wire() as wire:
        wire.pull("docker.io/some/app0", "v1")
        time.sleep(0.5)
    assert all(is_here(store, made) for made in IMAGES)


def test_readers_keep_what_they_read(start: Start, hub: Upstream) -> None:
    """However small the budget is, what is being pulled arrives."""
    for number, made in enumerate(IMAGES):
        hub.hold(f"some/app{number}", made, "v1")
    with start({"docker.io": hub.url}, "--cache-size=100KB").wire() as wire:
        for _ in range(2):
            for number, made in enumerate(IMAGES):
                assert wire.pull(f"docker.io/some/app{number}", "v1") == made.manifest.digest
