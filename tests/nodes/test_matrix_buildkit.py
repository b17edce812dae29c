"""BuildKit by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import BuildKit


@pytest.mark.parametrize("patient", kinds(BuildKit), indirect=True)
class TestBuildKit(Cells):
    """A row of the matrix."""
