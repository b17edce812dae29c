"""Docker Engine by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Docker


@pytest.mark.parametrize("patient", kinds(Docker), indirect=True)
class TestDocker(Cells):
    """A row of the matrix."""
