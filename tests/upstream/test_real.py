"""Real registries as upstreams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, multi_arch
from tests.support.registries import start_docker_registry, start_lreg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.images import Image, Index
    from tests.support.mirrors import Start
    from tests.support.registries import Running

MADE: dict[str, Image | Index] = {
    "oci": hello("real", 300_000),
    "docker": hello("real docker", 300_000, docker=True),
    "index": multi_arch("real index"),
    "list": multi_arch("real list", docker=True),
}


@pytest.mark.client("docker-registry")
@pytest.mark.parametrize("kind", MADE)
def test_docker_registry(
    start: Start, docker_registry: Running, repository: str, kind: str
) -> None:
    """Everything that distribution holds comes as it is there, and is here without it."""
    made = MADE[kind]
    with docker_registry.wire() as theirs:
        digest = theirs.push(repository, made, "v1")
    mirror = start({"registry.example": docker_registry.url})
    with mirror.wire() as wire:
        assert wire.pull(f"registry.example/{repository}", "v1") == digest
        wire.manifest(f"registry.example/{repository}", "v2").expect(404)
        wire.manifest("registry.example/nothing/here", "v1").expect(404)
    mirror.stop()
    with start({"registry.example": docker_registry.url}, "--offline").wire() as wire:
        assert wire.pull(f"registry.example/{repository}", "v1") == digest


@pytest.mark.client("docker-registry")
def test_a_volume_goes_back(start: Start, docker_registry: Running, tmp_path: Path) -> None:
    """What was cached is served by distribution too, from the same volume."""
    made = MADE["index"]
    with docker_registry.wire() as theirs:
        digest = theirs.push("tests/back", made, "v1")
    mirror = start({"registry.example": docker_registry.url})
    with mirror.wire() as wire:
        wire.pull("registry.example/tests/back", "v1")
    mirror.stop()
    theirs_again = start_docker_registry(tmp_path, mirror.store)
    try:
        with theirs_again.wire() as wire:
            assert wire.pull("registry.example/tests/back", "v1") == digest
    finally:
        theirs_again.process.kill()


def test_lreg(start: Start, tmp_path: Path, repository: str) -> None:
    """A lreg can be the upstream of another, by a path of its own there."""
    made = MADE["index"]
    far = tmp_path / "far"
    far.mkdir()
    upstream = start_lreg(far)
    try:
        with upstream.wire() as theirs:
            digest = theirs.push(f"proxy/docker/{repository}", made, "v1")
        table = {"address": upstream.url, "path": "proxy/docker"}
        with start({"docker.io": table}).wire() as wire:
            assert wire.pull(f"docker.io/{repository}", "v1") == digest
    finally:
        upstream.stop()
