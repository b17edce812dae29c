"""containerd: `ctr`, and a pull as a kubelet asks for one (CRI)."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tests.support.images import Image, Index, hello, multi_arch

if TYPE_CHECKING:
    from tests.support.daemons import Containerd
    from tests.support.registries import Running

pytestmark = pytest.mark.client("containerd")


def reach(registry: Running, containerd: Containerd) -> list[str]:
    """Return the options by which ctr reaches this registry."""
    # --tlscacert would not do: ctr takes a loopback address for plain HTTP all the same.
    return ["--hosts-dir", str(containerd.hosts)] if registry.ca else ["--plain-http"]


@pytest.mark.parametrize(
    "made",
    [
        hello("containerd"),
        hello("containerd large", 5 << 20),
        multi_arch("containerd"),
        multi_arch("containerd schema 2", docker=True),
    ],
    ids=["image", "large", "index", "docker-list"],
)
def test_ctr_pull_then_push(
    registry: Running, containerd: Containerd, repository: str, made: Image | Index
) -> None:
    """`ctr images pull`, then `push` under another name: every platform, digests kept."""
    source, target = f"{registry.host}/{repository}:v1", f"{registry.host}/{repository}/copy:v1"
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
        containerd.ctr("images", "pull", "--all-platforms", *reach(registry, containerd), source)
        containerd.ctr("images", "tag", source, target)
        containerd.ctr("images", "push", *reach(registry, containerd), target)
        assert wire.pull(f"{repository}/copy", "v1") == made.manifest.digest


def test_ctr_push_of_its_own(registry: Running, containerd: Containerd, repository: str) -> None:
    """An image that containerd holds from elsewhere can be pushed."""
    name = f"{registry.host}/{repository}:v1"
    made = hello(repository)
    containerd.hold(made, name)
    containerd.ctr("images", "push", *reach(registry, containerd), name)
    with registry.wire() as wire:
        assert wire.pull(repository, "v1") == made.manifest.digest


@pytest.mark.parametrize(
    "made",
    [
        hello("cri"),
        hello("cri schema 2", docker=True),
        hello("cri large", 5 << 20),
    ],
    ids=["oci", "docker", "large"],
)
def test_cri_pull(registry: Running, containerd: Containerd, repository: str, made: Image) -> None:
    """A kubelet's pull through containerd succeeds and yields the image by its id."""
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    assert containerd.cri_pull(f"{registry.host}/{repository}:v1") == made.blobs[0].digest


def test_cri_pull_by_digest(registry: Running, containerd: Containerd, repository: str) -> None:
    """A pod that names its image by digest gets exactly that."""
    made = hello(repository)
    with registry.wire() as wire:
        wire.push(repository, made)
    name = f"{registry.host}/{repository}@{made.manifest.digest}"
    assert containerd.cri_pull(name) == made.blobs[0].digest


def test_cri_pull_of_an_index(registry: Running, containerd: Containerd, repository: str) -> None:
    """Of a multi-platform image, a pod gets that of its node's platform."""
    made = multi_arch(repository)
    with registry.wire() as wire:
        wire.push(repository, made, "v1")
    here = {"x86_64": "amd64", "aarch64": "arm64", "s390x": "s390x"}[platform.machine()]
    (wanted,) = (each for each in made.images if each.architecture == here)
    identity = containerd.cri_pull(f"{registry.host}/{repository}:v1")
    assert identity == wanted.blobs[0].digest
