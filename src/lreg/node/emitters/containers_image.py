"""CRI-O, podman, buildah, skopeo: registries.conf (containers-registries.conf(5)), certs.d."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters.forms import at_least, ca_by_host, listed, quoted
from lreg.node.hosts import hosts_file
from lreg.node.paths import CRIO_CONF, REGISTRIES_CONF
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import Runtime, always, needing
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_REGISTRIES = f"{REGISTRIES_CONF}.d/50-lreg.conf"
_CERTS = "etc/containers/certs.d"
_CRIO_DROP_IN = f"{CRIO_CONF}.d/50-lreg.conf"


def podman(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for an IPv6 mirror."""
    yield NodeFile(_REGISTRIES, _search(plan) + _tables(plan), Merge.TOML)
    yield from ca_by_host(plan, _CERTS)
    yield from hosts_file(plan)


def crio(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files, before 1.21 with crio.conf; raise UsageError for an IPv6 mirror."""
    if at_least(plan.version, 1, 21) is False:
        yield from _old_crio(plan)
        return
    # Newer ones refuse a short name that two registries may mean, whatever registries.conf says.
    yield NodeFile(_CRIO_DROP_IN, '[crio.image]\nshort_name_mode = "disabled"\n')
    yield from podman(plan)


def _old_crio(plan: NodePlan) -> Iterator[NodeFile]:
    if plan.mechanism is Mechanism.MIRROR and not at_least(plan.version, 1, 18):
        raise UsageError(
            f"CRI-O {plan.version} knows no mirrors: use --mechanism spoof-http, or 1.18 or later"
        )
    yield NodeFile(CRIO_CONF, _crio_conf(plan), Merge.TOML)
    if plan.mechanism is Mechanism.MIRROR:
        yield NodeFile(_REGISTRIES, _tables(plan), Merge.TOML)
    yield from ca_by_host(plan, _CERTS)
    yield from hosts_file(plan)


def _crio_conf(plan: NodePlan) -> str:
    insecure = []
    if not plan.endpoint.tls:
        # A network means what names resolve to.
        networks = [str(ipaddress.ip_network(plan.registry.host))] if plan.registry.ip else []
        insecure = [plan.endpoint.image_host, *networks]
    if plan.mechanism is Mechanism.SPOOF_HTTP:
        insecure += plan.upstreams
    return (
        "[crio.image]\n"
        "# TLS is not asked of these.\n"
        f"insecure_registries = {_lines(insecure)}\n\n"
        "# Where a name without a registry is looked for, in this order.\n"
        f"registries = {_lines(searched(plan))}\n"
    )


def _lines(texts: list[str]) -> str:
    inner = ",\n".join(f" {quoted(text)}" for text in texts)
    return f"[\n{inner}\n]" if texts else "[]"


def searched(plan: NodePlan) -> list[str]:
    """Return where short names are looked for; an IPv6 address would break the whole file."""
    own = [] if plan.endpoint.is_ipv6 else [plan.endpoint.image_host]
    return [*own, DOCKER_HUB]


def _search(plan: NodePlan) -> str:
    # With two registries "enforcing" fails where there is no terminal to ask at.
    return (
        f'unqualified-search-registries = {listed(searched(plan))}\nshort-name-mode = "disabled"\n'
    )


def _tables(plan: NodePlan) -> str:
    if plan.endpoint.is_ipv6 and plan.mechanism is Mechanism.MIRROR:
        raise UsageError(
            "registries.conf can't have an IPv6 address, it breaks every pull: give lreg a name "
            "in /etc/hosts by --registry-name"
        )
    own = not plan.endpoint.tls and not plan.endpoint.is_ipv6
    tables = [_insecure(plan.endpoint.image_host)] if own else []
    if plan.mechanism is Mechanism.SPOOF_HTTP:
        tables += map(_insecure, plan.upstreams)
    elif plan.mechanism is Mechanism.MIRROR:
        tables += (_mirrored(plan, host) for host in plan.upstreams)
    return "".join(tables)


def _insecure(location: str) -> str:
    return f"\n[[registry]]\nlocation = {quoted(location)}\ninsecure = true\n"


def _mirrored(plan: NodePlan, host: str) -> str:
    lines = ["", "[[registry]]", f"prefix = {quoted(host)}", f"location = {quoted(host)}"]
    if not plan.fallback:
        lines += ["blocked = true"]
    lines += ["[[registry.mirror]]", f"location = {quoted(plan.location(host))}"]
    if not plan.endpoint.tls:
        # A mirror inherits nothing of its registry.
        lines += ["insecure = true"]
    return "".join(f"{line}\n" for line in lines)


_NO_IPV6 = "an IPv6 address (--registry-name gives it a name); fallback for a blob that is missing"
_RESTART = "one restart, for crio.conf.d; a reload for registries.conf.d"


def _tool(name: str) -> Runtime:
    return Runtime(
        name=name,
        title=name,
        emit=podman,
        needs=needing("nothing more: every call reads its files"),
        cannot={Mechanism.MIRROR: _NO_IPV6},
    )


CRIO = Runtime(
    name="crio",
    title="CRI-O",
    emit=crio,
    needs=needing(_RESTART),
    cannot={Mechanism.MIRROR: _NO_IPV6},
    reload=always((("systemctl", "restart", "crio"),)),
    restart=(("systemctl", "restart", "crio"),),
)
PODMAN, BUILDAH, SKOPEO = map(_tool, ("podman", "buildah", "skopeo"))
