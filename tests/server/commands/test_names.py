"""What the name of an image means: the same to every command that reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import DISTRIBUTION, Lreg
from tests.support.images import image
from tests.support.processes import clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.support.images import Image
    from tests.support.registries import Running

# What tells whose image a command has read.
READERS: dict[str, Callable[[Lreg, str], str]] = {
    "inspect": lambda lreg, name: str(lreg.json("inspect", name)["digest"]),
    "layers": lambda lreg, name: str(lreg.json("layers", name)[0]["digest"]),
    "files": lambda lreg, name: lreg.run("files", name),
    "cat": lambda lreg, name: lreg.run("cat", name, lreg.run("files", name).strip()),
    "save": lambda lreg, name: carried(lreg, "save", "--output=out.tar", name),
    "pull": lambda lreg, name: carried(lreg, "pull", "--to=dir:out", name),
    "bundle": lambda lreg, name: carried(lreg, "bundle", "create", "--output=out.b", name),
    "copy": lambda lreg, name: str(lreg.json("copy", name, "copied/to:1")["digest"]),
}
SOME = ("inspect", "save", "copy")


def carried(lreg: Lreg, *command: str) -> str:
    """Return the digest of the one image that a command carries."""
    (one,) = lreg.json(*command)["images"]
    return str(one["digest"])


def whose(name: str) -> Image:
    """Return an image that says whose it is, wherever it is read."""
    return image({name: name.encode()})


def telling(name: str) -> set[str]:
    """Return what READERS give of `whose(name)`."""
    made = whose(name)
    return {made.manifest.digest, made.blobs[1].digest, f"{name}\n", name}


def test_own_version(caching: Lreg, quay: Upstream) -> None:
    """An upstream's name is the own version that stands in its place, as nodes get it."""
    quay.hold("org/app", whose("theirs"), "1")
    with caching.registry.wire() as wire:
        wire.push("quay.io/org/app", whose("own"), "1")
    for reader in READERS.values():
        assert reader(caching, "quay.io/org/app:1") in telling("own")


def test_upstreams(caching: Lreg, quay: Upstream, stage: Stage) -> None:
    """Else it is what the registry here has from upstream or fetches: also when that is gone."""
    quay.hold("org/app", whose("theirs"), "1")
    assert READERS["cat"](caching, "quay.io/org/app:1") == "theirs"
    assert caching.lines("ls", "quay.io") == ["quay.io/org/app:1  cached"]
    caching.run("cache", "quay.io/org/app:1")
    stage.leave(quay)
    for reader in ("cat", "inspect"):
        assert READERS[reader](caching, "quay.io/org/app:1") in telling("theirs")


@pytest.mark.parametrize("reader", SOME)
def test_kept_here(lreg: Lreg, repository: str, reader: str) -> None:
    """A name of a host that nothing is fetched from is the image that is kept under it here."""
    name = f"registry.invalid/{repository}"
    with lreg.registry.wire() as wire:
        wire.push(name, whose("own"), "1")
    assert READERS[reader](lreg, f"{name}:1") in telling("own")
    assert READERS[reader](lreg, f"{lreg.registry.host}/{name}:1") in telling("own")


@pytest.fixture(params=["server", DISTRIBUTION])
def other(request: pytest.FixtureRequest) -> Running:
    """Another registry than the one here: lreg, and registry:2."""
    running: Running = request.getfixturevalue(request.param)
    return running


@pytest.mark.parametrize("reader", SOME)
def test_of_the_host_itself(caching: Lreg, other: Running, repository: str, reader: str) -> None:
    """What is not kept here is asked of its host; an own image of the same plain name is not it."""
    with other.wire() as wire:
        wire.push(repository, whose("theirs"), "1")
    with caching.registry.wire() as wire:
        wire.push(repository, whose("own"), "1")
    assert READERS[reader](caching, f"{other.host}/{repository}:1") in telling("theirs")
    assert READERS[reader](caching, f"{repository}:1") in telling("own")


def test_by_digest(caching: Lreg, server: Running, quay: Upstream, repository: str) -> None:
    """A digest is looked for in the same places."""
    ours, theirs = (whose(name).manifest.digest for name in ("own", "theirs"))
    quay.hold("org/app", whose("theirs"), "1")
    assert carried(caching, "save", "-o", "a", f"quay.io/org/app@{theirs}") == theirs
    with caching.registry.wire() as wire:
        wire.push("registry.invalid/app", whose("own"), "1")
    assert carried(caching, "save", "-o", "a", f"registry.invalid/app@{ours}") == ours
    with server.wire() as wire:
        wire.push(repository, whose("theirs"), "1")
    assert carried(caching, "save", "-o", "a", f"{server.host}/{repository}@{theirs}") == theirs


def test_registry_that_is_down(server: Running, tmp_path: Path, repository: str) -> None:
    """Where the registry that is meant does not answer nobody knows whose image counts."""
    with server.wire() as wire:
        wire.push(repository, whose("theirs"), "1")
    nobody = f"127.0.0.1:{free_port()}"
    lreg = Lreg(server, clean_environment(tmp_path, LOCAL_REGISTRY=nobody), tmp_path)
    assert nobody in lreg.fail(6, "save", "-q", "-o", "a", f"{server.host}/{repository}:1")


def test_plain_name_of_the_default_upstream(caching: Lreg, hub: Upstream) -> None:
    """What the default upstream answers is carried by its whole name; `--as` gives another."""
    hub.hold("library/alpine", whose("theirs"), "3")
    with caching.registry.wire() as wire:
        wire.push("mine/app", whose("own"), "1")
    for arguments, name in (
        (["alpine:3"], "docker.io/library/alpine:3"),
        (["alpine:3", "--as=other:1"], "other:1"),
        (["mine/app:1"], "mine/app:1"),
    ):
        (one,) = caching.json("pull", "--to=dir:out", *arguments)["images"]
        assert one["target"] == name


def test_removed_here(caching: Lreg, quay: Upstream) -> None:
    """`lreg rm` of an upstream's name removes what is here; the upstream hears nothing of it."""
    quay.hold("org/app", whose("theirs"), "1")
    caching.run("cache", "quay.io/org/app:1")
    caching.run("rm", "quay.io/org/app:1")
    assert caching.lines("ls", "quay.io") == ["quay.io/org/app"]
    assert not quay.requests("DELETE")
