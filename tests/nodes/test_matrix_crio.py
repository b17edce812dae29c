"""CRI-O by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Crio


@pytest.mark.parametrize("patient", kinds(Crio), indirect=True)
class TestCrio(Cells):
    """A row of the matrix."""
