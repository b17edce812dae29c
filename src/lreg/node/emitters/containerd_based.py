"""What has a containerd of its own or reads its files: nerdctl, microk8s, kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lreg.node.emitters.containerd import CA, CRI_1
from lreg.node.emitters.forms import at_least
from lreg.node.emitters.hosts_toml import certs_d
from lreg.node.emitters.yaml import to_yaml
from lreg.node.hosts import BEGIN, END, hosts_block, hosts_file
from lreg.node.paths import CONTAINERD_CERTS
from lreg.node.plan import Mechanism, NodeFile
from lreg.node.runtime import Runtime, always, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_MICROK8S = "var/snap/microk8s/current/args"
# From this kind on its nodes look into certs.d by themselves, and have containerd 2.x.
_KIND_LOOKS = (0, 27)
_KIND_NODE = "node"


def nerdctl(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for an IPv6 mirror that it can't have."""
    yield from certs_d(plan, CONTAINERD_CERTS, CA, ipv6=at_least(plan.version, 2))
    yield from hosts_file(plan)


def microk8s(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for an IPv6 mirror that falls back."""
    ca = f"{_MICROK8S}/lreg-ca.crt"
    yield from certs_d(plan, f"{_MICROK8S}/certs.d", ca, ipv6=False)
    yield from hosts_file(plan)


def kind(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the cluster's file, the nodes' files that it mounts, and a script for their hosts.

    Raises:
        UsageError: its containerd can't have an IPv6 mirror.
    """
    looks = at_least(plan.version, *_KIND_LOOKS)
    nodes = tuple(certs_d(plan, CONTAINERD_CERTS, CA, ipv6=looks))
    mounts = [_mount(CONTAINERD_CERTS)] + (
        [_mount(CA)] if any(file.path == CA for file in nodes) else []
    )
    cluster: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraMounts": mounts}],
    }
    if not looks:
        cluster["containerdConfigPatches"] = [CRI_1]
    yield NodeFile("kind.yaml", to_yaml(cluster))
    for file in nodes:
        yield NodeFile(f"{_KIND_NODE}/{file.path}", file.text)
    if plan.hosts:
        block = hosts_block(plan.hosts, plan.registry.host)
        script = _KIND_HOSTS.format(begin=BEGIN, end=END, block=block)
        yield NodeFile("kind-hosts.sh", script, mode=0o755)


def _mount(path: str) -> dict[str, Any]:
    return {"hostPath": f"./{_KIND_NODE}/{path}", "containerPath": f"/{path}", "readOnly": True}


# A node's /etc/hosts is a mount: it can only be written in place.
_KIND_HOSTS = """\
#!/bin/sh
# kind-hosts.sh [--name CLUSTER]: the nodes of a kind cluster find lreg under these names.
set -eu
nodes=$(kind get nodes "$@")
[ "$nodes" ] || exit 1
for node in $nodes; do
  docker exec -i "$node" sh -c '
    others=$(sed "/^{begin}$/,/^{end}$/d" /etc/hosts)
    {{ printf "%s\\n" "$others"; cat; }} >/etc/hosts' <<'EOF'
{block}EOF
done
"""


_IPV6 = "an IPv6 address with fallback (--registry-name gives it a name)"

NERDCTL = Runtime(
    name="nerdctl",
    title="nerdctl",
    emit=nerdctl,
    needs=needing("to be run as root: without, it reads ~/.config/containerd/certs.d"),
    cannot={Mechanism.MIRROR: f"1.x: {_IPV6}"},
)
_RESTART_MICROK8S = (("snap", "restart", "microk8s"),)
MICROK8S = Runtime(
    name="microk8s",
    title="MicroK8s",
    emit=microk8s,
    needs=needing("a restart of microk8s"),
    cannot={Mechanism.MIRROR: _IPV6},
    reload=always(_RESTART_MICROK8S),
    restart=_RESTART_MICROK8S,
)
KIND = Runtime(
    name="kind",
    title="kind",
    emit=kind,
    needs={
        Mechanism.MIRROR: "a cluster made anew, in the folder of the files: "
        "`kind create cluster --config kind.yaml`; the same extraMounts for every node",
        Mechanism.SPOOF_HTTP: "lreg on port 80; the same, and then kind-hosts.sh",
        Mechanism.SPOOF_TLS: "lreg on port 443 and its CA; the same, and then kind-hosts.sh",
    },
    cannot={Mechanism.MIRROR: f"before 0.27: {_IPV6}"},
    on_node=False,
)
