"""The real clients, started once a session where they have a daemon."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import clients
from tests.support.builders import Beside, BuildKits
from tests.support.buildkit import BuildKit
from tests.support.daemons import Containerd
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.builders import Builder
    from tests.support.clients import Client
    from tests.support.daemons import Docker
    from tests.support.registries import Running


@pytest.fixture
def short_home() -> Iterator[Path]:
    """A home for a podman, whose --runroot may have no more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="lreg-") as home:
        yield Path(home)


@pytest.fixture
def podman(short_home: Path) -> Client:
    """A podman that holds no image."""
    return clients.podman(short_home)


@pytest.fixture
def buildah(tmp_path: Path) -> Client:
    """A buildah that holds no image."""
    return clients.buildah(tmp_path / "buildah")


@pytest.fixture
def curl(registry: Running, tmp_path: Path) -> Client:
    """A curl that trusts the registry's CA."""
    return clients.curl(registry, tmp_path / "curl")


@pytest.fixture
def docker(dockerd: Docker, registry: Running) -> Docker:
    """The dockerd; it trusts the registry."""
    dockerd.trust(registry)
    return dockerd


@pytest.fixture(scope="session")
def the_containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """A containerd of the tests' own."""
    daemon = Containerd(tmp_path_factory.mktemp("containerd") / "c")
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def containerd(the_containerd: Containerd, registry: Running) -> Containerd:
    """The containerd, empty; it trusts the registry."""
    the_containerd.trust(registry)
    the_containerd.remove_images()
    return the_containerd


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """BuildKit, where a file of tests has no other."""
    daemon = BuildKit(tmp_path_factory.mktemp("buildkit") / "b")
    try:
        yield BuildKits(daemon)
    finally:
        daemon.close()


@pytest.fixture(scope="module")
def beside(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """Lreg beside the `builder`."""
    home = tmp_path_factory.mktemp("builders")
    registry = start_lreg(home)
    try:
        yield Beside.prepared(registry, builder, home)
    finally:
        registry.stop()
