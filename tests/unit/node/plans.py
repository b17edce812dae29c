"""Plans that tests of the node's files are about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lreg.node.plan import Mechanism, NodePlan, RegistryAddress

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
UPSTREAMS = ("docker.io", "registry.k8s.io")
_ADDRESSES = {
    Mechanism.MIRROR: "http://10.0.0.1:5000",
    Mechanism.SPOOF_HTTP: "http://10.0.0.1",
    Mechanism.SPOOF_TLS: "https://10.0.0.1",
}


def plan(how: Mechanism = Mechanism.MIRROR, registry: str = "", **more: Any) -> NodePlan:
    """Return a plan: of a registry in plain HTTP at port 5000, or at the port of a spoof."""
    address = RegistryAddress.parse(registry or _ADDRESSES[how])
    trust = CA if address.tls or how is Mechanism.SPOOF_TLS else None
    usual = NodePlan(registry=address, upstreams=UPSTREAMS, mechanism=how, ca=trust)
    return replace(usual, **more)
