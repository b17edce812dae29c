"""Nodes to apply to: folders with the files of people, and what there is in them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lreg.node import apply as applying
from lreg.node import undo as undoing
from lreg.node.plan import Mechanism, Merge, NodeFile, NodePlan, RegistryAddress
from lreg.node.record import FOLDER, Applied
from lreg.node.rooted import Root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lreg.node.preparing import Prepared

PLAN = NodePlan(registry=RegistryAddress.parse("10.0.0.1:5000"), upstreams=("docker.io",))
DAEMON_JSON = "etc/docker/daemon.json"
HOSTS = "etc/hosts"


REGISTRIES = {
    Mechanism.MIRROR: "http://10.0.0.1:5000",
    Mechanism.SPOOF_HTTP: "http://10.0.0.1:80",
    Mechanism.SPOOF_TLS: "https://10.0.0.1:443",
}


def plan(
    *upstreams: str, mechanism: Mechanism = Mechanism.MIRROR, ca: str | None = None
) -> NodePlan:
    """A plan for a registry at 10.0.0.1."""
    return NodePlan(
        registry=RegistryAddress.parse(REGISTRIES[mechanism]),
        upstreams=upstreams or PLAN.upstreams,
        mechanism=mechanism,
        ca=ca,
    )


def mirror_json(url: str = "http://10.0.0.1:5000") -> NodeFile:
    """A daemon.json that names a mirror."""
    return NodeFile(DAEMON_JSON, f'{{"registry-mirrors": ["{url}"]}}\n', Merge.JSON)


def make(root: Path, files: Mapping[str, str | bytes]) -> Root:
    """Make a node with these files."""
    for path, content in {"var/lib/dpkg/status": "", **files}.items():
        where = root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content.encode() if isinstance(content, str) else content)
    return Root(root)


def survey(root: Root) -> dict[str, object]:
    """Everything that is in a node: kinds, permissions, owners, contents; not lreg's record."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root.folder):
        if os.path.relpath(folder, root.folder) == os.path.dirname(FOLDER):
            folders[:] = [name for name in folders if name != os.path.basename(FOLDER)]
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            about = (stat.filemode(status.st_mode), status.st_uid, status.st_gid)
            found[os.path.relpath(path, root.folder)] = (*about, _content(path))
    return found


def _content(path: str) -> str | bytes:
    if os.path.islink(path):
        return os.readlink(path)
    if os.path.isdir(path):
        return ""
    with open(path, "rb") as file:
        return file.read()


def apply(root: Root, *files: NodeFile, name: str = "docker", told: NodePlan = PLAN) -> Prepared:
    """Apply files by hand."""
    return applying.apply(root, name, Applied(told, files), lambda _: None)


def undo(root: Root, name: str | None = None, *, force: bool = False) -> Prepared:
    """Take back what was applied."""
    return undoing.undo(root, name, lambda _: None, force=force)
