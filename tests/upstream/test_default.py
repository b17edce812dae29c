"""What a plain name means that is not here: the default upstream, and what it is never told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, sha256
from tests.support.mirrors import HASTE

if TYPE_CHECKING:
    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.wire import Wire
    from tests.upstream.conftest import World

SECRET = sha256(b"a private layer")


def test_docker_hub_by_default(world: World, wire: Wire, repository: str) -> None:
    """A plain name that is not here is docker.io's, as Docker's `registry-mirrors` mean it."""
    made = hello(repository, 100_000)
    world.hub.hold(repository, made, "v1")
    assert wire.pull(repository, "v1") == made.manifest.digest
    assert wire.pull(f"docker.io/{repository}", "v1") == made.manifest.digest
    names = wire.repositories()
    assert f"docker.io/{repository}" in names
    assert repository not in names


def test_what_is_here_comes_first(world: World, wire: Wire, repository: str) -> None:
    """A plain name that was pushed here is what was pushed; upstream is not asked."""
    own = hello(f"{repository} own")
    world.hub.hold(repository, hello(f"{repository} theirs"), "v1")
    wire.push(repository, own, "v1")
    asked = len(world.hub.seen)
    assert wire.pull(repository, "v1") == own.manifest.digest
    assert len(world.hub.seen) == asked


def test_both_under_one_path(world: World, wire: Wire, repository: str) -> None:
    """Beside a tag that was pushed, the other tags of that path are still upstream's."""
    own, theirs = hello(f"{repository} own"), hello(f"{repository} theirs")
    world.hub.hold(repository, theirs, "theirs")
    wire.push(repository, own, "own")
    assert wire.pull(repository, "theirs") == theirs.manifest.digest
    assert wire.pull(repository, "own") == own.manifest.digest


def test_private_blobs_are_not_told(world: World, wire: Wire, repository: str) -> None:
    """A push to a plain name, and whoever asks for its blobs, tell no upstream of them."""
    asked = len(world.hub.seen)
    for method in ("HEAD", "GET"):
        wire.ask(method, f"/v2/{repository}/blobs/{SECRET}").expect(404)
    path = f"/v2/{repository}/blobs/uploads/?mount={SECRET}&from=tests/other"
    wire.ask("POST", path).expect(202)
    wire.ask("POST", path.partition("&")[0]).expect(202)
    wire.push(repository, hello(repository), "v1")
    wire.ask("HEAD", f"/v2/{repository}/blobs/{SECRET}").expect(404)
    assert len(world.hub.seen) == asked


def test_no_default(start: Start, hub: Upstream) -> None:
    """With `default-upstream = "none"` a plain name is this registry's and nobody else's."""
    made = hello("no default")
    hub.hold("library/app", made, "v1")
    settings = HASTE + 'default-upstream = "none"\n'
    with start({"docker.io": hub.url}, settings=settings).wire() as wire:
        wire.manifest("library/app", "v1").expect(404)
        assert hub.links == 0
        assert wire.pull("docker.io/library/app", "v1") == made.manifest.digest


def test_another_default(start: Start, quay: Upstream) -> None:
    """The default upstream can be another than docker.io."""
    made = hello("another default")
    quay.hold("app", made, "v1")
    settings = HASTE + 'default-upstream = "quay.io"\n'
    with start({"quay.io": quay.url}, settings=settings).wire() as wire:
        assert wire.pull("app", "v1") == made.manifest.digest
        assert wire.pull("quay.io/app", "v1") == made.manifest.digest


@pytest.mark.parametrize("offline", [False, True], ids=["refused", "offline"])
def test_default_out_of_reach(start: Start, stage: Stage, hub: Upstream, offline: bool) -> None:
    """Without internet a plain name that is not here is 404 at once: a registry as any other."""
    stage.leave(hub)
    options = ("--offline",) if offline else ()
    with start({"docker.io": hub.url}, *options).wire() as wire:
        begin = time.monotonic()
        for number in range(5):
            wire.manifest("library/app", f"v{number}").expect(404)
        assert time.monotonic() - begin < 10
        wire.push("library/app", hello("mine"), "v1")
        assert wire.pull("library/app", "v1") == hello("mine").manifest.digest
