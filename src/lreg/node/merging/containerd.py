"""containerd's config.toml: its versions, its imports, and where its owner keeps hosts."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import tomlkit

from lreg.node.merging import legacy_mirrors
from lreg.node.merging.documents import meaning
from lreg.node.paths import CONTAINERD_CERTS, CONTAINERD_TOML
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.node.merging.draft import Draft
    from lreg.node.plan import NodeFile

_HOSTS_FOLDER = f"/{CONTAINERD_CERTS}"
_CRI = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")
_TRANSFER = "io.containerd.transfer.v1.local"


def settled(files: Iterable[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files in the form that this node's containerd heeds, beside what it has.

    The settings go into the file that has the last word on them, in the keys of its version; files
    of hosts go into the folder that is in use; a node with older settings, which have no
    config_path beside them, gets more of these.

    Raises:
        LregError: what is there and what is wanted can't be together; says what to do.
    """
    files = list(files)
    ours = next((each for each in files if each.path == CONTAINERD_TOML), None)
    if ours is None:
        return files
    wanted = meaning(ours.text, Merge.TOML, CONTAINERD_TOML)
    if not any(_registry(wanted)):
        return files
    chain = chain_of(draft, wanted)
    path = _last_word(chain, wanted)
    values = chain[path]
    _look_at(draft, path, values)
    version = (
        values.get("version")
        or chain[CONTAINERD_TOML].get("version")
        or (1 if any(chain.values()) else 0)
    )
    others = [each for each in files if each is not ours]
    registry = next(iter(_registry(values)), {})
    if registry.get("mirrors") or (_is_old(values, wanted) and _needs_mirrors(registry)):
        key = _key(version or 1)
        more = legacy_mirrors.of_hosts(others, registry, _HOSTS_FOLDER, draft.where(path))
        text = tomlkit.dumps({"plugins": {key: {"registry": more}}})
        others = [each for each in others if not each.path.startswith(CONTAINERD_CERTS)]
        return [*others, replace(ours, path=path, text=text)]
    if not version:
        return files
    folder, setting = _folder(registry.get("config_path") or _HOSTS_FOLDER, wanted)
    text = tomlkit.dumps({"plugins": _plugins(version, wanted, setting, folder)})
    return [replace(ours, path=path, text=text), *(_moved(each, folder) for each in others)]


def chain_of(draft: Draft, wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values of the main file and of those that it imports, by path, in order.

    What is not in `imports` is not read, /etc/containerd/conf.d neither (measured: 1.6.20, 2.3.4).
    """
    chain, pending = dict[str, dict[str, Any]](), [CONTAINERD_TOML]
    while pending:
        path = pending.pop(0)
        if path not in chain:
            chain[path] = _values(draft, path)
            old = _is_old(chain[CONTAINERD_TOML], wanted)
            for pattern in chain[path].get("imports", []):
                # containerd 1.x leaves a pattern to glob(3), in the daemon's working folder.
                folder = "" if old and "*" in pattern else os.path.dirname(path)
                pending += draft.matching(os.path.join("/", folder, pattern))
    return chain


def _is_old(main: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether it is for containerd 1.x, as far as the files tell."""
    return bool(max(main.get("version", 0), wanted.get("version", 0)) < 3)


def _values(draft: Draft, path: str) -> dict[str, Any]:
    return meaning(draft.read(path) or "", Merge.TOML, draft.where(path))


def _last_word(chain: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Any]) -> str:
    """Return the file whose settings of registries are those in force.

    An import of containerd 1.x replaces the whole table of the CRI plugin; 2.x brings tables
    together key by key.
    """
    whole = _is_old(chain[CONTAINERD_TOML], wanted)
    last = CONTAINERD_TOML
    for path, values in chain.items():
        plugins = values.get("plugins", {})
        settings = {key for registry in _registry(values) for key in registry}
        if (whole and any(key in plugins for key in _CRI)) or settings & {"config_path", "mirrors"}:
            last = path
    return last


def _registry(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the CRI plugin's table of registries, in a list that is empty where it has none."""
    tables = [values.get("plugins", {}).get(key, {}).get("registry") for key in _CRI]
    return [table for table in tables if table]


def _needs_mirrors(registry: Mapping[str, Any]) -> bool:
    """Return whether 1.x takes no config_path beside what is there: a `tls` in `configs`."""
    return has_tls(registry) and not registry.get("config_path")


def has_tls(registry: Mapping[str, Any]) -> bool:
    """Return whether CRI's `registry` table has a `tls` in its `configs`."""
    return any("tls" in each for each in registry.get("configs", {}).values())


def _key(version: int) -> str:
    return _CRI[min(version, len(_CRI)) - 1]


def _plugins(version: int, wanted: Mapping[str, Any], setting: str, folder: str) -> dict[str, Any]:
    plugins: dict[str, Any] = {_key(version): {"registry": {"config_path": setting}}}
    if version >= 3 or _TRANSFER in wanted.get("plugins", {}):
        plugins[_TRANSFER] = {"config_path": folder}
    return plugins


def _folder(config_path: str, wanted: Mapping[str, Any]) -> tuple[str, str]:
    """Return the folder in which hosts are looked up first, and the setting that makes it so.

    Of a list containerd 1.x takes the first that knows the host; 2.x can't read a list at all.
    """
    first = config_path.split(":", maxsplit=1)[0]
    return first, first if wanted.get("version", 0) >= 3 else config_path


def _moved(file: NodeFile, folder: str) -> NodeFile:
    inside = file.path.removeprefix(CONTAINERD_CERTS)
    if inside == file.path:
        return file
    return replace(file, path=folder.strip("/") + inside)


def _look_at(draft: Draft, path: str, values: Mapping[str, Any]) -> None:
    if set(values.get("disabled_plugins", [])) & set(_CRI):
        draft.notes.append(
            f"{draft.where(path)} disables the CRI plugin: Kubernetes can't use this containerd "
            "before it is taken out of disabled_plugins"
        )
