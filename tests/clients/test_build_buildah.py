"""`lreg build` beside buildah: the same Dockerfile makes the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.builders import Buildah
from tests.support.dockerfiles import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Beside

pytestmark = pytest.mark.client("buildah")


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    """The buildah."""
    return Buildah(tmp_path_factory.mktemp("buildah") / "b")


@pytest.mark.parametrize("case", BOTH)
def test_the_same_image(beside: Beside, tmp_path: Path, case: str) -> None:
    """Names, kinds, modes, owners, links, contents and config are those that buildah makes."""
    beside.compare(tmp_path / "context", case)


def test_it_builds_for_lreg(beside: Beside, tmp_path: Path) -> None:
    """What buildah makes of a Dockerfile is pushed like what lreg makes of it."""
    beside.hand_over(tmp_path / "context")
