"""Upstreams that never come to an end: with a blob, or with what they owe of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fakes.faults import ALWAYS, Fault
from tests.support.downloads import at_once, download
from tests.support.images import hello, noise, sha256
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start

MIB = 1 << 20
LIMIT = 4 * MIB
DATA = noise(64 * MIB, "endless")
SETTINGS = 'upstream-stall = "1s"\nupstream-patience = "4s"\nblob-limit = "4MiB"\n'


def partials(store: Path) -> list[Path]:
    """Return the files of what has come of downloads."""
    return list((store / "lreg/fills").glob("*/data"))


def test_a_blob_without_an_end(start: Start, hub: Upstream) -> None:
    """A blob whose size nobody says is given up past `blob-limit`, with 502 and how to allow it.

    What came of it is off the disk, upstream is not asked again for a while, and other images are
    pulled as ever.
    """
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', DATA).digest}"
    hub.script.add("GET", "/blobs/", Fault(chunked=True), 1)
    mirror = start({"docker.io": hub.url}, settings=SETTINGS)
    for done in at_once(3, lambda: download(mirror, path)):
        assert done.status == 502
    with mirror.wire() as wire:
        (error,) = wire.ask("GET", path).expect(502).json()["errors"]
        assert "blob-limit" in error["message"]
        assert "4MiB" in error["message"]
        assert len(hub.requests("GET", "/blobs/")) == 1
        assert hub.sent < len(DATA)
        assert partials(mirror.store) == []
        made = hello("beside it")
        hub.hold("other/app", made, "v1")
        assert wire.pull("docker.io/other/app", "v1") == made.manifest.digest


def test_a_manifest_says_the_size(start: Start, hub: Upstream) -> None:
    """A blob that a manifest names may be as long as that says, whether upstream says it or not."""
    layer = noise(LIMIT + MIB, "named")
    hub.put_image("some/app", "v1", layer)
    hub.script.add("GET", "/blobs/", Fault(chunked=True), ALWAYS)
    with start({"docker.io": hub.url}, settings=SETTINGS).wire() as wire:
        wire.pull("docker.io/some/app", "v1")


def test_a_named_blob_without_an_end(start: Start, hub: Upstream) -> None:
    """Upstream may not send more of a blob than its manifest says, without a length either."""
    named = hub.put_image("some/app", "v1", noise(MIB, "named")).blobs[-1]
    hub.held["some/app"].blobs[str(named.digest)] = DATA
    hub.script.add("GET", f"/blobs/{named.digest}", Fault(chunked=True), ALWAYS)
    mirror = start({"docker.io": hub.url}, settings=SETTINGS)
    path = f"/v2/docker.io/some/app/blobs/{named.digest}"
    with mirror.wire() as wire:
        wire.manifest("docker.io/some/app", "v1").expect(200)

        def is_refused() -> bool:
            done = download(mirror, path)
            assert not done.is_whole
            return done.status == 502

        eventually(is_refused)
    assert hub.sent < len(DATA)
    eventually(lambda: not partials(mirror.store))


def test_a_short_blob_without_a_length(start: Start, hub: Upstream) -> None:
    """A blob that comes without a length, and ends, is served whole."""
    data = noise(MIB, "short")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    hub.script.add("GET", "/blobs/", Fault(chunked=True), ALWAYS)
    mirror = start({"docker.io": hub.url}, settings=SETTINGS)
    assert download(mirror, path).digest == sha256(data)


def test_a_trickle(start: Start, hub: Upstream) -> None:
    """A byte now and then is no progress: such a download is given up after `upstream-patience`.

    Its client is let go, the prefetch goes on with other blobs, and what has come is kept.
    """
    trickled = hub.put_image("some/app", "v1", noise(MIB, "trickle")).blobs[-1]
    hub.script.add("GET", f"/blobs/{trickled.digest}", Fault(rate=20), ALWAYS)
    mirror = start({"docker.io": hub.url}, "--fill-jobs=1", settings=SETTINGS)
    with mirror.wire() as wire:
        wire.manifest("docker.io/some/app", "v1").expect(200)
        begin = time.monotonic()
        done = download(mirror, f"/v2/docker.io/some/app/blobs/{trickled.digest}")
        assert not done.is_whole
        assert 3 < time.monotonic() - begin < 50, "at its pace it takes 14 hours"
        other = hub.put_image("other/app", "v1", noise(MIB, "after it"))
        wire.manifest("docker.io/other/app", "v1").expect(200)
        eventually(lambda: hub.requests("GET", f"/blobs/{other.blobs[-1].digest}"))
    kept = f"sha256-{trickled.digest.hex}"
    eventually(lambda: [file.parent.name for file in partials(mirror.store)] == [kept])
