"""A CA among those of the node's system: where it lies, and what makes it heeded."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.node.merging.draft import Draft
    from lreg.node.plan import NodeFile

# The folder of a family of distributions, and its command.
_DEBIAN = "usr/local/share/ca-certificates"
_RED_HAT = "etc/pki/ca-trust/source/anchors"
# --fresh: without it a certificate that is gone may stay in force.
_COMMANDS = {_DEBIAN: ("update-ca-certificates", "--fresh"), _RED_HAT: ("update-ca-trust",)}


def settled(files: Iterable[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files with a CA of the system, written for Debian, where this node looks."""
    folder = _RED_HAT if draft.has_folder(_RED_HAT) else _DEBIAN
    return [
        replace(file, path=f"{folder}/{os.path.basename(file.path)}")
        if os.path.dirname(file.path) == _DEBIAN
        else file
        for file in files
    ]


def commands(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return what has to be run after files at these paths, relative to the root, changed."""
    folders = {os.path.dirname(path) for path in paths}
    return tuple(words for folder, words in _COMMANDS.items() if folder in folders)
