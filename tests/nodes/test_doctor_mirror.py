"""`lreg node doctor` on nodes with mirrors: what `lreg node apply` told is green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.node.plan import Mechanism
from tests.nodes.patients import AMPLE

if TYPE_CHECKING:
    from tests.nodes.patients import Patient

pytestmark = pytest.mark.client("namespaces")


def test_mirrors_that_are_well(patient: Patient) -> None:
    """A node told of mirrors is green throughout; every pull came from it; it keeps no canary."""
    patient.told(Mechanism.MIRROR)
    examined = patient.examined(seconds=AMPLE)
    assert examined.all_red == []
    assert len(examined.green("pull")) == len(patient.hosts(Mechanism.MIRROR))
    assert all(patient.runtime.node.addresses[0] in each for each in examined.green("pull"))
    assert len(examined.green("files")) == len(examined.green("clock")) == 1
    assert examined.green("names") == examined.green("tls") == []
    assert not patient.holds("lreg-canary")
