"""One cluster a session, and one node a runtime in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nodes.cells import Told
from tests.nodes.page import Row
from tests.nodes.patients import Patient, installed, kinds
from tests.nodes.runtimes import (
    Containerd1,
    Containerd2,
    Crio,
    Docker,
    Docker29,
    Podman,
    Skopeo,
)
from tests.nodes.ways import COLUMNS
from tests.nodes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster without nodes; for tests marked with the client `namespaces`."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(
    scope="module", params=kinds(Containerd1, Containerd2, Crio, Docker, Docker29, Podman, Skopeo)
)
def patient(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    """Each runtime that the doctor knows, or that a file is for, on a node of its own."""
    name = request.path.stem.rpartition("_")[2]
    yield from installed(request.param, world, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def row(patient: Patient) -> Row:
    """What was found of that runtime so far."""
    return Row(patient.runtime.title, patient.runtime.version, COLUMNS)


@pytest.fixture
def told(patient: Patient, row: Row) -> Iterator[Told]:
    """The runtime, to be told by `lreg node apply`; at the end that is undone."""
    yield Told(patient, row)
    said = patient.runtime.lreg("undo", "--reload")
    assert said.code == 0, said.err
