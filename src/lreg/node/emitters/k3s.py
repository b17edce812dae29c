"""k3s, RKE2 and k3d: `registries.yaml` (k3s docs, "Private Registry Configuration")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.node.emitters.forms import at_least, ca_file, endpoints, refuse_ipv6_mirror, trusted_hosts
from lreg.node.emitters.yaml import to_yaml
from lreg.node.hosts import hosts_file
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import Runtime, always, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_NO_DEFAULT = "disable-default-registry-endpoint"
# The first minor release that has it in all its patch releases, and one of which containerd is 2.
_KNOWS_NO_DEFAULT = (1, 30)
_HAS_CONTAINERD_2 = (1, 33)
_CA = "etc/rancher/k3s/lreg-ca.crt"


def k3s(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for what its version can't do."""
    yield from _files(plan, "etc/rancher/k3s")


def rke2(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for what its version can't do."""
    yield from _files(plan, "etc/rancher/rke2")


def _files(plan: NodePlan, folder: str) -> Iterator[NodeFile]:
    ca = f"{folder}/lreg-ca.crt"
    text = to_yaml(registries_yaml(plan, ca))
    yield NodeFile(f"{folder}/registries.yaml", text, Merge.YAML)
    if _only_lreg(plan):
        yield NodeFile(f"{folder}/config.yaml.d/50-lreg.yaml", to_yaml({_NO_DEFAULT: True}))
    yield from ca_file(plan, ca)
    yield from hosts_file(plan)


def registries_yaml(plan: NodePlan, ca: str) -> dict[str, Any]:
    """Return what `registries.yaml` is to say.

    Args:
        plan: what is to be told.
        ca: where the CA lies, relative to the node's root.

    Raises:
        UsageError: its version takes no IPv6 address, or can't do without the internet.
    """
    refuse_ipv6_mirror(plan, understood=at_least(plan.version, *_HAS_CONTAINERD_2))
    if _only_lreg(plan) and at_least(plan.version, *_KNOWS_NO_DEFAULT) is False:
        raise UsageError(
            f"{plan.version} always asks the internet too: use --mechanism spoof-http or "
            "spoof-tls, or 1.30 or later"
        )
    registries: dict[str, Any] = {
        "mirrors": {host: {"endpoint": [url]} for host, url in endpoints(plan).items()}
    }
    if hosts := trusted_hosts(plan):
        registries["configs"] = {host: {"tls": {"ca_file": f"/{ca}"}} for host in hosts}
    return registries


def _only_lreg(plan: NodePlan) -> bool:
    return plan.mechanism is Mechanism.MIRROR and not plan.fallback


def k3d(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield k3d's cluster file; raise UsageError for what its k3s can't do."""
    everywhere = ["server:*", "agent:*"]
    cluster: dict[str, Any] = {
        "apiVersion": "k3d.io/v1alpha5",
        "kind": "Simple",
        "registries": {"config": to_yaml(registries_yaml(plan, _CA))},
    }
    if plan.hosts:
        cluster["hostAliases"] = [{"ip": plan.registry.host, "hostnames": list(plan.hosts)}]
    if plan.ca is not None:
        trust = {"source": plan.ca, "destination": f"/{_CA}", "nodeFilters": everywhere}
        cluster["files"] = [{"description": "The CA of lreg", **trust}]
    if _only_lreg(plan):
        argument = {"arg": f"--{_NO_DEFAULT}", "nodeFilters": everywhere}
        cluster["options"] = {"k3s": {"extraArgs": [argument]}}
    yield NodeFile("k3d.yaml", to_yaml(cluster))


_OLD = "before 1.33: an IPv6 address (--registry-name gives it a name)"
_NEEDS = "a restart of its service, on each node"

_RESTART_K3S = (("systemctl", "try-restart", "k3s.service", "k3s-agent.service"),)
_RESTART_RKE2 = (("systemctl", "try-restart", "rke2-server.service", "rke2-agent.service"),)

K3S = Runtime(
    name="k3s",
    title="k3s",
    emit=k3s,
    needs=needing(_NEEDS),
    cannot={Mechanism.MIRROR: f"{_OLD}; before 1.30: --no-fallback"},
    reload=always(_RESTART_K3S),
    restart=_RESTART_K3S,
)
RKE2 = Runtime(
    name="rke2",
    title="RKE2",
    emit=rke2,
    needs=K3S.needs,
    cannot=K3S.cannot,
    reload=always(_RESTART_RKE2),
    restart=_RESTART_RKE2,
)
_CREATE = "a cluster made anew: `k3d cluster create --config k3d.yaml`, k3d 5.8 or later with a CA"
K3D = Runtime(
    name="k3d",
    title="k3d",
    emit=k3d,
    needs=needing(_CREATE),
    cannot={Mechanism.MIRROR: f"k3s {_OLD}"},
    on_node=False,
)
