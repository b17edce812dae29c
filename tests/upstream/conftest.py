"""Fakes of the internet, and registries that take them for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.fakes.upstream import Upstream
from tests.support.mirrors import Start, start_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.support.mirrors import Upstreams
    from tests.support.registries import Running
    from tests.support.wire import Wire


@dataclass(frozen=True, slots=True)
class World:
    """A registry and all of the internet that it knows; tests share it, each by names of its own.

    Attributes:
        mirror: the registry.
        hub: what it takes for docker.io.
        quay: what it takes for quay.io.
        closed: what it would take for closed.example, which is off its list.
    """

    mirror: Running
    hub: Upstream
    quay: Upstream
    closed: Upstream


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> Iterator[World]:
    """The registry that most of these tests share."""
    hosts = [stage.enter(Upstream(f"127.0.0.{number}")) for number in (2, 3, 4)]
    upstreams: Upstreams = {
        "docker.io": hosts[0].url,
        "quay.io": hosts[1].url,
        "closed.example": {"address": hosts[2].url, "allow": False},
    }
    running = start_mirror(tmp_path_factory.mktemp("world"), upstreams)
    try:
        yield World(running, *hosts)
    finally:
        running.stop()
        for each in hosts:
            stage.leave(each)


@pytest.fixture
def wire(world: World) -> Iterator[Wire]:
    """A connection to the registry that tests share."""
    with world.mirror.wire() as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a registry of the test's own."""
    made = Start(tmp_path)
    yield made
    made.close()
