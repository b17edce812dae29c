"""An own version in place of upstream's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault
from tests.support.images import hello
from tests.support.mirrors import HASTE
from tests.support.processes import eventually

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.registries import Running
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

NAME = "library/alpine"
THEIRS, NEWER, OWN = hello("theirs", 100_000), hello("theirs, newer"), hello("own", 100_000)
ALWAYS_ASK = HASTE + '[[freshness]]\nmatch = "*"\nttl = "always"\n'


@pytest.fixture
def mirror(start: Start, hub: Upstream) -> Running:
    """A registry that asks at every pull, and its upstream has an alpine:3.8."""
    hub.hold(NAME, THEIRS, "3.8")
    return start({"docker.io": hub.url}, settings=ALWAYS_ASK)


def meant(registry: Running, name: str = NAME) -> set[str]:
    """Pull docker.io's NAME:3.8 by every way; return the digests that came."""
    found = set()
    for path in (f"{name}/manifests/3.8?ns=docker.io", f"docker.io/{name}/manifests/3.8"):
        with registry.wire() as wire:
            answer = wire.ask("GET", f"/v2/{path}").expect(200)
            found.add(answer.headers["docker-content-digest"])
    with registry.wire() as wire:
        found.add(wire.pull(f"docker.io/{name}", "3.8"))
        found.add(wire.pull(name, "3.8"))
    return found


@pytest.mark.parametrize("name", [NAME, f"docker.io/{NAME}"], ids=["plain", "full"])
@pytest.mark.parametrize("first", ["cold", "warm"])
def test_shadow_and_undo(hub: Upstream, mirror: Running, name: str, first: str) -> None:
    """A pushed tag is what everybody gets, and is never asked about; without it upstream's is."""
    with mirror.wire() as wire:
        if first == "warm":
            assert meant(mirror) == {THEIRS.manifest.digest}
        wire.push(name, OWN, "3.8")
        asked = len(hub.seen)
        hub.hold(NAME, NEWER, "3.8")
        assert meant(mirror) == {OWN.manifest.digest}
        assert len(hub.seen) == asked
        wire.ask("DELETE", f"/v2/{name}/manifests/3.8").expect(202)
        assert meant(mirror) == {NEWER.manifest.digest}


def test_undo_without_upstream(start: Start, hub: Upstream, mirror: Running) -> None:
    """What upstream had before is still here for those who name its digest, offline too."""
    meant(mirror)
    with mirror.wire() as wire:
        wire.push(f"docker.io/{NAME}", OWN, "3.8")
    mirror.stop()
    with start({"docker.io": hub.url}, "--offline").wire() as wire:
        assert wire.pull(f"docker.io/{NAME}", THEIRS.manifest.digest) == THEIRS.manifest.digest
        assert wire.pull(f"docker.io/{NAME}", "3.8") == OWN.manifest.digest


def test_full_name_before_plain(hub: Upstream, mirror: Running) -> None:
    """Of two pushes the one to the full name answers for the host; the plain name stays."""
    plain = hello("plain", 50_000)
    with mirror.wire() as wire:
        wire.push(NAME, plain, "3.8")
        wire.push(f"docker.io/{NAME}", OWN, "3.8")
        assert wire.pull(f"docker.io/{NAME}", "3.8") == OWN.manifest.digest
        assert wire.pull(NAME, "3.8") == plain.manifest.digest
        assert not hub.seen


def test_the_same_image(hub: Upstream, mirror: Running) -> None:
    """An own tag on the very image that upstream has stays when upstream's moves."""
    assert meant(mirror) == {THEIRS.manifest.digest}
    with mirror.wire() as wire:
        wire.push(f"docker.io/{NAME}", THEIRS, "3.8")
    hub.hold(NAME, NEWER, "3.8")
    assert meant(mirror) == {THEIRS.manifest.digest}


