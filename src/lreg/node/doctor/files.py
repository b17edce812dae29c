"""Whether a node's files say what it is to be told, in the form that its runtime heeds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.node import record
from lreg.node.doctor import containerd, containers_image, docker
from lreg.node.doctor.finding import Finding, bad, good
from lreg.node.overruled import obstacles
from lreg.node.preparing import prepare
from lreg.node.runtimes import RUNTIMES, files_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

K3S = frozenset({"k3s", "rke2"})
_READERS = {
    "containerd": containerd.troubles,
    "crio": containers_image.crio_troubles,
    "podman": containers_image.troubles,
    "buildah": containers_image.troubles,
    "skopeo": containers_image.troubles,
    "docker": docker.troubles,
}


def check(name: str, plan: NodePlan, root: Root, version: str) -> Iterator[Finding]:
    """Tell what is wrong with the files of a node.

    Args:
        name: the runtime's.
        plan: what it is to be told; its version is the one that is installed.
        root: the node's.
        version: of what reads the files: of containerd, where k3s has one of its own.
    """
    try:
        files = files_for(name, plan)
    except UsageError as error:
        yield bad("files", f"this can't work: {error}", "choose what works, and apply that")
        return
    apply = f"`lreg node apply {name}`, then reload or restart it"
    found = list[Finding]()
    try:
        there = obstacles(name, plan, files, root)
        found += (bad("files", each.said, each.mend) for each in there)
    except LregError as error:
        found.append(bad("files", str(error), apply))
    troubles = (*_changed(name, root), *_troubles(name, replace(plan, version=version), root))
    found += (bad("files", said, apply) for said in troubles)
    yield from found
    if not found:
        yield good("files", f"what {RUNTIMES[name].title} {version} reads leads to lreg")


def _changed(name: str, root: Root) -> Iterator[str]:
    """Yield what is not any more as `lreg node apply` left it."""
    known = record.load(root)
    if name not in known.runtimes:
        return
    try:
        prepared = prepare(root, known, known.runtimes)
    except LregError as error:
        yield str(error)
        return
    for change in prepared.changes:
        yield f"/{change.path} is not as `lreg node apply` left it"


def _troubles(name: str, plan: NodePlan, root: Root) -> Iterator[str]:
    if name in K3S:
        yield from containerd.k3s_troubles(name, plan, root)
    elif reader := _READERS.get(name):
        yield from reader(plan, root)
