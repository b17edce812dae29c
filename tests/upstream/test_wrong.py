"""A wrong body never reaches a client whole, and never lands in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.support.downloads import at_once, download
from tests.support.images import OCI_MANIFEST, hello, noise, sha256
from tests.support.processes import eventually
from tests.support.survey import files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

MIB = 1 << 20
DATA = noise(2 * MIB, "wrong")
HELD_BACK = 64 << 10


@pytest.fixture
def path(hub: Upstream) -> str:
    """Where a mirror has the blob DATA of the hub."""
    return f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', DATA).digest}"


def holds(store: Path, digest: str) -> bool:
    """Return whether a store has that blob."""
    return any(digest.removeprefix("sha256:") in name for name in files(store))


def other(data: bytes, at: int) -> bytes:
    """Return the same with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


WRONG = {
    "last-byte": other(DATA, len(DATA) - 1),
    "first-byte": other(DATA, 0),
    "middle": other(DATA, MIB),
    "empty": b"",
    "html": b"<html>Please log in to this wireless network</html>",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_corrupt(start: Start, hub: Upstream, path: str, body: bytes) -> None:
    """A wrong body ends in a closed connection, however many ask, then in 502 for a while.

    It is tried twice in all.
    """
    hub.script.add("GET", "/blobs/", Fault(reply=Reply(200, body), rate=20e6), ALWAYS)
    mirror = start({"docker.io": hub.url})
    for done in at_once(4, lambda: download(mirror, path)):
        assert done.status in (200, 502)
        assert not done.is_whole

    def is_refused() -> bool:
        done = download(mirror, path)
        assert not done.is_whole
        return done.status == 502

    eventually(is_refused)
    assert len(hub.requests("GET", "/blobs/")) == 2
    with mirror.wire() as wire:
        refused = wire.ask("GET", path).expect(502)
    assert "wrong" in refused.json()["errors"][0]["message"]
    assert len(hub.requests("GET", "/blobs/")) == 2
    assert not holds(mirror.store, sha256(DATA))
    mirror.stop()
    assert body not in [file.read_bytes() for file in mirror.store.rglob("data")]

    hub.script.clear()
    assert download(start({"docker.io": hub.url}), path).digest == sha256(DATA)


def test_too_much(start: Start, hub: Upstream) -> None:
    """More bytes than the manifest says are wrong, too, though they begin well."""
    made = hello("too much", MIB)
    hub.hold("some/app", made, "v1")
    layer = made.blobs[-1]
    longer = Reply(200, layer.data + b"more")
    hub.script.add("GET", f"/blobs/{layer.digest}", Fault(reply=longer), ALWAYS)
    mirror = start({"docker.io": hub.url})
    with mirror.wire() as wire:
        wire.manifest("docker.io/some/app", "v1").expect(200)
    done = download(mirror, f"/v2/docker.io/some/app/blobs/{layer.digest}")
    assert not done.is_whole
    assert not holds(mirror.store, layer.digest)


def test_corrupt_once(start: Start, hub: Upstream, path: str) -> None:
    """A body that was wrong once is fetched again; whoever completes has the right one."""
    hub.script.add("GET", "/blobs/", Fault(corrupt=True))
    mirror = start({"docker.io": hub.url}, settings="")
    tries = [download(mirror, path) for _ in range(3)]
    assert {each.digest for each in tries if each.is_whole} == {sha256(DATA)}
    assert tries[-1].is_whole
    assert len(hub.requests("GET", "/blobs/")) == 2


def test_a_reader_in_the_moment_of_a_wrong_body(start: Start, hub: Upstream, path: str) -> None:
    """Who asks when a body was just found to be wrong waits for the right one, and gets that."""
    hub.script.add("GET", "/blobs/", Fault(corrupt=True))
    hub.script.add("GET", "/blobs/", Fault(delay=1.5))
    mirror = start({"docker.io": hub.url}, settings="")
    assert not download(mirror, path).is_whole
    eventually(lambda: len(hub.requests("GET", "/blobs/")) == 2)
    for done in at_once(3, lambda: download(mirror, path)):
        assert done.digest == sha256(DATA)
    assert len(hub.requests("GET", "/blobs/")) == 2


def test_only_the_last_piece_is_held_back(start: Start, hub: Upstream, path: str) -> None:
    """Until the digest is verified, 64 KiB at most of what has come are kept from clients."""
    hub.script.add("GET", "/blobs/", Fault(stall_after=len(DATA) - 1))
    mirror = start({"docker.io": hub.url}, settings='upstream-stall = "60s"\n')
    enough = len(DATA) - HELD_BACK
    done = download(mirror, path, until=lambda so_far: so_far.got >= enough)
    assert enough <= done.got < len(DATA)
    assert done.last - done.asked < 20


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_wrong_manifest(start: Start, hub: Upstream, by: str) -> None:
    """A manifest that is not what its digest says is 502, and not kept."""
    made = hello("manifest")
    hub.hold("some/app", made, "v1")
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": made.manifest.digest}
    wrong = other(made.manifest.data, len(made.manifest.data) - 10)
    hub.script.add("GET", "/manifests/", Fault(reply=Reply(200, wrong, headers)), ALWAYS)
    mirror = start({"docker.io": hub.url})
    with mirror.wire() as wire:
        wire.manifest("docker.io/some/app", "v1" if by == "tag" else made.manifest.digest).expect(
            502
        )
    assert not holds(mirror.store, sha256(wrong))


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", json.dumps({"schemaVersion": 1}).encode(), b"", b"x" * (5 << 20)]
)
def test_no_manifest(world: World, wire: Wire, repository: str, body: bytes) -> None:
    """What is no manifest at all is upstream's fault, and said so."""
    reply = Reply(200, body, {"Content-Type": "text/html"})
    name = f"{repository}/{len(body)}"
    world.hub.script.add("GET", name, Fault(reply=reply), ALWAYS)
    refused = wire.manifest(f"docker.io/{name}", "v1").expect(502)
    assert "docker.io" in refused.json()["errors"][0]["message"]


def test_a_manifest_is_kept_as_it_is(world: World, wire: Wire, repository: str) -> None:
    """A manifest comes byte for byte, whatever its white space and fields, under its own type."""
    made = hello(repository)
    world.hub.hold(repository, made)
    odd = b" " + made.manifest.data[:-1] + b', "x": {"b":1,  "a":2}}\n\n'
    reply = Reply(200, odd, {"Content-Type": OCI_MANIFEST})
    world.hub.script.add("GET", f"{repository}/manifests/", Fault(reply=reply), ALWAYS)
    for _ in ("cold", "warm"):
        answer = wire.manifest(f"docker.io/{repository}", "v1").expect(200)
        assert answer.body == odd
        assert answer.headers["content-type"] == OCI_MANIFEST
        assert answer.headers["docker-content-digest"] == sha256(odd)
