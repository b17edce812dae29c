"""Talos: a patch of its machine configuration, in the form of its version."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from lreg.node.emitters.forms import at_least, refuse_ipv6_mirror, spoofed_server
from lreg.node.emitters.yaml import to_yaml
from lreg.node.plan import Mechanism, NodeFile
from lreg.node.runtime import Runtime

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


def _endpoints(plan: NodePlan) -> dict[str, str]:
    spoofs, own = plan.mechanism.spoofs, plan.endpoint
    urls = {host: spoofed_server(plan, host) if spoofs else own.url for host in plan.upstreams}
    return {**urls, own.image_host: own.url}


def _encrypted(plan: NodePlan) -> list[str]:
    """Return the hosts that are asked in TLS and show a certificate of lreg's CA."""
    if plan.ca is None:
        return []
    urls = _endpoints(plan).values()
    return sorted({url.removeprefix("https://") for url in urls if url.startswith("https://")})


def _skips(plan: NodePlan, host: str) -> bool:
    # Nothing but lreg answers for a spoofed name, nor for the registry's own.
    return plan.mechanism.spoofs or not plan.fallback or host == plan.endpoint.image_host


def _machine(plan: NodePlan) -> dict[str, Any]:
    """Return the form of all versions up to 1.11, which later ones still take."""
    mirrors = {
        host: {"endpoints": [url], **({"skipFallback": True} if _skips(plan, host) else {})}
        for host, url in _endpoints(plan).items()
    }
    registries: dict[str, Any] = {"mirrors": mirrors}
    if (hosts := _encrypted(plan)) and plan.ca is not None:
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
    for host, url in _endpoints(plan).items():
        mirror = _document("RegistryMirrorConfig", host, endpoints=[{"url": url}])
        documents.append({**mirror, "skipFallback": True} if _skips(plan, host) else mirror)
    documents += (_document("RegistryTLSConfig", host, ca=plan.ca) for host in _encrypted(plan))
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
    needs={
        Mechanism.MIRROR: _PATCH,
        Mechanism.SPOOF_HTTP: f"lreg on port 80; {_PATCH}",
        Mechanism.SPOOF_TLS: f"lreg on port 443 and its CA; {_PATCH}",
    },
    cannot={Mechanism.MIRROR: "before 1.9: an IPv6 address (--registry-name gives it a name)"},
    on_node=False,
)
