"""podman and buildah, which hold their images in a store of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.clients import trust
from tests.support.images import hello, multi_arch, write_docker_archive

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.clients import Client
    from tests.support.registries import Running


@pytest.fixture
def searching(registry: Running, podman: Client) -> Client:
    """A podman set up for `podman search`, which has no --cert-dir."""
    if registry.ca:
        return podman.with_environment(SSL_CERT_FILE=str(registry.ca))
    insecure = f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
    file = podman.home / "registries.conf"
    file.write_text(insecure)
    return podman.with_environment(CONTAINERS_REGISTRIES_CONF=str(file))


@pytest.mark.client("podman")
@pytest.mark.parametrize("size", [0, 5 << 20], ids=["small", "large"])
def test_podman_push_then_pull(
    registry: Running, podman: Client, tmp_path: Path, repository: str, size: int
) -> None:
    """`podman push`, then `podman pull` where the image is not: the same image, by its id."""
    made = hello(repository, size)
    name = f"{registry.host}/{repository}:v1"
    archive = write_docker_archive(tmp_path / "image.tar", made, name)
    podman("load", "--input", str(archive))
    identity = podman("image", "inspect", "--format={{.Id}}", name).out
    podman("push", *trust(registry), name)
    with registry.wire() as wire:
        wire.pull(repository, "v1")
    podman("image", "rm", name)
    podman("pull", *trust(registry), name)
    assert podman("image", "inspect", "--format={{.Id}}", name).out == identity


@pytest.mark.client("podman")
def test_podman_pulls_each_platform(registry: Running, podman: Client, repository: str) -> None:
    """Of a multi-platform image, podman pulls the one that was asked for."""
    made = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    name = f"{registry.host}/{repository}:v1"
    for chosen in made.images:
        podman("pull", f"--platform=linux/{chosen.architecture}", *trust(registry), name)
        identity = podman("image", "inspect", "--format={{.Id}}", name).out.strip()
        assert f"sha256:{identity}" == chosen.blobs[0].digest


@pytest.mark.client("podman")
def test_podman_pushes_a_manifest_list(registry: Running, podman: Client, repository: str) -> None:
    """`podman manifest push --all` puts a list and its images into the registry."""
    made = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "source")
        podman("manifest", "create", "list")
        for each in made.images:
            source = f"docker://{registry.host}/{repository}@{each.manifest.digest}"
            podman("manifest", "add", *trust(registry), "list", source)
        target = f"docker://{registry.host}/{repository}/list:v1"
        podman("manifest", "push", "--all", *trust(registry), "list", target)
        wire.pull(f"{repository}/list", "v1")
        listed = wire.manifest(f"{repository}/list", "v1").json()["manifests"]
    assert {each["digest"] for each in listed} == {each.manifest.digest for each in made.images}


@pytest.mark.client("podman")
def test_podman_searches_tags(registry: Running, searching: Client, repository: str) -> None:
    """`podman search --list-tags` lists the tags of a repository."""
    with registry.wire() as wire:
        for tag in ("v1", "v2"):
            wire.push(repository, hello(repository), tag)
    name = f"{registry.host}/{repository}"
    said = searching("search", "--list-tags", "--format=json", name)
    assert json.loads(said.out)[0]["Tags"] == ["v1", "v2"]


@pytest.mark.client("podman")
def test_podman_searches_repositories(
    registry: Running, searching: Client, repository: str
) -> None:
    """`podman search HOST/` finds repositories by a part of their name, through the catalog."""
    with registry.wire() as wire:
        wire.push(repository, hello(repository), "v1")
    said = searching("search", f"{registry.host}/{repository[:-1]}")
    assert f"{registry.host}/{repository}" in said.out


@pytest.mark.client("buildah")
def test_buildah_from_scratch(
    registry: Running, buildah: Client, tmp_path: Path, repository: str
) -> None:
    """An image that buildah made from scratch can be pushed, and pulled as the same image."""
    (tmp_path / "hello").write_text("hello\n")
    container = buildah("from", "scratch").out.strip()
    buildah("copy", container, str(tmp_path / "hello"), "/etc/hello")
    buildah("config", "--cmd=/etc/hello", container)
    identity = buildah("commit", container, "made:v1").out.strip()
    name = f"docker://{registry.host}/{repository}:v1"
    buildah("push", *trust(registry), "made:v1", name)
    with registry.wire() as wire:
        wire.pull(repository, "v1")
    buildah("rm", container)
    buildah("rmi", identity)
    assert buildah("pull", *trust(registry), name).out.strip() == identity
