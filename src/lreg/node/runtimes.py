"""Every runtime that lreg can tell where to look, by name."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters import (
    buildkit,
    carriers,
    containerd,
    containerd_based,
    containers_image,
    docker,
    k3s,
    kaniko,
    kubernetes,
    talos,
)
from lreg.node.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lreg.node.plan import Mechanism, NodeFile, NodePlan

__all__ = ["RUNTIMES", "Runtime", "files_for", "runtime_named"]


def _carrier(
    name: str,
    title: str,
    emit: Callable[[Runtime, NodePlan, Sequence[NodeFile]], Iterable[NodeFile]],
    needs: Mapping[Mechanism, str],
    cannot: Mapping[Mechanism, str],
) -> Runtime:
    """Return what carries the files of the runtime on the nodes, `NodePlan.inner`."""

    def emit_with_inner(plan: NodePlan) -> Iterable[NodeFile]:
        runtime = runtime_named(plan.inner)
        if not runtime.on_node:
            raise UsageError(
                f"{runtime.title} is no runtime on a node: use --node-runtime containerd, crio, "
                "docker, k3s…"
            )
        return emit(runtime, plan, files_for(runtime.name, plan))

    return Runtime(name, title, emit_with_inner, needs, cannot, on_node=False, carries=True)


_ALL = (
    containerd.CONTAINERD,
    containers_image.CRIO,
    containers_image.PODMAN,
    containers_image.BUILDAH,
    containers_image.SKOPEO,
    docker.DOCKER,
    buildkit.BUILDKIT,
    containerd_based.NERDCTL,
    k3s.K3S,
    k3s.RKE2,
    containerd_based.MICROK8S,
    talos.TALOS,
    containerd_based.KIND,
    k3s.K3D,
    _carrier(
        "minikube",
        "minikube",
        carriers.minikube,
        carriers.MINIKUBE_NEEDS,
        carriers.MINIKUBE_CANNOT,
    ),
    kaniko.KANIKO,
    _carrier(
        "cloud-init",
        "cloud-init",
        carriers.cloud_init,
        carriers.CLOUD_INIT_NEEDS,
        carriers.CLOUD_INIT_CANNOT,
    ),
    _carrier(
        "kubernetes", "Kubernetes", kubernetes.kubernetes, kubernetes.NEEDS, kubernetes.CANNOT
    ),
    _carrier(
        "kubernetes-undo",
        "Kubernetes, taken back",
        kubernetes.kubernetes_undo,
        kubernetes.UNDO_NEEDS,
        {},
    ),
)
RUNTIMES: Mapping[str, Runtime] = MappingProxyType({each.name: each for each in _ALL})


def runtime_named(name: str) -> Runtime:
    """Return the runtime; raise UsageError naming the nearest."""
    if name not in RUNTIMES:
        near = difflib.get_close_matches(name, RUNTIMES, n=1, cutoff=0)[0]
        raise UsageError(
            f"there is no runtime {name!r}; the nearest is {near!r}, "
            "`lreg node emit --list` has them all"
        )
    return RUNTIMES[name]


def files_for(name: str, plan: NodePlan) -> tuple[NodeFile, ...]:
    """Return the files that tell a runtime's node what the plan says.

    Args:
        name: the runtime's, of `RUNTIMES`.
        plan: what the node is to be told.

    Raises:
        UsageError: there is no such runtime, or it can't be told that; says why and what works.
    """
    runtime = runtime_named(name)
    if plan.mechanism not in runtime.needs:
        others = " or ".join(how.value for how in runtime.needs)
        why = runtime.cannot[plan.mechanism]
        raise UsageError(
            f"{runtime.title} by {plan.mechanism.value}: {why}: use --mechanism {others}"
        )
    if not runtime.on_node and plan.registry.ip and plan.registry.ip.is_loopback:
        raise UsageError(
            f"on a node {plan.registry.host} is the node itself: say by --registry where it "
            "reaches lreg, which has to listen there"
        )
    return tuple(runtime.emit(plan))
