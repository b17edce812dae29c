"""registries.conf and its drop-ins, of podman, buildah, skopeo and CRI-O: the last one wins."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import tomlkit

from lreg.errors import LregError
from lreg.node.merging.documents import meaning
from lreg.node.merging.values import combined, identity
from lreg.node.paths import REGISTRIES_CONF
from lreg.node.plan import Merge, NodeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.node.merging.draft import Draft

_FOLDER = f"{REGISTRIES_CONF}.d"
_SEARCH = "unqualified-search-registries"
# Below a person's home folder; the first is read in place of all others, the second after them.
OWN_MAIN = ".config/containers/registries.conf"
_OWN_FOLDER = f"{OWN_MAIN}.d"
Values = dict[str, Any]


def settled(files: Iterable[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files so that what their owner has under the same names has a say as well.

    A drop-in replaces what others say of the same prefix, and their list of registries to search.
    So what is there already is added to where it stands, and the rest stays in our drop-in.

    Raises:
        LregError: a file can't be read, or has a setting that would keep lreg from being asked.
    """
    result = list[NodeFile]()
    for file in files:
        if os.path.dirname(file.path) == _FOLDER:
            result += _spread(file, draft)
            _look_at_homes(draft)
        else:
            result.append(file)
    return result


def _look_at_homes(draft: Draft) -> None:
    for path in draft.matching(f"home/*/{OWN_MAIN}"):
        draft.notes.append(
            f"{draft.where(path)} is read instead of all in /etc/containers where that user runs "
            "podman, buildah or skopeo: those images do not come from lreg"
        )


def drop_ins(home: str) -> tuple[str, str]:
    """Return the patterns of the files that are read after the main one, in order.

    Args:
        home: the home folder of who runs the tool, relative to the root.
    """
    return f"{_FOLDER}/*.conf", f"{home}/{_OWN_FOLDER}/*.conf"


def _spread(file: NodeFile, draft: Draft) -> list[NodeFile]:
    paths = [
        REGISTRIES_CONF,
        *(each for some in drop_ins(draft.home) for each in draft.matching(some)),
    ]
    theirs = {
        path: meaning(draft.read(path) or "", Merge.TOML, draft.where(path))
        for path in paths
        if path != file.path
    }
    ours = meaning(file.text, Merge.TOML, file.path)
    parts: dict[str, Values] = {file.path: {}}
    for key, value in ours.items():
        if key != "registry":
            path, both = _setting(file.path, key, value, theirs)
            parts.setdefault(path, {})[key] = both
    for entry in ours.get("registry", []):
        owner, table = _entry(entry, theirs, draft)
        parts.setdefault(owner or file.path, {}).setdefault("registry", []).append(table)
    if parts == {file.path: ours}:
        return [file]
    return [
        replace(file, path=path, text=tomlkit.dumps(values), merge=Merge.TOML)
        for path, values in parts.items()
        if values
    ]


def _setting(own: str, key: str, value: Any, theirs: Mapping[str, Values]) -> tuple[str, Any]:
    """Return which file is to have a setting, and which value."""
    path = own
    for each, values in theirs.items():
        old_form = values.get("registries", {}).get("search", {}).get("registries")
        if key in values and (key == _SEARCH or each > own):
            path = each
        elif old_form and key == _SEARCH:
            # Version 1 of the format knows no such key, so that our drop-in has their list too.
            path, value = own, combined({key: old_form}, {key: value}, each)[key]
    return path, value


def _entry(ours: Values, theirs: Mapping[str, Values], draft: Draft) -> tuple[str | None, Values]:
    """Return the file that has the last word on a prefix, if one has, and what it is to say."""
    name, found = identity(ours), None
    for path, values in theirs.items():
        for there in values.get("registry", []):
            if identity(there) == name:
                found = path, there
            elif str(identity(there)).startswith(f"{name}/") and ours.get("mirror"):
                draft.notes.append(
                    f"{draft.where(path)} has settings of its own for {identity(there)}: "
                    "images under that name do not come from lreg"
                )
    if found is None:
        return None, ours
    path, there = found
    if there.get("mirror-by-digest-only") and ours.get("mirror"):
        raise LregError(
            f"{draft.where(path)} says mirror-by-digest-only of {name}, so that lreg would be "
            "asked for no tag: take it out there, then apply again"
        )
    more = dict(ours)
    if "location" in there:
        more["location"] = there["location"]
    if "prefix" not in there:
        more.pop("prefix", None)
    return path, more
