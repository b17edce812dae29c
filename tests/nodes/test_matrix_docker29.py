"""Docker Engine 29 with its containerd image store, by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Docker29


@pytest.mark.parametrize("patient", kinds(Docker29), indirect=True)
class TestDocker29(Cells):
    """A row of the matrix."""
