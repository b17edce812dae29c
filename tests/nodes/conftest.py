"""One cluster a session, and one node a runtime in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nodes.patients import Patient, installed, kinds
from tests.nodes.runtimes import (
    RUNTIMES,
    Containerd1,
    Containerd2,
    Crio,
    Docker,
    Installed,
    Podman,
    Skopeo,
)
from tests.nodes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster without nodes; for tests marked with the client `namespaces`."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(each, id=each.title.replace(" ", "-"), marks=pytest.mark.client(each.client))
        for each in RUNTIMES
    ],
)
def runtime(request: pytest.FixtureRequest, world: World) -> Iterator[Installed]:
    """Each runtime, on a node of its own."""
    kind: type[Installed] = request.param
    node = world.node(kind.title.replace(" ", "-"), kind.binaries())
    made = kind(node)
    try:
        yield made
    finally:
        made.stop()
        node.close()


@pytest.fixture(
    scope="module", params=kinds(Containerd1, Containerd2, Crio, Docker, Podman, Skopeo)
)
def patient(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    """Each runtime that the doctor knows, on a node of its own."""
    name = request.path.stem.rpartition("_")[2]
    yield from installed(request.param, world, tmp_path_factory.mktemp(name))
