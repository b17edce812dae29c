"""Distribution's tree on disk: what it holds, and how it changes without ever being wrong.

Everything here blocks: call it in a thread. A failure or a crash at any line leaves no visible
content that is not whole, and no link to what is not there.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from lreg.errors import DigestInvalid
from lreg.oci.digest import Algorithm, Digest
from lreg.store import files
from lreg.store.layout import marker

if TYPE_CHECKING:
    from lreg.store.files import Stamp
    from lreg.store.layout import Layout, RepositoryPaths

_LONGEST_LINK = 256
# How often a link is looked at that is being rewritten, and the pause in seconds: on a busy machine
# the other program may have to wait for a processor in between.
_PATIENCE, _PAUSE = 25, 0.002
_LOCKS = 64


@dataclass(frozen=True, slots=True)
class Link:
    """What a link file says.

    Attributes:
        target: the content that it links to.
        stamp: of the file as it was read; None where it may change without that showing.
    """

    target: Digest
    stamp: Stamp | None


class Tree:
    """The blobs, links and tags of one store."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def read_link(self, path: str) -> Link | None:
        """Return what the link file says, None where it is missing or says nothing."""
        for _ in range(_PATIENCE):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                stamp = files.settled(os.fstat(descriptor))
                text = os.read(descriptor, _LONGEST_LINK)
            finally:
                os.close(descriptor)
            if text:
                break
            # distribution 2.8 rewrites a link in place: for a moment it is empty.
            time.sleep(_PAUSE)
        else:
            return None
        try:
            return Link(Digest.parse(text.decode("ascii", "replace").strip()), stamp)
        except DigestInvalid:
            return None

    def linked(self, folder: str) -> list[Digest]:
        """Return what the links in a folder are called, such as `RepositoryPaths.layers`."""
        found = []
        for algorithm in Algorithm:
            try:
                names = os.listdir(f"{folder}/{algorithm}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                with contextlib.suppress(DigestInvalid):
                    found.append(Digest.parse(f"{algorithm}:{name}"))
        return found

    def has_blob(self, digest: Digest) -> bool:
        """Return whether the content is in the store, in whatever repository."""
        return os.access(self.layout.blob(digest), os.F_OK)

    def held_blob(self, paths: RepositoryPaths, digest: Digest) -> Digest | None:
        """Return what the content of the repository's blob is stored under, None if it is not."""
        link = self.read_link(paths.layer(digest))
        return link.target if link and self.has_blob(link.target) else None

    def has_repository(self, paths: RepositoryPaths) -> bool:
        """Return whether the folder is one of a repository, not merely of a prefix of names."""
        return os.access(paths.manifests, os.F_OK) or os.access(paths.layers, os.F_OK)

    def add_file(self, digest: Digest, source: str, size: int) -> None:
        """Take the verified file `source` in as the content of `digest`, unless that is there."""
        target = self.layout.blob(digest)
        try:
            if os.stat(target).st_size == size:
                # Whoever wrote it may not have come to this point yet.
                files.fsync_file(target)
                files.fsync_directory(os.path.dirname(target))
                return
        except FileNotFoundError:
            pass
        try:
            files.fsync_file(source)
        except OSError:
            # What of it is on the disk nobody knows, and the next fsync would not tell: fsync(2).
            files.discard(source)
            raise
        files.install(source, target)

    def add_content(self, digest: Digest, content: bytes) -> None:
        """Take verified content in, unless it is there."""
        aside = self._aside()
        try:
            files.write_file(aside, content)
            self.add_file(digest, aside, len(content))
        finally:
            files.discard(aside)

    def add_link(self, path: str, target: Digest) -> None:
        """Write the link file, in place of what it said before."""
        self.write(path, str(target).encode())

    def link_pushed(self, path: str, target: Digest) -> None:
        """Link content that a client brought; that it also came from upstream is forgotten."""
        with self._alone(path):
            if self._unmark(path):
                files.fsync_directory(os.path.dirname(path))
            self.add_link(path, target)

    def link_fetched(self, path: str, target: Digest) -> None:
        """Link content that came from upstream; a link that is there stays what it is."""
        with self._alone(path):
            if self.read_link(path) is not None:
                return
            aside, mark = self._aside(), self._aside()
            try:
                files.write_file(aside, str(target).encode())
                files.write_file(mark, b"")
                written = os.stat(aside).st_mtime_ns
                os.utime(mark, ns=(written, written))
                files.install(mark, marker(path))
                files.install(aside, path)
            finally:
                files.discard(aside)
                files.discard(mark)

    def is_fetched(self, path: str) -> bool:
        """Return whether the link is there and marked: its content came from upstream.

        A marker that is older than the link says nothing: a client pushed since, through another
        registry perhaps.
        """
        try:
            return os.stat(marker(path)).st_mtime_ns >= os.stat(path).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return False

    def remove_link(self, path: str, *, fetched: bool = False) -> bool:
        """Remove the link file, with its marker; return whether it was there.

        The folder that held it stays, as distribution leaves it.

        Args:
            path: the link.
            fetched: remove it only where it is marked.
        """
        with self._alone(path):
            if fetched and not self.is_fetched(path):
                return False
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            self._unmark(path)
        files.fsync_directory(os.path.dirname(path))
        return True

    def write(self, path: str, content: bytes) -> None:
        """Write a file, in place of what it said before; a crash leaves the old or the new."""
        aside = self._aside()
        try:
            files.write_file(aside, content)
            files.install(aside, path)
        finally:
            files.discard(aside)

    def set_tag(
        self, paths: RepositoryPaths, tag: str, target: Digest, record: bytes | None = None
    ) -> None:
        """Point a tag at a manifest that the repository holds.

        Args:
            paths: the repository's.
            tag: the tag.
            target: the manifest.
            record: what to write into the tag's record before, if that is to change.
        """
        if not os.path.isdir(paths.tag(tag)) and self._new_tag(paths, tag, target, record):
            return
        if record is not None:
            self.write(paths.record(tag), record)
        self.add_link(paths.indexed(tag, target), target)
        self.add_link(paths.current(tag), target)

    def remove_tag(self, paths: RepositoryPaths, tag: str) -> bool:
        """Take a tag away at once, with its history; return whether it was there."""
        aside = self._aside()
        try:
            os.rename(paths.tag(tag), aside)
        except (FileNotFoundError, NotADirectoryError):
            return False
        files.fsync_directory(paths.tags)
        files.discard(aside)
        return True

    def tags_on(self, paths: RepositoryPaths, target: Digest) -> list[str]:
        """Return every tag that points at the manifest."""
        try:
            names = os.listdir(paths.tags)
        except FileNotFoundError:
            return []
        links = ((name, self.read_link(paths.current(name))) for name in names)
        return [name for name, link in links if link and link.target == target]

    def _new_tag(
        self, paths: RepositoryPaths, tag: str, target: Digest, record: bytes | None
    ) -> bool:
        """Build a tag's folder aside and move it in; return whether none was there before."""
        aside = self._aside()
        index = f"{aside}/index/{target.algorithm}/{target.hex}"
        try:
            for folder in (index, f"{aside}/current"):
                os.makedirs(folder)
                files.write_file(f"{folder}/link", str(target).encode())
            if record is not None:
                files.write_file(f"{aside}/{os.path.basename(paths.record(tag))}", record)
            for folder, _, _ in os.walk(aside, topdown=False):
                files.fsync_directory(folder)
            files.make_directories(paths.tags)
            try:
                os.rename(aside, paths.tag(tag))
            except OSError:
                if not os.path.isdir(paths.tag(tag)):
                    raise
                return False
        finally:
            files.discard(aside)
        files.fsync_directory(paths.tags)
        return True

    def _aside(self) -> str:
        """Return a path to build something at, out of sight."""
        return f"{self.layout.scratch}/{uuid4()}"

    def _alone(self, path: str) -> threading.Lock:
        """Return the lock under which a link and its marker change together."""
        return self._locks[hash(path) % _LOCKS]

    def _unmark(self, path: str) -> bool:
        """Remove the marker of a link; return whether there was one."""
        try:
            os.unlink(marker(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True
