"""`lreg build` beside BuildKit: what BuildKit has beyond the classic builder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.features import FEATURES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Beside

pytestmark = pytest.mark.client("BuildKit")


@pytest.mark.parametrize("case", FEATURES)
def test_the_same_image(beside: Beside, tmp_path: Path, case: str) -> None:
    """Names, kinds, modes, owners, links, contents and config are those that BuildKit makes."""
    beside.compare(tmp_path / "context", case)
