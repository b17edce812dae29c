"""containerd 2.x by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Containerd2


@pytest.mark.parametrize("patient", kinds(Containerd2), indirect=True)
class TestContainerd2(Cells):
    """A row of the matrix."""
