"""podman by every way that can work: see cells.py."""

import pytest

from tests.nodes.cells import Cells
from tests.nodes.patients import kinds
from tests.nodes.runtimes import Podman


@pytest.mark.parametrize("patient", kinds(Podman), indirect=True)
class TestPodman(Cells):
    """A row of the matrix."""
