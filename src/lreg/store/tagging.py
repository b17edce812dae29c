"""Tags and their records: how pushes, fills and people change them without ever mixing them up.

Everything here blocks: call it in a thread, changes to one repository one after the other. A
crash between any two steps leaves the old meaning or the new one, whole.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import ManifestUnknown
from lreg.store import files
from lreg.store.caching import Tagged
from lreg.store.records import Record

if TYPE_CHECKING:
    from lreg.oci.digest import Digest
    from lreg.store.cache import Stamps
    from lreg.store.files import Stamp
    from lreg.store.layout import RepositoryPaths
    from lreg.store.tree import Tree


class Tags:
    """The tags of one repository."""

    __slots__ = ("_paths", "_tree")

    def __init__(self, tree: Tree, paths: RepositoryPaths) -> None:
        self._tree = tree
        self._paths = paths

    def read(self, tag: str) -> Tagged | None:
        """Return what the tag means, None where there is no such tag."""
        return self.read_stamped(tag)[0]

    def read_stamped(self, tag: str) -> tuple[Tagged | None, Stamps | None]:
        """Return what the tag means, and the stamps of the files that say so.

        No stamps where one of the files may change without that showing.
        """
        path, aside = self._paths.current(tag), self._paths.record(tag)
        link = self._tree.read_link(path)
        while link:
            stamp, certain = _stamp(aside)
            record = self._record(tag)
            there = os.access(self._paths.revision(link.target), os.F_OK)
            # The record is written before the link: both are right where the link has not moved.
            again = self._tree.read_link(path)
            if again and again.target == link.target:
                tagged = Tagged(link.target, record.of(link.target)) if there else None
                return tagged, (link.stamp, stamp) if link.stamp and certain else None
            link = again
        return None, None

    def push(self, tag: str, target: Digest) -> None:
        """Point the tag at a manifest that a client pushed."""
        record = self._record(tag)
        after = record.pushed(target)
        self._tree.set_tag(self._paths, tag, target, after.render() if after != record else None)

    def fetched(self, tag: str, target: Digest, checked: float) -> bool:
        """Note what upstream has, and point the tag at it unless it was pushed.

        Returns:
            Whether the tag points at it now.
        """
        now = self.read(tag)
        record = self._record(tag) if now else Record()
        after = replace(record, upstream=target, checked=checked, gone=False)
        if now and not now.record.cached:
            self._write(tag, after)
            return now.digest == target
        self._move(tag, now.digest if now else None, target, after)
        return True

    def note_checked(self, tag: str, upstream: Digest | None, checked: float) -> None:
        """Note what upstream has, None where it is gone there, if there is such a tag here."""
        if self.read(tag):
            record = replace(self._record(tag), checked=checked, gone=upstream is None)
            self._write(tag, replace(record, upstream=upstream or record.upstream))

    def set_until(self, tag: str, until: float | None) -> None:
        """Note when the version that was pushed ends; raise ManifestUnknown unless one was."""
        now = self._known(tag)
        if now.record.cached:
            raise ManifestUnknown(f"{tag} was not pushed, it is upstream's")
        ends = None if until is None else now.digest
        self._write(tag, replace(self._record(tag), ends=ends, until=until))

    def undo(self, tag: str) -> Digest | None:
        """Take the version that was pushed away; return what the tag means now."""
        now = self._known(tag)
        if now.record.cached:
            return now.digest
        upstream = now.record.upstream
        link = upstream and self._tree.read_link(self._paths.revision(upstream))
        if not upstream or not link or not self._tree.has_blob(link.target):
            self._tree.remove_tag(self._paths, tag)
            return None
        self._move(tag, now.digest, upstream, self._record(tag))
        return upstream

    def expire(self, tag: str, moment: float) -> Digest | None:
        """Undo a version that was pushed until `moment` or before; return what the tag means."""
        if (now := self.read(tag)) is None:
            return None
        until = now.record.until
        return now.digest if until is None or until > moment else self.undo(tag)

    def pin(self, tag: str, pinned: bool) -> None:
        """Note whether the tag is pinned; raise ManifestUnknown."""
        self._known(tag)
        self._write(tag, replace(self._record(tag), pinned=pinned))

    def _move(self, tag: str, old: Digest | None, new: Digest, record: Record) -> None:
        after = record.moved(old, new)
        if old == new:
            self._write(tag, after)
        else:
            self._tree.set_tag(self._paths, tag, new, after.render())

    def _known(self, tag: str) -> Tagged:
        if (now := self.read(tag)) is None:
            raise ManifestUnknown(f"there is no tag {tag}")
        return now

    def _record(self, tag: str) -> Record:
        return Record.parse(files.read_file(self._paths.record(tag)))

    def _write(self, tag: str, record: Record) -> None:
        self._tree.write(self._paths.record(tag), record.render())


def _stamp(path: str) -> tuple[Stamp | None, bool]:
    """Return the stamp of a file, None where there is none, and whether that is certain."""
    try:
        stamp = files.settled(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None, True
    return stamp, stamp is not None
