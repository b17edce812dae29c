"""One server for all of these tests, and one connection a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.registries import Running, start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wire import Wire


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running lreg over plain HTTP."""
    running = start_lreg(tmp_path_factory.mktemp("server"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def wire(server: Running) -> Iterator[Wire]:
    """A connection to the server."""
    with server.wire() as opened:
        yield opened
