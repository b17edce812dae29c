"""`lreg build` beside docker: the same Dockerfile makes the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.builders import DockersOwn
from tests.support.dockerfiles import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Beside
    from tests.support.daemons import Docker

pytestmark = pytest.mark.client("docker")


@pytest.fixture(scope="module")
def builder(dockerd: Docker) -> DockersOwn:
    """The docker."""
    return DockersOwn(dockerd)


@pytest.mark.parametrize("case", BOTH)
def test_the_same_image(beside: Beside, tmp_path: Path, case: str) -> None:
    """Names, kinds, modes, owners, links, contents and config are those that docker makes."""
    beside.compare(tmp_path / "context", case)


def test_it_builds_for_lreg(beside: Beside, tmp_path: Path) -> None:
    """What docker makes of a Dockerfile is pushed like what lreg makes of it."""
    beside.hand_over(tmp_path / "context")
