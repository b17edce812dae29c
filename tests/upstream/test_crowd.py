"""Many readers of one large blob: in time, and in little memory."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.crowds import crowd
from tests.support.downloads import download
from tests.support.images import noise, sha256
from tests.support.raw import dial, get, read_head

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.registries import Running

pytestmark = pytest.mark.alone

MIB = 1 << 20
CLIENTS = 16
# A machine that others use as well may be held up at any moment, in which nothing is proven.
ATTEMPTS = 3


def test_16_clients_of_a_cold_blob(start: Start, hub: Upstream, tmp_path: Path) -> None:
    """16 clients pull a cold blob of 512 MiB as fast as one can directly from upstream.

    Each has its first byte 50 ms after upstream's first, and ends within 3 % of the time of a
    direct download of upstream's 50 MB/s; upstream sends the blob once.
    """
    data = noise(512 * MIB, "crowd")
    digest = hub.put_blob("some/app", data).digest
    hub.script.add("GET", "/blobs/", Fault(rate=50e6), ALWAYS)
    (direct,) = crowd(hub.url, f"/v2/some/app/blobs/{digest}", 1, tmp_path)
    told = []
    for attempt in range(ATTEMPTS):
        mirror = start({"docker.io": hub.url}, f"--store={tmp_path}/store{attempt}")
        before = hub.sent
        found = crowd(mirror.url, f"/v2/docker.io/some/app/blobs/{digest}", CLIENTS, tmp_path)
        mirror.stop()
        assert {(each.got, each.crc) for each in found} == {(len(data), direct.crc)}
        assert hub.sent - before == len(data)
        fill = hub.requests("GET", "/blobs/")[-1].told
        latest = max(each.first for each in found) - fill.first
        slowest = max(each.last - each.asked for each in found) / (direct.last - direct.asked)
        told.append(f"first byte after {latest * 1000:.0f} ms, end at {slowest:.3f}")
        if latest < 0.05 and slowest < 1.03:
            break
    else:
        raise AssertionError("; ".join(told))


def memory(registry: Running) -> int:
    """Return how many bytes of memory are a server's own."""
    status = Path(f"/proc/{registry.process.pid}/status").read_text()
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    assert found
    return int(found[1]) << 10


def test_100_slow_readers(start: Start, hub: Upstream) -> None:
    """100 clients that crawl through a blob on its way cost no memory, and hold nobody up."""
    data = noise(64 * MIB, "slow")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    hub.script.add("GET", "/blobs/", Fault(rate=32e6), ALWAYS)
    mirror = start({"docker.io": hub.url})
    small = hub.put_blob("some/app", b"small" * MIB).digest
    download(mirror, f"/v2/docker.io/some/app/blobs/{small}")
    before = memory(mirror)
    with contextlib.ExitStack() as stack:
        crawling = [stack.enter_context(dial(mirror, receive_buffer=4096)) for _ in range(100)]
        for sock in crawling:
            get(sock, path)
            head, _ = read_head(sock)
            assert head.startswith(b"HTTP/1.1 200 ")
        quick = download(mirror, path)
        assert quick.digest == sha256(data)
        assert quick.last - quick.asked < 20
        for sock in crawling:
            assert sock.recv(1000)
        assert memory(mirror) - before < 24 * MIB
    assert len(hub.requests("GET", str(path.rpartition("/")[2]))) == 1
