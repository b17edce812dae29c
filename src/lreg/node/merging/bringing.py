"""The files of the runtimes of a node, brought into what it has."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.node import system_ca
from lreg.node.merging import (
    containerd,
    containers_image,
    crio,
    etc_hosts,
    hosts_toml,
    rancher,
)
from lreg.node.merging.documents import edited, meaning
from lreg.node.merging.values import combined
from lreg.node.plan import Merge, NodeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lreg.node.merging.draft import Draft

# What knows how some files have to be on this node.
_SETTLED = (
    containerd.settled,
    containers_image.settled,
    crio.settled,
    rancher.settled,
    system_ca.settled,
)


def bring(runtimes: Iterable[Sequence[NodeFile]], draft: Draft) -> None:
    """Write the files of every runtime into a draft, beside what its owner has.

    Args:
        runtimes: the files of each, as they would be on an empty node.
        draft: of a node; the later runtime finds what the one before it wrote.

    Raises:
        LregError: a file of the owner's can't be read or can't have ours beside it.
    """
    for files in _with_one_hosts_file(runtimes):
        for file in _settled(files, draft):
            text = draft.read(file.path)
            draft.write(file, _merged(file, text, draft))


def _settled(files: list[NodeFile], draft: Draft) -> list[NodeFile]:
    """Return the files at the places, and in the forms, that this node heeds."""
    for settled in _SETTLED:
        files = settled(files, draft)
    return files


def _with_one_hosts_file(runtimes: Iterable[Sequence[NodeFile]]) -> Iterator[list[NodeFile]]:
    """Yield the files of each runtime, /etc/hosts once with the lines of all."""
    hosts = list[NodeFile]()
    for files in runtimes:
        hosts += [file for file in files if file.merge is Merge.HOSTS]
        yield [file for file in files if file.merge is not Merge.HOSTS]
    if hosts:
        yield [replace(hosts[-1], text=etc_hosts.together(file.text for file in hosts))]


def _merged(file: NodeFile, text: str | None, draft: Draft) -> str:
    where = draft.where(file.path)
    is_hosts = os.path.basename(file.path) == hosts_toml.NAME
    if text is None and is_hosts:
        hosts_toml.note_hidden(file.path, draft)
    if text is None or not text.strip():
        return file.text
    if is_hosts:
        return hosts_toml.merged(text, file.text, where, draft.notes)
    match file.merge:
        case Merge.OWN:
            return file.text
        case Merge.HOSTS:
            return etc_hosts.merged(text, file.text)
    theirs = meaning(text, file.merge, where)
    ours = meaning(file.text, file.merge, file.path)
    return edited(text, file.merge, combined(theirs, ours, where), where)
