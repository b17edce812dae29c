"""containerd's config.toml: whether it reads the folder of hosts.toml files at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.node.doctor import hosts_toml
from lreg.node.emitters.forms import at_least
from lreg.node.merging import containerd
from lreg.node.merging.documents import meaning
from lreg.node.merging.draft import Draft
from lreg.node.paths import CONTAINERD_TOML
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

# The CRI plugin by its names in config.toml of version 1, 2 and 3.
_PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")
_K3S_FOLDERS = {
    name: f"var/lib/rancher/{name}/agent/etc/containerd/certs.d" for name in ("k3s", "rke2")
}


def troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps containerd from asking the registry; see `hosts_toml.troubles`."""
    try:
        tables = list(_registries(root, plan))
    except LregError as error:
        yield str(error)
        return
    folder = next((path for _, table in tables[::-1] if (path := table.get("config_path"))), "")
    older = next((path for path, table in tables if _is_older(table, plan)), "")
    if folder and older:
        yield (
            f"/{older}: `mirrors`, or `tls` in `configs`, beside `config_path` switches off all "
            "of CRI: take one out"
        )
    elif not folder and not older:
        yield f"/{CONTAINERD_TOML} sets no config_path for CRI: containerd reads no hosts.toml"
    elif ":" in folder:
        yield (
            f"config_path is the list {folder}: containerd 2.x takes a list for one folder where "
            "it pulls by its transfer service: name one folder"
        )
    elif folder:
        yield from hosts_toml.troubles(folder.lstrip("/"), plan, root)


def _is_older(table: Mapping[str, Any], plan: NodePlan) -> bool:
    """Return whether a table of registries has settings beside which there can't be a folder."""
    tls = containerd.has_tls(table) and at_least(plan.version, 2) is False
    return bool(table.get("mirrors")) or tls


def k3s_troubles(name: str, plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps the containerd of k3s or RKE2 from it.

    It reads what k3s makes of registries.yaml when it starts.
    """
    folder = _K3S_FOLDERS[name]
    yield from _of_rendered(f"{os.path.dirname(folder)}/config.toml", name, root)
    if not root.exists(root.resolve(folder)):
        yield f"/{folder} is not there: {name} makes it at its next start"
        return
    for trouble in hosts_toml.troubles(folder, plan, root):
        yield f"{trouble}; {name} makes that file of registries.yaml at its next start"


def _of_rendered(path: str, name: str, root: Root) -> Iterator[str]:
    try:
        values = meaning(Draft(root, {}).read(path) or "", Merge.TOML, f"/{path}")
    except LregError as error:
        yield str(error)
        return
    registry = (_cri(values) or {}).get("registry", {})
    if values and not registry.get("config_path") and not registry.get("mirrors"):
        yield f"/{path}, as {name} made it, has no registries: see config.toml.tmpl beside it"


def _registries(root: Root, plan: NodePlan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield CRI's `registry` tables that count, with their files, those that win last."""
    is_new = at_least(plan.version, 2)
    chain = containerd.chain_of(Draft(root, {}), {"version": 3 if is_new else 2})
    whole = [(path, cri) for path, values in chain.items() if (cri := _cri(values)) is not None]
    # An import of 1.x replaces the whole table of the plugin; 2.x brings tables together.
    for path, cri in whole if is_new else whole[-1:]:
        yield path, cri.get("registry", {})


def _cri(values: dict[str, Any]) -> dict[str, Any] | None:
    plugins = values.get("plugins", {})
    there = [plugins[name] for name in _PLUGINS if isinstance(plugins.get(name), dict)]
    # 2.x has the images' part of CRI in a plugin of its own.
    return next((each for each in there if "registry" in each), next(iter(there), None))
