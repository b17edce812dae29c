"""A full disk: a small tmpfs in a mount namespace of the server's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import clients
from tests.support.clients import trust
from tests.support.disks import MIB, Disk, on_small_disk
from tests.support.images import hello, noise, sha256, write_layout
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.registries import Running
    from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.client("namespaces")

BIG = noise(4 * MIB, "too big")
KEPT = hello("kept", MIB)
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Running]:
    """A lreg on a disk of 24 MiB that holds one image."""
    store = tmp_path / "store"
    running = start_lreg(tmp_path, store=store, inside=on_small_disk(store, 24))
    try:
        with running.wire() as wire:
            wire.push("kept", KEPT, "v1")
        yield running
    finally:
        running.stop()


@pytest.fixture
def disk(registry: Running) -> Disk:
    """Its disk, with 1 MiB left."""
    disk = Disk(registry)
    disk.fill(leave=MIB)
    return disk


@pytest.fixture
def wire(registry: Running) -> Iterator[Wire]:
    """A connection to it."""
    with registry.wire() as wire:
        yield wire


def in_one_put(wire: Wire) -> Answer:
    return wire.finish_upload(wire.start_upload("big"), sha256(BIG), BIG)


def in_one_post(wire: Wire) -> Answer:
    path = f"/v2/big/blobs/uploads/?digest={sha256(BIG)}"
    return wire.ask("POST", path, BIG, OCTETS)


def streamed(wire: Wire) -> Answer:
    pieces = (BIG[at : at + 65536] for at in range(0, len(BIG), 65536))
    return wire.ask("PATCH", wire.start_upload("big"), pieces, OCTETS)


@pytest.mark.parametrize("way", [in_one_put, in_one_post, streamed])
def test_push_is_told(wire: Wire, disk: Disk, way: Callable[[Wire], Answer]) -> None:
    """A push for which there is no room gets 507 and a sentence that says what to do.

    What it had sent takes no room away from those that would still fit.
    """
    free = disk.free
    for _ in range(2):
        answer = way(wire)
        assert answer.status == 507
        assert answer.headers["content-type"].startswith("application/json")
        (error,) = answer.json()["errors"]
        assert "disk is full" in error["message"]
        assert "free some space" in error["message"]
    assert disk.free > free - MIB // 4
    wire.push("small", hello("small"), "v1")
    assert wire.blob("big", sha256(BIG)).status == 404


def test_chunks_go_on(wire: Wire, disk: Disk) -> None:
    """A chunked push goes on from the last chunk that fitted, as soon as there is room."""
    location, at, status = wire.start_upload("big"), 0, 202
    while status == 202:
        chunk = BIG[at : at + MIB // 4]
        headers = OCTETS | {"Content-Range": f"{at}-{at + len(chunk) - 1}"}
        answer = wire.ask("PATCH", location, chunk, headers)
        if (status := answer.status) == 202:
            location, at = answer.headers["location"], at + len(chunk)
    assert status == 507
    disk.empty()
    stood = wire.ask("GET", location).expect(204)
    offset = int(stood.headers["range"].partition("-")[2]) + 1
    assert offset >= at > 0
    wire.finish_upload(stood.headers["location"], sha256(BIG), BIG[offset:]).expect(201)
    assert wire.blob("big", sha256(BIG)).body == BIG


def test_readers_are_served(wire: Wire, registry: Running, disk: Disk) -> None:
    """While the disk is full to the last byte, everything that it holds can be pulled."""
    disk.fill(leave=0)
    assert in_one_post(wire).status == 507
    with registry.wire() as reader:
        assert reader.pull("kept", "v1") == KEPT.manifest.digest
        assert reader.repositories() == ["kept"]
        assert reader.tags("kept") == ["v1"]
        reader.ask("GET", "/healthz").expect(200)


def test_manifest_push_is_told(wire: Wire, disk: Disk) -> None:
    """A manifest for which there is no room is refused, and its tag stays where it was."""
    other = hello("other")
    wire.push("kept", other)
    third = hello("third")
    for blob in third.blobs:
        wire.push_blob("kept", blob.data)
    disk.fill(leave=0)
    answer = wire.put_manifest("kept", third.manifest, "v1")
    assert answer.status == 507
    assert wire.pull("kept", "v1") == KEPT.manifest.digest
    assert wire.manifest("kept", third.manifest.digest).status == 404
    disk.empty()
    wire.push_manifest("kept", third.manifest, "v1")
    assert wire.pull("kept", "v1") == third.manifest.digest


def test_pushing_works_again(wire: Wire, disk: Disk) -> None:
    """As soon as there is room, the same push succeeds, with no restart."""
    disk.fill(leave=0)
    assert in_one_post(wire).status == 507
    disk.empty()
    assert in_one_put(wire).status == 201
    assert wire.blob("big", sha256(BIG)).body == BIG


def test_deleting_works(wire: Wire, disk: Disk) -> None:
    """On a full disk images can still be deleted."""
    disk.fill(leave=0)
    wire.ask("DELETE", "/v2/kept/manifests/v1").expect(202)
    wire.ask("DELETE", f"/v2/kept/manifests/{KEPT.manifest.digest}").expect(202)
    assert wire.tags("kept") == []


def test_restart_on_a_full_disk(wire: Wire, registry: Running, disk: Disk) -> None:
    """A registry that ran into a full disk stops as any other."""
    disk.fill(leave=0)
    assert in_one_post(wire).status == 507
    wire.close()
    registry.stop()


@pytest.mark.client("skopeo")
def test_skopeo_is_told(registry: Running, disk: Disk, tmp_path: Path) -> None:
    """The user of a real client reads that the registry's disk is full."""
    disk.fill(leave=MIB)
    skopeo = clients.skopeo(tmp_path / "skopeo")
    layout = write_layout(tmp_path / "layout", {"v1": hello("too big", 4 * MIB)})
    name = f"docker://{registry.host}/big:v1"
    said = skopeo.attempt("copy", *trust(registry, "dest-"), f"oci:{layout}:v1", name)
    assert said.code == 1
    assert "507" in said.err or "disk is full" in said.err
