"""Distribution's tree on disk: what it holds, and how it changes without ever being wrong.

Everything here blocks: call it in a thread. A failure or a crash at any line leaves no visible
content that is not whole, and no link to what is not there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from lreg.errors import DigestInvalid
from lreg.oci.digest import Digest
from lreg.store import files

if TYPE_CHECKING:
    from lreg.store.files import Stamp
    from lreg.store.layout import Layout, RepositoryPaths

_LONGEST_LINK = 256
_PATIENCE = 5


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
            time.sleep(0.002)
        else:
            return None
        try:
            return Link(Digest.parse(text.decode("ascii", "replace").strip()), stamp)
        except DigestInvalid:
            return None

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
        aside = self._aside()
        try:
            files.write_file(aside, str(target).encode())
            files.install(aside, path)
        finally:
            files.discard(aside)

    def remove_link(self, path: str) -> bool:
        """Remove the link file; return whether it was there.

        The folder that held it stays, as distribution leaves it.
        """
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        files.fsync_directory(os.path.dirname(path))
        return True

    def set_tag(self, paths: RepositoryPaths, tag: str, target: Digest) -> None:
        """Point a tag at a manifest that the repository holds."""
        if not os.path.isdir(paths.tag(tag)) and self._new_tag(paths, tag, target):
            return
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

    def _new_tag(self, paths: RepositoryPaths, tag: str, target: Digest) -> bool:
        """Build a tag's folder aside and move it in; return whether none was there before."""
        aside = self._aside()
        index = f"{aside}/index/{target.algorithm}/{target.hex}"
        try:
            for folder in (index, f"{aside}/current"):
                os.makedirs(folder)
                files.write_file(f"{folder}/link", str(target).encode())
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
