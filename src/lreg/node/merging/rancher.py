"""registries.yaml of k3s and RKE2: a mirror of one host hides that of all hosts."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.node.merging.documents import edited, meaning
from lreg.node.merging.values import combined
from lreg.node.plan import Merge, NodeFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.node.merging.draft import Draft

_NAME = "registries.yaml"
_ALL = "*"


def settled(files: Iterable[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files so that the owner's mirror of all hosts is asked after lreg.

    Raises:
        LregError: the owner's file can't be read.
    """
    return [
        _settled(file, draft) if os.path.basename(file.path) == _NAME else file for file in files
    ]


def _settled(file: NodeFile, draft: Draft) -> NodeFile:
    theirs = meaning(draft.read(file.path) or "", Merge.YAML, draft.where(file.path))
    there = theirs.get("mirrors") or {}
    if not isinstance(there, dict) or not there.get(_ALL):
        return file
    ours = meaning(file.text, Merge.YAML, file.path)
    where = draft.where(file.path)
    mirrors = {
        host: mirror if there.get(host) else combined(there[_ALL], mirror, where)
        for host, mirror in ours["mirrors"].items()
    }
    return replace(file, text=edited(file.text, Merge.YAML, {**ours, "mirrors": mirrors}, where))
