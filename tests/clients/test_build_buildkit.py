"""`lreg build` beside BuildKit: the same Dockerfile makes the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dockerfiles import BOTH, BUILDKITS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Beside

pytestmark = pytest.mark.client("BuildKit")


@pytest.mark.parametrize("case", [*BOTH, *BUILDKITS])
def test_the_same_image(beside: Beside, tmp_path: Path, case: str) -> None:
    """Names, kinds, modes, owners, links, contents and config are those that BuildKit makes."""
    beside.compare(tmp_path / "context", case)


def test_it_builds_for_lreg(beside: Beside, tmp_path: Path) -> None:
    """What BuildKit makes of a Dockerfile is pushed like what lreg makes of it."""
    beside.hand_over(tmp_path / "context")
