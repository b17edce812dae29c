"""containerd's config.toml: whether it reads the folder of hosts.toml files at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.node.doctor import hosts_toml
from lreg.node.emitters.forms import at_least
from lreg.node.merging.documents import meaning
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

_CONFIG = "etc/containerd/config.toml"
# The CRI plugin by its names in config.toml of version 1, 2 and 3.
_PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")
_K3S_FOLDERS = {
    name: f"var/lib/rancher/{name}/agent/etc/containerd/certs.d" for name in ("k3s", "rke2")
}


def troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps containerd from asking the registry; see `hosts_toml.troubles`."""
    try:
        tables = list(_registries(root, plan))
    except (LregError, UnicodeDecodeError) as error:
        yield str(error)
        return
    folder = ""
    for path, table in tables:
        folder = table.get("config_path") or folder
        if table.get("config_path") and table.get("mirrors"):
            yield (f"/{path}: `mirrors` beside `config_path` switches off all of CRI: take one out")
            return
    if not folder:
        if not any(table.get("mirrors") for _, table in tables):
            yield f"/{_CONFIG} sets no config_path for CRI: containerd reads no hosts.toml"
        return
    if ":" in folder:
        yield (
            f"config_path is the list {folder}: containerd 2.x takes a list for one folder where "
            "it pulls by its transfer service: name one folder"
        )
        return
    yield from hosts_toml.troubles(folder.lstrip("/"), plan, root)


def k3s_troubles(name: str, plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps the containerd of k3s or RKE2 from it.

    It reads what k3s makes of registries.yaml when it starts.
    """
    folder = _K3S_FOLDERS[name]
    if not root.exists(root.resolve(folder)):
        yield f"/{folder} is not there: {name} makes it at its next start"
        return
    for trouble in hosts_toml.troubles(folder, plan, root):
        yield f"{trouble}; {name} makes that file of registries.yaml at its next start"


def _registries(root: Root, plan: NodePlan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield CRI's `registry` tables that count, with their files, those that win last."""
    main = _values(root, _CONFIG)
    found = [(_CONFIG, main)]
    for pattern in main.get("imports", []):
        absolute = os.path.join("/", os.path.dirname(_CONFIG), pattern)
        found += [(path, _values(root, path)) for path in root.glob(absolute)]
    whole = [(path, cri) for path, values in found if (cri := _cri(values)) is not None]
    # An import of 1.x replaces the whole table of the plugin; 2.x brings tables together.
    for path, cri in whole if at_least(plan.version, 2) else whole[-1:]:
        yield path, cri.get("registry", {})


def _cri(values: dict[str, Any]) -> dict[str, Any] | None:
    plugins = values.get("plugins", {})
    there = [plugins[name] for name in _PLUGINS if isinstance(plugins.get(name), dict)]
    # 2.x has the images' part of CRI in a plugin of its own.
    return next((each for each in there if "registry" in each), next(iter(there), None))


def _values(root: Root, path: str) -> dict[str, Any]:
    content = root.read(root.resolve(path)) or b""
    return meaning(content.decode(), Merge.TOML, f"/{path}")
