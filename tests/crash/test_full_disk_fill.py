"""A disk that fills up while a blob comes from upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.disks import MIB, Disk, on_small_disk
from tests.support.downloads import at_once, download
from tests.support.images import hello, noise, sha256
from tests.support.mirrors import start_mirror
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.registries import Running

pytestmark = pytest.mark.client("namespaces")

BIG = noise(8 * MIB, "fill")
SMALL = hello("small")
PATH = f"/v2/docker.io/some/app/blobs/{sha256(BIG)}"


@pytest.fixture
def hub(hub: Upstream) -> Upstream:
    """A docker.io that has them."""
    hub.put_blob("some/app", BIG)
    hub.hold("some/small", SMALL, "v1")
    return hub


@pytest.fixture
def registry(tmp_path: Path, hub: Upstream) -> Iterator[Running]:
    """A lreg on a disk of 24 MiB."""
    inside = on_small_disk(tmp_path / "store", 24)
    running = start_mirror(tmp_path, {"docker.io": hub.url}, inside=inside)
    try:
        yield running
    finally:
        running.stop()


def works_again(registry: Running) -> None:
    """Hold it to fills that work once there is space, with no restart."""

    def right() -> bool:
        done = download(registry, PATH)
        assert not done.is_whole or done.digest == sha256(BIG)
        return done.is_whole

    eventually(right, 30)
    assert download(registry, PATH).digest == sha256(BIG)
    with registry.wire() as wire:
        assert wire.pull("docker.io/some/small", "v1") == SMALL.manifest.digest


@pytest.mark.parametrize("clients", [1, 4])
def test_full_during_a_fill(registry: Running, hub: Upstream, clients: int) -> None:
    """Readers get the right bytes or a closed connection; later fills work once there is room."""
    disk = Disk(registry)
    disk.fill(leave=3 * MIB)
    hub.script.add("GET", "/blobs/", Fault(rate=30e6), ALWAYS)
    for done in at_once(clients, lambda: download(registry, PATH)):
        assert done.status in (200, 502, 507)
        if done.is_whole:
            assert done.digest == sha256(BIG)
    disk.empty()
    works_again(registry)


@pytest.fixture
def spared(tmp_path: Path, hub: Upstream) -> Iterator[Running]:
    """A lreg on a disk of 24 MiB, 12 of which downloads are to leave free."""
    inside = on_small_disk(tmp_path / "store", 24)
    settings = 'disk-reserve = "12MiB"\n'
    running = start_mirror(tmp_path, {"docker.io": hub.url}, inside=inside, settings=settings)
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("chunked", [False, True])
def test_room_is_left(spared: Running, hub: Upstream, chunked: bool) -> None:
    """A blob that needs what `disk-reserve` leaves free is 507, and what came of it is removed.

    Pushes have that room.
    """
    huge = noise(32 * MIB, "huge")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', huge).digest}"
    hub.script.add("GET", "/blobs/", Fault(chunked=chunked), ALWAYS)
    disk, fills = Disk(spared), Disk(spared).root / "lreg/fills"
    with spared.wire() as wire:
        (error,) = wire.ask("GET", path).expect(507).json()["errors"]
        assert "disk-reserve" in error["message"]
        assert not list(fills.glob("*/data"))
        assert disk.free > 20 * MIB
        made = hello("pushed", 6 * MIB)
        wire.push("mine/app", made, "v1")
        wire.push("mine/other", hello("pushed as well", 6 * MIB), "v1")
        assert wire.pull("mine/app", "v1") == made.manifest.digest


def test_full_from_the_start(registry: Running, hub: Upstream) -> None:
    """On a disk without any room what is here is served, what is not is a clear error."""
    kept = hello("kept", 100_000)
    hub.hold("some/kept", kept, "v1")
    with registry.wire() as wire:
        wire.pull("docker.io/some/kept", "v1")
        disk = Disk(registry)
        disk.fill(leave=0)
        assert wire.pull("docker.io/some/kept", "v1") == kept.manifest.digest
        for path in (PATH, "/v2/docker.io/some/small/manifests/v1"):
            done = download(registry, path)
            if done.is_whole:  # lreg may pass on what it can't keep
                assert done.digest in {sha256(BIG), SMALL.manifest.digest}
            else:
                assert done.status in (0, 200, 502, 507)
        disk.empty()
    works_again(registry)
