"""Canaries: images of one-time names, by which a node finds out where its pulls go."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.images import hello
from tests.support.processes import attempt, clean_environment
from tests.support.wire import Marks

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.wire import Wire
    from tests.upstream.conftest import World


def a_name() -> str:
    """Return the name of a canary that nobody asked for yet."""
    return f"lreg-canary/{secrets.token_hex(16)}"


def sightings(wire: Wire, name: str) -> list[dict[str, Any]]:
    """Return who asked for a canary."""
    nonce = name.rpartition("/")[2]
    # A page in a browser has no rights here, even on loopback: this needs none.
    answer = wire.ask("GET", f"/lreg/v1/canaries/{nonce}", headers={"Origin": "https://a.example"})
    return list(answer.expect(200).json()["seen"])


@pytest.mark.parametrize(
    ("marks", "namespace", "named"),
    [
        (Marks(query="ns=quay.io"), "quay.io", "ns"),
        (Marks(query="ns=registry-1.docker.io%3A443"), "docker.io", "ns"),
        (Marks(under="quay.io/"), "quay.io", "path"),
        (Marks(host="quay.io"), "quay.io", "host"),
        (Marks(host="index.docker.io"), "docker.io", "host"),
        (Marks(), "docker.io", ""),
    ],
)
def test_every_sign_is_told(world: World, marks: Marks, namespace: str, named: str) -> None:
    """A canary can be pulled however a runtime names the upstream; by which sign is noted."""
    name = a_name()
    before = len(world.hub.seen), len(world.quay.seen)
    with world.mirror.wire(marks) as wire:
        wire.pull(name, "latest")
    with world.mirror.wire() as wire:
        seen = sightings(wire, name)
    assert {(each["namespace"], each["named"], each["tls"]) for each in seen} == {
        (namespace, named, False)
    }
    assert seen[0]["method"] == "GET"
    assert seen[0]["asked"] == "manifests/latest"
    assert seen[0]["peer"].startswith("127.0.0.1:")
    assert any(each["asked"].startswith("blobs/sha256:") for each in seen)
    assert (len(world.hub.seen), len(world.quay.seen)) == before


@pytest.mark.client("openssl")
def test_the_server_name_is_told(start: Start, quay: Upstream) -> None:
    """Where only the TLS server name tells the upstream, that is noted, and that TLS was spoken."""
    mirror = start({"quay.io": quay.url}, tls=True)
    name = a_name()
    assert mirror.ca
    connect = ("-connect", f"127.0.0.1:{mirror.port}", "-servername", "quay.io", "-ign_eof")
    argv = ("openssl", "s_client", "-quiet", "-CAfile", str(mirror.ca), *connect)
    request = f"GET /v2/{name}/manifests/latest HTTP/1.0\r\nUser-Agent: me/1\r\n\r\n".encode()
    said = attempt(*argv, env=clean_environment(mirror.ca.parent), stdin=request)
    assert "HTTP/1.1 200" in said.out
    with mirror.wire() as wire:
        (seen,) = sightings(wire, name)
    assert (seen["namespace"], seen["named"], seen["agent"]) == ("quay.io", "server-name", "me/1")
    assert seen["tls"] is True


def test_nothing_of_it_is_kept(world: World, wire: Wire) -> None:
    """No listing, journal or folder has a canary in it."""
    names = [f"{host}/{a_name()}" for host in ("docker.io", "quay.io")] + [a_name()]
    for name in names:
        assert wire.pull(name, "latest") == wire.pull(name, "latest")
    assert wire.tags(names[0]) == ["latest"]
    assert not [name for name in wire.repositories() if "canary" in name]
    assert b"canary" not in wire.ask("GET", "/lreg/v1/pulls").body
    assert b"canary" not in wire.ask("GET", "/lreg/v1/images").body
    assert not list(world.mirror.store.rglob("*canary*"))


def test_no_two_have_a_blob_in_common(wire: Wire) -> None:
    """A runtime that holds one canary has to fetch all of the next, which proves where from."""
    blobs: list[str] = []
    for name in (a_name(), a_name()):
        wire.pull(f"quay.io/{name}", "latest")
        blobs += {each["asked"] for each in sightings(wire, name) if "blobs/" in each["asked"]}
    assert len(blobs) == len(set(blobs)) > 2


def test_offline(start: Start, quay: Upstream) -> None:
    """A registry that may dial nobody answers for canaries all the same."""
    mirror = start({"quay.io": quay.url}, "--offline")
    name = a_name()
    with mirror.wire() as wire:
        wire.pull(f"quay.io/{name}", "latest")
        assert sightings(wire, name)
    assert quay.links == 0


def test_a_name_off_the_list(wire: Wire) -> None:
    """An upstream that is not allowed has no canary: a pull of it would fail too."""
    name = a_name()
    wire.manifest(f"closed.example/{name}", "latest").expect(404)
    assert sightings(wire, name) == []


@pytest.mark.parametrize("name", ["lreg-canary", "lreg-canary/abc", f"lreg-canary/{'A' * 32}"])
def test_only_a_nonce_makes_a_canary(wire: Wire, name: str) -> None:
    """Names that only look like a canary's are as any others."""
    wire.manifest(f"quay.io/{name}", "latest").expect(400, 404)
    wire.ask("GET", f"/lreg/v1/{name}").expect(404)
    wire.ask("GET", f"/lreg/v1/canaries/{name.rpartition('/')[2]}").expect(404)


def test_a_canary_takes_no_pushes(wire: Wire) -> None:
    """Nothing can be pushed to the name of a canary, nor deleted from it."""
    name = f"quay.io/{a_name()}"
    wire.ask("POST", f"/v2/{name}/blobs/uploads/").expect(403)
    wire.put_manifest(name, hello("x").manifest, "latest").expect(403)
    wire.ask("DELETE", f"/v2/{name}/manifests/latest").expect(403)
    digest = wire.pull(name, "latest")
    wire.ask("DELETE", f"/v2/{name}/blobs/{digest}").expect(403)
    wire.ask("GET", f"/v2/{name}/referrers/{digest}").expect(200)
    wire.manifest(name, f"sha256:{'0' * 64}").expect(404)
    wire.blob(name, f"sha256:{'0' * 64}").expect(404)
