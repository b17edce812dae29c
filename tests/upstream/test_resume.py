"""A fill goes on where it stopped: after upstream's failures, and lreg's own end."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.downloads import Download, download
from tests.support.images import noise, sha256
from tests.support.processes import eventually, free_port

if TYPE_CHECKING:
    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.registries import Running

MIB = 1 << 20
DATA = noise(6 * MIB, "resume")
CUT, END = 1_500_000, len(DATA) - 1


@pytest.fixture
def path(hub: Upstream) -> str:
    """Where a mirror has the blob DATA of the hub."""
    return f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', DATA).digest}"


def ranges(hub: Upstream) -> list[str | None]:
    """Return what parts of blobs were asked for."""
    return [one.headers.get("range") for one in hub.requests("GET", "/blobs/")]


def reaches(hub: Upstream, size: int) -> None:
    """Wait until an upstream has sent so many bytes."""
    eventually(lambda: hub.sent > size, 60)


def stay(registry: Running, path: str, ended: list[Download]) -> None:
    """Ask until there is a whole body, as a client does whose connection is closed."""

    def is_whole() -> bool:
        with contextlib.suppress(ConnectionError):
            ended.append(download(registry, path, timeout=30))
            assert ended[-1].status in (0, 200)
            return ended[-1].is_whole
        return False

    eventually(is_whole, 60)


@pytest.mark.alone
def test_20_drops_and_2_kills(start: Start, hub: Upstream) -> None:
    """Upstream drops the connection 20 times in one blob, and lreg is killed twice on the way.

    Clients see one complete and right body or a closed connection, and upstream sends at most
    2 % more than the blob.
    """
    data = noise(96 * MIB, "drops")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    rate, cut = len(data) / 3, len(data) // 23
    hub.script.add("GET", "/blobs/", Fault(cut_after=cut, rate=rate), ALWAYS)
    port = free_port()
    mirror = start({"docker.io": hub.url}, port=port)
    ended: list[list[Download]] = [[] for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        clients = [pool.submit(stay, mirror, path, each) for each in ended]
        for part in (0.3, 0.7):
            reaches(hub, int(part * len(data)))
            mirror.process.kill()
            mirror = start({"docker.io": hub.url}, port=port)
        for client in clients:
            client.result()
    for one in ended:
        assert not any(each.is_whole for each in one[:-1])
        assert one[-1].digest == sha256(data)
    answers = [one.told for one in hub.requests("GET", "/blobs/")]
    assert sum(told.sent == cut for told in answers) >= 20
    assert hub.sent <= 1.02 * len(data)


def test_drops(start: Start, hub: Upstream, path: str) -> None:
    """A client notices nothing of a connection that breaks off; no byte is fetched twice."""
    hub.script.add("GET", "/blobs/", Fault(cut_after=CUT), 3)
    mirror = start({"docker.io": hub.url})
    assert download(mirror, path).digest == sha256(DATA)
    assert hub.sent == len(DATA)
    assert ranges(hub) == [None, *(f"bytes={CUT * n}-{END}" for n in (1, 2, 3))]


def test_stall(start: Start, hub: Upstream, path: str) -> None:
    """A connection on which nothing comes for `upstream-stall` is given up for another."""
    hub.script.add("GET", "/blobs/", Fault(stall_after=CUT))
    mirror = start({"docker.io": hub.url})
    done = download(mirror, path)
    assert done.digest == sha256(DATA)
    assert 0.9 < done.last - done.asked < 20
    assert ranges(hub) == [None, f"bytes={CUT}-{END}"]


def test_crawl(start: Start, hub: Upstream, path: str) -> None:
    """A connection slower than the upstream's `rate-floor` counts as stalled."""
    hub.script.add("GET", "/blobs/", Fault(rate=100_000))
    mirror = start({"docker.io": {"address": hub.url, "rate-floor": "1MB"}})
    done = download(mirror, path)
    assert done.digest == sha256(DATA)
    assert done.last - done.asked < 40, "at its pace it takes 63 s"
    assert ranges(hub)[1:]


