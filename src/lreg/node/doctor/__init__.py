"""The doctor: whether this node's runtime really pulls from the registry, and if not, why."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.node.doctor import canaries, files, network
from lreg.node.doctor.finding import Finding, bad, good
from lreg.node.installed import installed_version
from lreg.node.runtimes import RUNTIMES, files_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.doctor.engines import Engine
    from lreg.node.doctor.witness import Witness
    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

__all__ = ["Finding", "examine"]


def examine(
    name: str, plan: NodePlan, engine: Engine, witness: Witness, root: Root, seconds: float
) -> Iterator[Finding]:
    """Check a node; yield what each check found, as it is found.

    Args:
        name: the runtime's, of `engines.NAMES`.
        plan: what the node was told, or is to be told.
        engine: the runtime.
        witness: the registry.
        root: the node's root.
        seconds: how long one pull may take.

    Raises:
        LregError: the record of what the node was told can't be read.
    """
    title = RUNTIMES[name].title
    try:
        version = engine.version()
    except LregError as error:
        yield bad("runtime", f"{title} does not answer: {error}", "start it")
        return
    yield good("runtime", f"{title} {version}".rstrip())
    # The containerd of k3s tells its own version, and k3s' forms go by that of k3s.
    own = installed_version(name) if name in files.K3S else version
    plan = replace(plan, version=own or plan.version)
    yield from files.check(name, plan, root, version)
    yield from network.names(plan)
    yield from network.registry(plan, witness)
    with contextlib.suppress(UsageError):  # said with the files
        yield from network.tls(plan, files_for(name, plan), root)
    network.wait_for_names(root)
    yield from canaries.pulled(engine, plan.upstreams, witness, seconds)