def test_push_during_a_fill(hub: Upstream, mirror: Running) -> None:
    """A push while upstream's image is on its way wins: no fill overwrites a pushed tag."""
    hub.script.add("", f"{NAME}/manifests/", Fault(delay=0.7), ALWAYS)
    with ThreadPoolExecutor() as pool, mirror.wire() as wire, mirror.wire() as other:
        asked = pool.submit(other.manifest, f"docker.io/{NAME}", "3.8")
        eventually(lambda: hub.seen)
        wire.push(f"docker.io/{NAME}", OWN, "3.8")
        asked.result().expect(200)
        for _ in range(3):
            assert wire.pull(f"docker.io/{NAME}", "3.8") == OWN.manifest.digest
            time.sleep(0.3)


def test_survives_a_restart(start: Start, hub: Upstream, mirror: Running) -> None:
    """What was pushed and what was cached is known after SIGKILL, too."""
    hub.hold(NAME, THEIRS, "3.9")
    with mirror.wire() as wire:
        wire.pull(f"docker.io/{NAME}", "3.9")
        wire.push(f"docker.io/{NAME}", OWN, "3.8")
    mirror.process.kill()
    mirror = start({"docker.io": hub.url}, settings=ALWAYS_ASK)
    hub.hold(NAME, NEWER, "3.8")
    hub.hold(NAME, NEWER, "3.9")
    assert meant(mirror) == {OWN.manifest.digest}
    with mirror.wire() as wire:
        assert wire.pull(f"docker.io/{NAME}", "3.9") == NEWER.manifest.digest


def test_own_layers_on_upstreams(hub: Upstream, mirror: Running) -> None:
    """An image that shares layers with a cached one is pushed without sending them again."""
    meant(mirror)
    with mirror.wire() as wire:
        for blob in THEIRS.blobs:
            wire.ask("HEAD", f"/v2/docker.io/{NAME}/blobs/{blob.digest}").expect(200)
            mount = f"/v2/mine/app/blobs/uploads/?mount={blob.digest}&from=docker.io/{NAME}"
            wire.ask("POST", mount).expect(201)
        wire.push_manifest("mine/app", THEIRS.manifest, "v1")
        assert wire.pull("mine/app", "v1") == THEIRS.manifest.digest


@pytest.mark.parametrize("prefix", ["", "docker.io/"], ids=["plain", "full"])
@pytest.mark.parametrize("pulled", [True, False], ids=["cached", "on-its-way"])
def test_push_of_what_upstream_has(
    world: World, wire: Wire, repository: str, prefix: str, pulled: bool
) -> None:
    """An own version that shares layers with upstream's can be pushed beside it.

    A client leaves out what HEAD says is here, whichever name it is here under, and even where it
    is still on its way.
    """
    theirs = hello(repository, 3_000_000)
    world.hub.hold(repository, theirs, "v1")
    if pulled:
        wire.pull(f"docker.io/{repository}", "v1")
    else:
        world.hub.script.add("GET", f"{repository}/blobs", Fault(rate=4e6), ALWAYS)
        wire.ask("GET", f"/v2/docker.io/{repository}/manifests/v1").expect(200)
    name = prefix + repository
    for blob in theirs.blobs:
        wire.ask("HEAD", f"/v2/{name}/blobs/{blob.digest}").expect(200)
    manifest = theirs.manifest
    headers = {"Content-Type": manifest.media_type}
    wire.ask("PUT", f"/v2/{name}/manifests/own", manifest.data, headers).expect(201)
    assert wire.pull(name, "own") == manifest.digest


def test_push_while_upstream_is_gone(start: Start) -> None:
    """A push to an upstream's name needs no upstream."""
    mirror = start({"docker.io": "http://127.0.0.5:1"})
    own = hello("own")
    with mirror.wire() as wire:
        for blob in own.blobs:
            wire.ask("HEAD", f"/v2/docker.io/some/app/blobs/{blob.digest}").expect(404)
        wire.push("docker.io/some/app", own, "v1")
        assert wire.pull("docker.io/some/app", "v1") == own.manifest.digest
