"""`lreg node doctor` on nodes with spoofed names: what was told is green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.node.plan import Mechanism
from tests.nodes.patients import AMPLE

if TYPE_CHECKING:
    from tests.nodes.patients import Patient

pytestmark = pytest.mark.client("namespaces")


def test_spoofed_names_that_are_well(patient: Patient) -> None:
    """A node whose names mean lreg is green throughout: names, certificates, pulls in TLS."""
    patient.told(Mechanism.SPOOF_TLS)
    examined = patient.examined(seconds=AMPLE)
    assert examined.all_red == []
    assert len(examined.green("names")) == len(examined.green("tls")) == 4
    pulls = examined.green("pull")
    assert ["by Host, in TLS, from" in each for each in pulls] == [True, True]
    assert all(patient.runtime.node.addresses[0] in each for each in pulls)
