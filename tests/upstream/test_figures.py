"""What monitoring is told of the cache."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.downloads import download
from tests.support.images import hello, noise
from tests.support.mirrors import HASTE
from tests.support.processes import eventually

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.wire import Wire


def figure(wire: Wire, name: str, upstream: str = "docker.io") -> float:
    """Return a metric of an upstream, 0 where there is none."""
    text = wire.ask("GET", "/metrics").expect(200).body.decode()
    labels = f'{{upstream="{upstream}"}}' if upstream else ""
    found = re.search(rf"^{re.escape(name + labels)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_hits_and_misses(start: Start, hub: Upstream, quay: Upstream) -> None:
    """Hits, misses and bytes are told by upstream."""
    made = hello("figures", 300_000)
    hub.hold("some/app", made, "v1")
    size = sum(len(each.data) for each in made.blobs)
    settings = f"{HASTE}prefetch = false\n"
    with start({"docker.io": hub.url, "quay.io": quay.url}, settings=settings).wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        things = 1 + len(made.blobs)
        eventually(lambda: figure(wire, "lreg_fills_running", "") == 0)
        assert figure(wire, "lreg_cache_misses_total") == things
        assert figure(wire, "lreg_cache_hits_total") == 0
        fetched = figure(wire, "lreg_cache_fetched_bytes_total")
        assert size <= fetched <= size + len(made.manifest.data)
        wire.pull("docker.io/some/app", "v1")
        assert figure(wire, "lreg_cache_misses_total") == things
        assert figure(wire, "lreg_cache_hits_total") == things
        assert figure(wire, "lreg_cache_fetched_bytes_total") == fetched
        served = figure(wire, "lreg_cache_served_bytes_total")
        assert served == 2 * (size + len(made.manifest.data))
        assert figure(wire, "lreg_cache_hits_total", "quay.io") == 0


def test_trouble(start: Start, hub: Upstream) -> None:
    """Downloads that stalled, were taken up again, wrong, given up or run now are counted."""
    data = noise(1_000_000, "figures")
    descriptor = hub.put_blob("some/app", data)
    path = f"/v2/docker.io/some/app/blobs/{descriptor.digest}"
    hub.script.add("GET", str(descriptor.digest), Fault(cut_after=300_000), 2)
    mirror = start({"docker.io": hub.url})
    with mirror.wire() as wire:
        assert download(mirror, path).is_whole
        assert figure(wire, "lreg_cache_resumed_total") == 2
        eventually(lambda: figure(wire, "lreg_fills_running", "") == 0)
        wrong = hub.put_blob("some/app", b"right" * 100)
        hub.script.add("GET", str(wrong.digest), Fault(corrupt=True), ALWAYS)
        assert not download(mirror, f"/v2/docker.io/some/app/blobs/{wrong.digest}").is_whole
        eventually(lambda: figure(wire, "lreg_cache_wrong_total") == 2)
        assert figure(wire, "lreg_cache_failed_total") == 1
        assert figure(wire, "lreg_cache_stalled_total") == 0
        slow = hub.put_blob("some/app", noise(500_000, "figures, slow"))
        hub.script.add("GET", str(slow.digest), Fault(stall_after=300_000))
        assert download(mirror, f"/v2/docker.io/some/app/blobs/{slow.digest}").is_whole
        assert figure(wire, "lreg_cache_stalled_total") == 1
        assert figure(wire, "lreg_cache_resumed_total") == 3
        there = hub.put_blob("some/app", noise(500_000, "figures, on its way"))
        go = threading.Event()
        hub.script.add("GET", str(there.digest), Fault(until=go))
        with ThreadPoolExecutor() as pool:
            done = pool.submit(download, mirror, f"/v2/docker.io/some/app/blobs/{there.digest}")
            eventually(lambda: figure(wire, "lreg_fills_running", "") == 1)
            go.set()
            assert done.result().is_whole
        eventually(lambda: figure(wire, "lreg_fills_running", "") == 0)


def test_quota(start: Start, hub: Upstream) -> None:
    """What is left of Docker Hub's quota is told as soon as the hub says it."""
    hub.hold("some/app", hello("quota"), "v1")
    hub.more_headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}
    with start({"docker.io": hub.url}).wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        assert figure(wire, "lreg_upstream_quota") == 76


def test_a_pull_that_was_stale(start: Start, hub: Upstream) -> None:
    """Answers that upstream could not be asked about are counted, and logged as such."""
    made = hello("stale figures")
    hub.hold("some/app", made, "v1")
    settings = f'{HASTE}[[freshness]]\nmatch = "*"\nttl = "always"\n'
    mirror = start({"docker.io": hub.url}, settings=settings)
    with mirror.wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        hub.script.add("", "/v2/", Fault(reply=Reply(503)), ALWAYS)
        wire.pull("docker.io/some/app", "v1")
        assert figure(wire, "lreg_cache_stale_total") == 1
    mirror.stop()
    lines = [line for line in mirror.process.log.splitlines() if "manifests/v1" in line]
    assert ["stale" in line for line in lines] == [False, True]
