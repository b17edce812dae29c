"""Which image a request means: `ns`, the path, the Host header, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, sha256
from tests.support.wire import Marks

if TYPE_CHECKING:
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

WAYS = ("ns", "path", "host")


def marks(way: str, host: str) -> Marks:
    """Return how a request says that it means `host`."""
    match way:
        case "ns":
            return Marks(query=f"ns={host}")
        case "path":
            return Marks(under=f"{host}/")
        case _:
            return Marks(host=host)


@pytest.mark.parametrize("way", WAYS)
def test_no_mix_up(world: World, repository: str, way: str) -> None:
    """The same path on two upstreams is two repositories, however they are asked for."""
    theirs = {"docker.io": world.hub, "quay.io": world.quay}
    for _ in ("cold", "warm"):
        for host, upstream in theirs.items():
            made = hello(f"{repository} {host}", 100_000)
            upstream.hold(repository, made, "v1")
            with world.mirror.wire(marks(way, host)) as wire:
                assert wire.pull(repository, "v1") == made.manifest.digest
                assert wire.pull(repository, made.manifest.digest) == made.manifest.digest
    own = {host: hello(f"{repository} {host}", 100_000) for host in theirs}
    for other, host in (("docker.io", "quay.io"), ("quay.io", "docker.io")):
        with world.mirror.wire(marks(way, host)) as wire:
            wire.manifest(repository, own[other].manifest.digest).expect(404)
            wire.blob(repository, own[other].blobs[-1].digest).expect(404)


def test_all_ways_lead_to_one_repository(world: World, repository: str) -> None:
    """What came by one way is there by the others, and upstream is not asked again."""
    made = hello(repository)
    world.hub.hold(repository, made, "v1")
    with world.mirror.wire(marks("ns", "docker.io")) as wire:
        wire.pull(repository, "v1")
    asked = len(world.hub.seen)
    for way in ("path", "host"):
        with world.mirror.wire(marks(way, "docker.io")) as wire:
            assert wire.pull(repository, "v1") == made.manifest.digest
            assert wire.tags(repository) == ["v1"]
    assert len(world.hub.seen) == asked
    with world.mirror.wire() as wire:
        assert f"docker.io/{repository}" in wire.repositories()


@pytest.mark.parametrize(
    "marked",
    [
        Marks(query="ns=docker.io", host="quay.io"),
        Marks(under="docker.io/", host="quay.io"),
        Marks(query="ns=docker.io", under="docker.io/"),
        Marks(query="ns=docker.io", under="docker.io/", host="quay.io"),
        Marks(query="ns=docker.io%3A443"),
        Marks(query="ns=Docker.IO"),
        Marks(query="ns=registry-1.docker.io"),
        Marks(query="x=1&ns=index.docker.io"),
        Marks(under="registry-1.docker.io/"),
        Marks(under="index.docker.io/"),
        Marks(host="docker.io:80"),
        Marks(host="registry-1.docker.io:5000"),
        Marks(host="INDEX.docker.io"),
    ],
    ids=str,
)
def test_docker_hub(world: World, marked: Marks) -> None:
    """Docker Hub by all its names: `ns` before the path before the Host; ports mean nothing."""
    made = hello("all its names")
    world.hub.hold("tests/names", made, "v1")
    world.quay.hold("tests/names", hello("somebody else's"), "v1")
    with world.mirror.wire(marked) as wire:
        assert wire.pull("tests/names", "v1") == made.manifest.digest


@pytest.mark.parametrize("way", WAYS)
def test_official_images(world: World, way: str) -> None:
    """A name of one component on Docker Hub is one of its library, as everywhere."""
    made = hello("official")
    world.hub.hold("library/official", made, "v1")
    with world.mirror.wire(marks(way, "docker.io")) as wire:
        assert wire.pull("official", "v1") == made.manifest.digest
        assert wire.pull("library/official", "v1") == made.manifest.digest


def test_namespace_is_echoed(world: World, wire: Wire, repository: str) -> None:
    """Who says `ns` is told in OCI-Namespace that it was understood; nobody else is."""
    made = hello(repository)
    world.quay.hold(repository, made, "v1")
    for path in ("manifests/v1", f"blobs/{made.blobs[0].digest}", "manifests/absent"):
        for method in ("HEAD", "GET"):
            answer = wire.ask(method, f"/v2/{repository}/{path}?ns=quay.io")
            assert answer.headers["oci-namespace"] == "quay.io", path
    plain = wire.ask("GET", f"/v2/quay.io/{repository}/manifests/v1").expect(200)
    assert "oci-namespace" not in plain.headers


@pytest.mark.parametrize("way", WAYS)
def test_a_namespace_off_the_list(world: World, repository: str, way: str) -> None:
    """A host that is not on the list is never dialled; the answer says how to allow it."""
    made = hello(repository)
    world.closed.hold(repository, made, "v1")
    with world.mirror.wire(marks(way, "closed.example")) as wire:
        refused = wire.manifest(repository, "v1").expect(404)
        if way != "host":  # there it is a name of this registry like any other
            assert '[upstream."closed.example"]' in refused.json()["errors"][0]["message"]
        wire.blob(repository, made.blobs[0].digest).expect(404)
        wire.ask("HEAD", f"/v2/{repository}/manifests/v1").expect(404)
    assert world.closed.links == 0


@pytest.mark.parametrize("namespace", ["%5B::1%5D:PORT", "%5B%3A%3A1%5D%3APORT", "127.0.0.4:PORT"])
def test_a_namespace_is_no_address(world: World, wire: Wire, namespace: str) -> None:
    """A namespace is a key into the list: no client can make lreg dial what it likes."""
    query = namespace.replace("PORT", str(world.closed.port))
    for last in ("manifests/v1", f"blobs/{sha256(b'x')}", "tags/list", f"referrers/{sha256(b'x')}"):
        wire.ask("GET", f"/v2/tests/names/{last}?ns={query}").expect(400, 404)
    assert world.closed.links == 0


@pytest.mark.parametrize("namespace", ["", "..", "a/b", "-", "%00", "docker.io%0d%0aX:y", "%ff"])
def test_a_namespace_that_is_none(wire: Wire, namespace: str) -> None:
    """Whatever stands in `ns`, the answer is the client's error or the plain name's."""
    answer = wire.ask("GET", f"/v2/tests/nothing/here/at/all/manifests/v1?ns={namespace}")
    answer.expect(400, 404)
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("way", WAYS)
def test_push_beside_the_cache(world: World, repository: str, way: str) -> None:
    """A push to any namespace, by any way, is there for everybody and asks nobody."""
    made = hello(repository, 100_000)
    asked = len(world.hub.seen)
    with world.mirror.wire(marks(way, "docker.io")) as wire:
        wire.push(repository, made, "mine")
        wire.push_chunked(repository, b"chunks" * 10_000, 25_000)
    for other in WAYS:
        with world.mirror.wire(marks(other, "docker.io")) as wire:
            assert wire.pull(repository, "mine") == made.manifest.digest
    pushes = [one for one in world.hub.seen[asked:] if one.method not in {"GET", "HEAD"}]
    assert not pushes


def test_push_off_the_list(world: World, wire: Wire, repository: str) -> None:
    """What looks like a host in a pushed name need not be on any list."""
    made = hello(repository)
    name = f"closed.example/{repository}"
    wire.push(name, made, "v1")
    assert wire.pull(name, "v1") == made.manifest.digest
    with world.mirror.wire(marks("ns", "closed.example")) as marked:
        assert marked.pull(repository, "v1") == made.manifest.digest
    assert world.closed.links == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", ["docker.io", "quay.io"])
def test_plain_push_answers_for_every_host(
    world: World, wire: Wire, repository: str, way: str, host: str
) -> None:
    """A push to the plain name is what every host has under that path."""
    theirs, own = hello(f"{repository} theirs"), hello(f"{repository} own")
    upstream = {"docker.io": world.hub, "quay.io": world.quay}[host]
    upstream.hold(repository, theirs, "v1")
    wire.push(repository, own, "v1")
    with world.mirror.wire(marks(way, host)) as marked:
        assert marked.pull(repository, "v1") == own.manifest.digest
        # What it shadows is still to be had by its digest: that can't be overridden.
        assert marked.pull(repository, theirs.manifest.digest) == theirs.manifest.digest
