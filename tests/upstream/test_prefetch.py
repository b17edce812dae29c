"""A manifest goes out before its blobs are here; they come at once in the background."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.images import image, multi_arch, noise
from tests.support.mirrors import HASTE
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start

LAYERS = image(*({f"{number}": noise(200_000, f"layer {number}")} for number in range(8)))
NAME = "docker.io/some/app"
# For upstreams that say nothing until they are told to.
PATIENT = 'upstream-stall = "60s"\n'


def asked_for(hub: Upstream) -> list[str]:
    """Return the digests of the blobs that were asked for, in order."""
    return [one.path.rpartition("/")[2] for one in hub.requests("GET", "/blobs/")]


def sent(hub: Upstream) -> int:
    """Return how many blobs were sent whole."""
    return sum(one.told.sent > 0 for one in hub.requests("GET", "/blobs/"))


def has_blobs(store: Path) -> bool:
    """Return whether all blobs of LAYERS are the repository's."""
    layers = store / f"docker/registry/v2/repositories/{NAME}/_layers"
    hexes = [blob.digest.replace(":", "/") for blob in LAYERS.blobs]
    return all((layers / each / "link").exists() for each in hexes)


def test_manifest_first(start: Start, hub: Upstream) -> None:
    """A client has the manifest before the first blob is here."""
    hub.hold("some/app", LAYERS, "v1")
    go = threading.Event()
    hub.script.add("GET", "/blobs/", Fault(until=go), ALWAYS)
    with start({"docker.io": hub.url}, settings=PATIENT).wire() as wire:
        assert wire.manifest(NAME, "v1").expect(200).body == LAYERS.manifest.data
        go.set()
        assert wire.pull(NAME, "v1") == LAYERS.manifest.digest


def test_unasked(start: Start, hub: Upstream) -> None:
    """All blobs of an image come though only its manifest was asked for, the config first."""
    hub.hold("some/app", LAYERS, "v1")
    mirror = start({"docker.io": hub.url}, "--fill-jobs=1")
    hub.script.add("GET", "/blobs/", Fault(delay=0.05), ALWAYS)
    with mirror.wire() as wire:
        wire.manifest(NAME, "v1").expect(200)
        eventually(lambda: has_blobs(mirror.store))
        assert asked_for(hub)[0] == LAYERS.blobs[0].digest
        seen = len(hub.seen)
        assert wire.pull(NAME, "v1") == LAYERS.manifest.digest
        assert len(hub.seen) == seen


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_at_a_time(start: Start, hub: Upstream, jobs: int) -> None:
    """In the background `fill-jobs` blobs come at a time, no more."""
    hub.hold("some/app", LAYERS, "v1")
    go = threading.Event()
    hub.script.add("GET", "/blobs/", Fault(until=go), jobs)
    hub.script.add("GET", "/blobs/", Fault(delay=0.05), ALWAYS)
    mirror = start({"docker.io": hub.url}, f"--fill-jobs={jobs}", settings=PATIENT)
    with mirror.wire() as wire:
        wire.manifest(NAME, "v1").expect(200)
        eventually(lambda: len(asked_for(hub)) == jobs)
        go.set()
        eventually(lambda: sent(hub) == len(LAYERS.blobs))
    spans = [(one.at, one.told.last) for one in hub.requests("GET", "/blobs/")]
    most = max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)
    assert most == jobs


def test_client_before_background(start: Start, hub: Upstream) -> None:
    """A blob that a client asks for does not wait for those that come in the background."""
    hub.hold("some/app", LAYERS, "v1")
    hub.script.add("GET", LAYERS.blobs[-1].digest, Fault(), ALWAYS)
    go = threading.Event()
    hub.script.add("GET", "/blobs/", Fault(until=go), ALWAYS)
    mirror = start({"docker.io": hub.url}, "--fill-jobs=1", settings=PATIENT)
    with mirror.wire() as wire:
        wire.manifest(NAME, "v1").expect(200)
        eventually(lambda: asked_for(hub))
        wire.blob(NAME, LAYERS.blobs[-1].digest).expect(200)
        assert sent(hub) == 1
        go.set()


def test_switched_off(start: Start, hub: Upstream) -> None:
    """With `prefetch = false` nothing comes that nobody asked for."""
    hub.hold("some/app", LAYERS, "v1")
    mirror = start({"docker.io": hub.url}, settings=f"{HASTE}prefetch = false\n")
    with mirror.wire() as wire:
        wire.manifest(NAME, "v1").expect(200)
        wire.blob(NAME, LAYERS.blobs[1].digest).expect(200)
        time.sleep(0.5)
        assert asked_for(hub) == [LAYERS.blobs[1].digest]


def test_only_the_platform_that_is_asked_for(start: Start, hub: Upstream) -> None:
    """Of an index only the images come whose manifests clients ask for."""
    made = multi_arch("prefetch")
    hub.hold("some/app", made, "v1")
    chosen = made.images[1]
    mirror = start({"docker.io": hub.url})
    with mirror.wire() as wire:
        wire.manifest(NAME, "v1").expect(200)
        time.sleep(0.3)
        assert asked_for(hub) == []
        wire.manifest(NAME, chosen.manifest.digest).expect(200)
        eventually(lambda: sent(hub) == len(chosen.blobs))
        time.sleep(0.3)
    assert set(asked_for(hub)) == {each.digest for each in chosen.blobs}
    assert len(hub.requests("GET", "/manifests/")) == 2


def test_head_of_a_manifest(start: Start, hub: Upstream) -> None:
    """HEAD of a tag tells its digest and size, as containerd asks, cold and warm."""
    hub.hold("some/app", LAYERS, "v1")
    hub.script.add("GET", "/blobs/", Fault(delay=0.2), ALWAYS)
    with start({"docker.io": hub.url}).wire() as wire:
        for _ in ("cold", "warm"):
            answer = wire.ask("HEAD", f"/v2/{NAME}/manifests/v1").expect(200)
            assert answer.headers["docker-content-digest"] == LAYERS.manifest.digest
            assert answer.headers["content-length"] == str(len(LAYERS.manifest.data))
            assert answer.headers["content-type"] == LAYERS.manifest.media_type


def test_a_stop_does_not_wait_for_the_internet(start: Start, hub: Upstream) -> None:
    """SIGTERM while blobs are on their way, with nobody waiting for them, ends lreg at once."""
    hub.hold("some/app", LAYERS, "v1")
    hub.script.add("GET", "/blobs/", Fault(stall_after=1000), ALWAYS)
    mirror = start({"docker.io": hub.url}, settings='upstream-stall = "60s"\n')
    with mirror.wire() as wire, ThreadPoolExecutor() as pool:
        wire.manifest(NAME, "v1").expect(200)
        eventually(lambda: sent(hub) == 3)
        begin = time.monotonic()
        pool.submit(mirror.stop).result()
        assert time.monotonic() - begin < 20
