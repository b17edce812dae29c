"""Talos: a patch of its machine configuration, in the form of its version."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from lreg.node.emitters.forms import at_least, endpoints, refuse_ipv6_mirror, trusted_hosts
from lreg.node.emitters.yaml import to_yaml
from lreg.node.plan import Mechanism, NodeFile
from lreg.node.runtime import Runtime, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_HAS_CONTAINERD_2 = (1, 9)
_HAS_DOCUMENTS = (1, 12)


def talos(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the patch; raise UsageError for an IPv6 mirror that its containerd can't have."""
    refuse_ipv6_mirror(plan, understood=at_least(plan.version, *_HAS_CONTAINERD_2))
    documents = _documents(plan) if at_least(plan.version, *_HAS_DOCUMENTS) else [_machine(plan)]
    yield NodeFile("talos.yaml", to_yaml(*documents))


def _skips(plan: NodePlan, host: str) -> bool:
    # Nothing but lreg answers for a spoofed name, nor for the registry's own.
    return plan.mechanism.spoofs or not plan.fallback or host == plan.endpoint.image_host


def _machine(plan: NodePlan) -> dict[str, Any]:
    """Return the form of all versions up to 1.11, which later ones still take."""
    mirrors = {
        host: {"endpoints": [url], **({"skipFallback": True} if _skips(plan, host) else {})}
        for host, url in endpoints(plan).items()
    }
    registries: dict[str, Any] = {"mirrors": mirrors}
    if plan.ca is not None and (hosts := trusted_hosts(plan)):
        ca = base64.b64encode(plan.ca.encode()).decode()
        registries["config"] = {host: {"tls": {"ca": ca}} for host in hosts}
    machine: dict[str, Any] = {"registries": registries}
    if plan.hosts:
        entry = {"ip": plan.registry.host, "aliases": list(plan.hosts)}
        machine["network"] = {"extraHostEntries": [entry]}
    return {"machine": machine}


def _documents(plan: NodePlan) -> list[dict[str, Any]]:
    """Return the form of 1.12 and later: a document a thing."""
    documents: list[dict[str, Any]] = []
    for host, url in endpoints(plan).items():
        mirror = _document("RegistryMirrorConfig", host, endpoints=[{"url": url}])
        documents.append({**mirror, "skipFallback": True} if _skips(plan, host) else mirror)
    documents += (_document("RegistryTLSConfig", host, ca=plan.ca) for host in trusted_hosts(plan))
    if plan.hosts:
        address = plan.registry.host
        documents.append(_document("StaticHostConfig", address, hostnames=list(plan.hosts)))
    return documents


def _document(kind: str, name: str, **values: Any) -> dict[str, Any]:
    return {"apiVersion": "v1alpha1", "kind": kind, "name": name, **values}


_PATCH = "`talosctl patch machineconfig --patch @talos.yaml` on each node"

TALOS = Runtime(
    name="talos",
    title="Talos Linux",
    emit=talos,
    needs=needing(_PATCH),
    cannot={Mechanism.MIRROR: "before 1.9: an IPv6 address (--registry-name gives it a name)"},
    on_node=False,
)
