"""Every runtime that lreg can tell where to look, by name."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters import containerd, containers_image, docker
from lreg.node.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.node.plan import NodeFile, NodePlan

__all__ = ["RUNTIMES", "Runtime", "files_for", "runtime_named"]

RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {
        each.name: each
        for each in (
            containerd.CONTAINERD,
            containers_image.CRIO,
            containers_image.PODMAN,
            containers_image.BUILDAH,
            containers_image.SKOPEO,
            docker.DOCKER,
        )
    }
)


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
    return tuple(runtime.emit(plan))
