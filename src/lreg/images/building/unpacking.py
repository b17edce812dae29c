"""Unpacking a tar that may come from anywhere into a layer that is being made."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.images.building.layers import LayerFile
from lreg.images.contents.entries import read_entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.images.building.draft import Draft
    from lreg.images.building.staging import Staging
    from lreg.images.contents.entries import Entry
    from lreg.images.contents.unpacking import Plain


def unpack(
    tar: Plain,
    draft: Draft,
    staging: Staging,
    folder: str = "",
    dress: Callable[[Entry], Entry] = lambda entry: entry,
) -> None:
    """Put what is in a tar into a draft.

    Args:
        tar: from its beginning.
        draft: where to.
        staging: where the content of its files is to lie.
        folder: where in the image, without a slash at its beginning and end.
        dress: gives the files the owners and modes that they are to have.

    Raises:
        UsageError: it is no tar, or holds what an image can't: a device, a name outside of it, a
            hard link to a file that is not in it.
    """
    for entry in read_entries(tar, or_nothing=False):
        if not entry.path:
            continue
        path = posixpath.join(folder, entry.path)
        if entry.hard:
            draft.link(path, posixpath.join(folder, entry.target))
            continue
        kept = staging.add(entry.path, tar.pieces(entry.size)) if entry.is_file else None
        draft.put(path, LayerFile(dress(replace(entry, path=path)), kept))
