"""docker, with a real dockerd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, multi_arch, write_docker_archive

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemons import Docker
    from tests.support.images import Image
    from tests.support.registries import Running

pytestmark = pytest.mark.client("docker")


def load(docker: Docker, folder: Path, image: Image, name: str) -> None:
    """Make dockerd hold an image under a name."""
    archive = write_docker_archive(folder / "image.tar", image, name)
    docker.cli("load", "--input", str(archive))


@pytest.mark.parametrize("size", [0, 5 << 20], ids=["small", "large"])
def test_push_then_pull(
    registry: Running, docker: Docker, tmp_path: Path, repository: str, size: int
) -> None:
    """`docker push`, then `docker pull` where the image is not: the same image, by its id."""
    made = hello(f"{registry.url} {size}", size, docker=True)
    name = f"{registry.host}/{repository}:v1"
    load(docker, tmp_path, made, name)
    identity = docker.image_id(name)
    pushed = docker.cli("push", name).out
    docker.cli("image", "rm", name)
    pulled = docker.cli("pull", name).out
    assert docker.image_id(name) == identity == made.blobs[0].digest
    with registry.wire() as wire:
        digest = wire.pull(repository, "v1")
    assert f"digest: {digest}" in pushed
    assert f"Digest: {digest}" in pulled


def test_push_again(registry: Running, docker: Docker, tmp_path: Path, repository: str) -> None:
    """A second push of the same image to the same repository sends no layer."""
    load(docker, tmp_path, hello(registry.url, docker=True), f"{registry.host}/{repository}:v1")
    docker.cli("push", f"{registry.host}/{repository}:v1")
    docker.cli("tag", f"{registry.host}/{repository}:v1", f"{registry.host}/{repository}:v2")
    said = docker.cli("push", f"{registry.host}/{repository}:v2").out
    assert said.count("Layer already exists") == 2
    with registry.wire() as wire:
        assert wire.tags(repository) == ["v1", "v2"]
        assert wire.pull(repository, "v1") == wire.pull(repository, "v2")


def test_push_to_another_repository(
    registry: Running, docker: Docker, tmp_path: Path, repository: str
) -> None:
    """Layers that the registry holds elsewhere are mounted, not sent."""
    load(docker, tmp_path, hello(repository, docker=True), f"{registry.host}/{repository}/a:v1")
    docker.cli("push", f"{registry.host}/{repository}/a:v1")
    docker.cli("tag", f"{registry.host}/{repository}/a:v1", f"{registry.host}/{repository}/b:v1")
    said = docker.cli("push", f"{registry.host}/{repository}/b:v1").out
    assert said.count(f"Mounted from {repository}/a") == 2
    with registry.wire() as wire:
        wire.pull(f"{repository}/b", "v1")


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_pull_from_index(registry: Running, docker: Docker, repository: str, kind: str) -> None:
    """Of a multi-platform image, docker pulls the one that was asked for."""
    made = multi_arch(repository, docker=kind == "docker")
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    name = f"{registry.host}/{repository}:v1"
    for chosen in made.images:
        docker.cli("pull", f"--platform=linux/{chosen.architecture}", name)
        assert docker.image_id(name) == chosen.blobs[0].digest


def test_pull_by_digest(registry: Running, docker: Docker, repository: str) -> None:
    """An image can be pulled by its digest, whether or not a tag is on it."""
    made = hello(repository)
    with registry.wire() as wire:
        wire.push(repository, made)
    name = f"{registry.host}/{repository}@{made.manifest.digest}"
    docker.cli("pull", name)
    assert docker.image_id(name) == made.blobs[0].digest


def test_pull_all_tags(registry: Running, docker: Docker, repository: str) -> None:
    """`docker pull --all-tags` pulls every tag."""
    with registry.wire() as wire:
        for tag in ("v1", "v2", "v3"):
            wire.push(repository, hello(repository + tag), tag)
    docker.cli("pull", "--all-tags", f"{registry.host}/{repository}")
    for tag in ("v1", "v2", "v3"):
        identity = docker.image_id(f"{registry.host}/{repository}:{tag}")
        assert identity == hello(repository + tag).blobs[0].digest


def test_unknown_image(registry: Running, docker: Docker, repository: str) -> None:
    """An image that is not there is said so."""
    said = docker.cli.attempt("pull", f"{registry.host}/{repository}:v1")
    assert said.code == 1
    assert "manifest unknown" in said.err or "not found" in said.err
