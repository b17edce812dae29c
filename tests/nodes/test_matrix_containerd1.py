"""containerd 1.x by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Containerd1


@pytest.mark.parametrize("patient", kinds(Containerd1), indirect=True)
class TestContainerd1(Cells):
    """A row of the matrix."""
