"""One download a blob, whoever asks and however many; everybody at their own pace."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.downloads import at_once, download
from tests.support.images import hello, noise, sha256
from tests.support.processes import eventually

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

MIB = 1 << 20


def place(upstream: Upstream, repository: str, data: bytes) -> str:
    """Let an upstream hold a blob; return its path in the mirror, by the path form."""
    host = {"127.0.0.2": "docker.io", "127.0.0.3": "quay.io", "127.0.0.5": "docker.io"}
    descriptor = upstream.put_blob(repository, data)
    name = host[upstream.host.partition(":")[0]]
    return f"/v2/{name}/{repository}/blobs/{descriptor.digest}"


def test_cold_then_warm(world: World, wire: Wire, repository: str) -> None:
    """A pull brings every byte once; a second one asks upstream nothing."""
    made = hello(repository, 3 * MIB)
    world.hub.hold(repository, made, "v1")
    for _ in ("cold", "warm"):
        assert wire.pull(f"docker.io/{repository}", "v1") == made.manifest.digest
        for blob in made.blobs:
            assert len(world.hub.requests("GET", f"{repository}/blobs/{blob.digest}")) == 1
    assert len(world.hub.requests("GET", f"{repository}/manifests/")) == 1


def test_a_blob_of_another_repository(world: World, wire: Wire, repository: str) -> None:
    """A blob that is here already is not fetched again for another image, of any upstream."""
    made = hello(repository, MIB)
    world.hub.hold(repository, made, "v1")
    world.quay.hold(f"{repository}/fork", made, "v1")
    wire.pull(f"docker.io/{repository}", "v1")
    assert wire.pull(f"quay.io/{repository}/fork", "v1") == made.manifest.digest
    assert not world.quay.requests("GET", f"{repository}/fork/blobs/")


def test_many_at_once(world: World, repository: str) -> None:
    """Eight clients that ask at once get the right blob, which upstream sends once."""
    data = noise(8 * MIB, repository)
    path = place(world.hub, repository, data)
    world.hub.script.add("GET", repository, Fault(delay=0.2, rate=40e6), ALWAYS)
    found = at_once(8, lambda: download(world.mirror, path))
    assert {each.digest for each in found} == {sha256(data)}
    assert len(world.hub.requests("GET", repository)) == 1


def test_asker_hangs_up(world: World, repository: str, wire: Wire) -> None:
    """A client that leaves at 10 % stops nothing: the next one is served from disk."""
    data = noise(8 * MIB, repository)
    path = place(world.hub, repository, data)
    world.hub.script.add("GET", repository, Fault(rate=16e6), ALWAYS)
    left = download(world.mirror, path, until=lambda so_far: so_far.got > so_far.size / 10)
    assert 0.1 * len(data) < left.got < 0.5 * len(data)
    (fill,) = world.hub.requests("GET", repository)
    eventually(lambda: fill.told.sent == len(data))
    assert wire.ask("GET", path).expect(200).body == data
    assert world.hub.requests("GET", repository) == [fill]


def test_nobody_waits_for_the_slow(world: World, repository: str) -> None:
    """A reader that takes a byte now and then does not hold up the fill, nor another reader."""
    data = noise(16 * MIB, repository)
    path = place(world.hub, repository, data)
    world.hub.script.add("GET", repository, Fault(rate=32e6), ALWAYS)
    enough = threading.Event()

    def crawl(_: object) -> bool:
        return enough.wait(0.05)

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(
            download, world.mirror, path, until=crawl, receive_buffer=4096, step=4096
        )
        quick = download(world.mirror, path)
        enough.set()
    assert quick.digest == sha256(data)
    assert quick.last - quick.asked < 20, "at the other's pace it takes 200 s"
    assert 0 < slow.result().got < len(data) / 2


def test_every_offset(world: World, repository: str) -> None:
    """Who comes in the middle of a fill starts at the beginning, or wherever a Range says."""
    data = noise(8 * MIB, repository)
    path = place(world.hub, repository, data)
    world.hub.script.add("GET", repository, Fault(rate=8e6), ALWAYS)
    starts = (0, 1, 3 * MIB, len(data) - 70_000, len(data) - 1)
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(download, world.mirror, path)
        eventually(lambda: world.hub.requests("GET", repository))
        time.sleep(0.3)
        late = [pool.submit(download, world.mirror, path, part=f"bytes={at}-") for at in starts]
        assert whole.result().digest == sha256(data)
        for at, each in zip(starts, late, strict=True):
            assert each.result().status == 206
            assert each.result().digest == sha256(data[at:])
    assert len(world.hub.requests("GET", repository)) == 1


def test_range_of_what_is_here(world: World, repository: str) -> None:
    """A Range of the part that has arrived is answered long before the fill has ended."""
    data = noise(8 * MIB, repository)
    path = place(world.hub, repository, data)
    world.hub.script.add("GET", repository, Fault(rate=2e6), ALWAYS)
    part = download(world.mirror, path, part="bytes=1000-499999")
    assert part.status == 206
    assert f"\r\ncontent-range: bytes 1000-499999/{len(data)}\r\n" in part.head + "\r\n"
    assert part.digest == sha256(data[1000:500_000])
    (fill,) = world.hub.requests("GET", repository)
    assert fill.told.sent < len(data)
    tail = download(world.mirror, path, part="bytes=-100")
    assert tail.digest == sha256(data[-100:])
    beyond = download(world.mirror, path, part=f"bytes={len(data)}-")
    assert beyond.status == 416


def test_head_of_a_blob(world: World, wire: Wire, repository: str) -> None:
    """HEAD tells the size of a blob that an image here names, wherever its bytes are by then."""
    data = noise(2 * MIB, repository)
    world.hub.put_image(repository, "v1", data)
    world.hub.script.add("GET", f"{repository}/blobs", Fault(rate=8e6), ALWAYS)
    wire.ask("GET", f"/v2/docker.io/{repository}/manifests/v1").expect(200)
    path = f"/v2/docker.io/{repository}/blobs/{sha256(data)}"
    for _ in range(3):
        answer = wire.ask("HEAD", path).expect(200)
        assert answer.headers["content-length"] == str(len(data))
        assert answer.headers["docker-content-digest"] == sha256(data)
        time.sleep(0.05)
    assert download(world.mirror, path).digest == sha256(data)


def test_head_of_a_blob_asks_nobody(world: World, wire: Wire, repository: str) -> None:
    """Who is about to push, and looks what is here, makes no upstream hear of it."""
    data = noise(1000, repository)
    path = place(world.hub, repository, data)
    wire.ask("HEAD", path).expect(404)
    assert not [one for one in world.hub.seen if repository in one.target]
    assert wire.ask("GET", path).expect(200).body == data


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_sizes(world: World, wire: Wire, repository: str, size: int) -> None:
    """Blobs of any size, and of none, arrive."""
    data = noise(size, repository)
    path = place(world.hub, repository, data)
    assert wire.ask("GET", path).expect(200).body == data


@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "after-its-manifest"])
def test_length_is_not_said(world: World, wire: Wire, repository: str, asked: bool) -> None:
    """An upstream that does not say how long a blob is sends it all the same."""
    made = hello(repository, 300_000)
    world.hub.hold(repository, made, "v1")
    world.hub.script.add("GET", f"{repository}/blobs/", Fault(chunked=True), ALWAYS)
    name = f"docker.io/{repository}"
    if asked:
        assert wire.pull(name, "v1") == made.manifest.digest
    assert wire.blob(name, made.blobs[-1].digest).expect(200).body == made.blobs[-1].data


def test_unknown_blob(world: World, wire: Wire, repository: str) -> None:
    """A blob that upstream does not have is 404, and upstream is not asked again at once."""
    path = f"/v2/docker.io/{repository}/blobs/{sha256(b'absent')}"
    for method in ("GET", "HEAD", "GET"):
        wire.ask(method, path).expect(404)
    assert len([one for one in world.hub.seen if repository in one.target]) == 1


@pytest.mark.parametrize("size", [1, 20_000, 300_000, 777_777])
def test_what_came_is_not_held(start: Start, hub: Upstream, size: int) -> None:
    """What has come of a blob goes on at once, though upstream sends no more for a while."""
    data = noise(MIB, "first byte")
    path = place(hub, "some/app", data)
    hub.script.add("GET", "/blobs/", Fault(stall_after=size))
    mirror = start({"docker.io": hub.url}, settings='upstream-stall = "60s"\n')
    part = download(mirror, path, until=lambda so_far: so_far.got >= size)
    assert part.got == size
    assert part.last - part.asked < 20