def test_range_is_ignored(start: Start, hub: Upstream, path: str) -> None:
    """An upstream that does not know Range sends all again; clients see one right body."""
    hub.script.add("GET", "/blobs/", Fault(cut_after=CUT))
    hub.script.add("GET", "/blobs/", Fault(ignore_range=True), ALWAYS)
    mirror = start({"docker.io": hub.url})
    assert download(mirror, path).digest == sha256(DATA)
    assert hub.sent == CUT + len(DATA)


def test_refused_on_the_way(start: Start, stage: Stage, hub: Upstream, path: str) -> None:
    """An upstream that goes away in the middle, and comes back, is taken up again."""
    hub.script.add("GET", "/blobs/", Fault(rate=2e6))
    mirror = start({"docker.io": hub.url})
    with ThreadPoolExecutor() as pool:
        done = pool.submit(download, mirror, path)
        reaches(hub, MIB)
        stage.leave(hub)
        time.sleep(1)
        stage.enter(hub)
        assert done.result().digest == sha256(DATA)
    assert hub.sent < 1.2 * len(DATA)


@pytest.mark.parametrize("status", [429, 503])
def test_asked_to_wait(start: Start, hub: Upstream, path: str, status: int) -> None:
    """An upstream that has enough in the middle of a blob is given the time that it asks for."""
    hub.script.add("GET", "/blobs/", Fault(cut_after=CUT))
    hub.script.add("GET", "/blobs/", Fault(reply=Reply(status, headers={"Retry-After": "1"})))
    mirror = start({"docker.io": hub.url})
    assert download(mirror, path).digest == sha256(DATA)
    _, refused, again = hub.requests("GET", "/blobs/")
    assert again.at - refused.at >= 0.95


def test_given_up(start: Start, hub: Upstream, path: str) -> None:
    """After `upstream-patience` without a byte clients are let go, with less than the blob.

    What has come is kept: the next who asks has the rest fetched, and no more.
    """
    hub.script.add("GET", "/blobs/", Fault(cut_after=CUT))
    hub.script.add("GET", "/blobs/", Fault(reply=Reply(503)), 1000)
    settings = 'upstream-stall = "1s"\nupstream-patience = "1s"\n'
    mirror = start({"docker.io": hub.url}, settings=settings)
    let_go = download(mirror, path)
    assert let_go.status == 200
    assert let_go.got == CUT
    assert let_go.last - let_go.asked + 20 > 0.9
    hub.script.clear()

    def succeeds() -> bool:
        return download(mirror, path).digest == sha256(DATA)

    eventually(succeeds)
    assert hub.sent == len(DATA)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_partial_survives(start: Start, hub: Upstream, path: str, end: str) -> None:
    """What has come of a blob survives the end of lreg, by SIGKILL too, and is not fetched again.

    Its bytes are proven again before anybody gets the last of them.
    """
    hub.script.add("GET", "/blobs/", Fault(stall_after=2 * CUT))
    mirror = start({"docker.io": hub.url}, "--grace=100ms", settings="")
    download(mirror, path, until=lambda so_far: so_far.got >= 2 * CUT)
    if end == "kill":
        mirror.process.kill()
    else:
        mirror.stop()
    mirror = start({"docker.io": hub.url}, settings="")
    assert download(mirror, path).digest == sha256(DATA)
    assert ranges(hub) == [None, f"bytes={2 * CUT}-"]


def test_partial_was_spoilt(start: Start, hub: Upstream, path: str) -> None:
    """Where the disk changed what had come, no client completes it, and it is fetched anew."""
    hub.script.add("GET", "/blobs/", Fault(stall_after=2 * CUT))
    mirror = start({"docker.io": hub.url}, settings="")
    download(mirror, path, until=lambda so_far: so_far.got >= 2 * CUT)
    mirror.process.kill()
    (partial,) = (mirror.store / "lreg/fills").glob("*/data")
    with partial.open("r+b") as opened:
        opened.write(b"spoilt")
    mirror = start({"docker.io": hub.url})

    def right_or_cut() -> bool:
        done = download(mirror, path)
        assert not done.is_whole or done.digest == sha256(DATA)
        return done.is_whole

    eventually(right_or_cut)
