"""Whether a registry would be asked through a proxy: there its name means the internet."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING

from lreg.node.plan import Mechanism

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.node.plan import NodePlan


def proxied(plan: NodePlan, environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the variable that sends requests to a proxy, and the registry's hosts that it does so.

    As Go's programs do it (golang.org/x/net/http/httpproxy); hosts is empty where none is proxied.

    Args:
        plan: what the node is told.
        environment: of the program that asks.
    """
    spoofed = plan.mechanism.spoofs
    tls = plan.mechanism is Mechanism.SPOOF_TLS if spoofed else plan.endpoint.tls
    name = "HTTPS_PROXY" if tls else "HTTP_PROXY"
    if not (environment.get(name) or environment.get(name.lower())):
        return name, ()
    left_out = environment.get("NO_PROXY") or environment.get("no_proxy", "")
    patterns = [each.strip().lower() for each in left_out.split(",") if each.strip()]
    hosts = plan.spoofed if spoofed else (plan.endpoint.host,)
    port = plan.registry.port
    found = (host for host in hosts if not any(_is_meant(host, port, each) for each in patterns))
    return name, tuple(host for host in found if not _is_here(host))


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_meant(host: str, port: int, pattern: str) -> bool:
    """Return whether an entry of NO_PROXY means a host, at that port."""
    if pattern == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    name, colon, wanted = pattern.rpartition(":")
    if colon and wanted.isdigit():
        return wanted == str(port) and _is_meant(host, port, name.strip("[]"))
    domain = pattern.removeprefix("*")
    return host == domain or host.endswith(f".{domain.removeprefix('.')}")
