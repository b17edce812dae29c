"""skopeo by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Skopeo


@pytest.mark.parametrize("patient", kinds(Skopeo), indirect=True)
class TestSkopeo(Cells):
    """A row of the matrix."""
