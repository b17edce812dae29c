"""The files of a node, whose root may be any folder: links are followed as the node does."""

from __future__ import annotations

import glob
import os
import stat
from collections import deque

from lreg.errors import LregError

_MOST_LINKS = 40


class Root:
    """A node's root folder; paths are relative to it, such as `etc/hosts`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.path.abspath(folder)

    @property
    def home(self) -> str:
        """The home folder of who is at work: on another machine's root that is root's."""
        own = os.path.expanduser("~") if self.folder == "/" else "/root"
        return own.lstrip("/")

    def absolute(self, path: str) -> str:
        """Return where `path` lies on this machine; links in it are not followed."""
        return os.path.join(self.folder, path)

    def resolve(self, path: str) -> str:
        """Return the path without links that `path` means on the node; it need not exist.

        A link never leads out of the root: an absolute one begins there, as after chroot(2).

        Raises:
            LregError: the links go round in a circle.
        """
        rest, done, links = deque(path.split("/")), list[str](), 0
        while rest:
            part = rest.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            try:
                target = os.readlink(os.path.join(self.folder, *done, part))
            except OSError:
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise LregError(f"{self.absolute(path)}: its links go round in a circle: mend them")
            if target.startswith("/"):
                done = []
            rest.extendleft(reversed(target.split("/")))
        return "/".join(done)

    def exists(self, path: str) -> bool:
        """Return whether there is anything at a path without links."""
        return os.path.lexists(self.absolute(path))

    def is_empty(self, path: str) -> bool:
        """Return whether there is a folder with nothing but empty folders in it."""
        if not os.path.isdir(self.absolute(path)):
            return False
        return not any(files for _, _, files in os.walk(self.absolute(path)))

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where there is nothing.

        Raises:
            LregError: something else than a file is there.
        """
        where = self.absolute(path)
        try:
            if not stat.S_ISREG(os.stat(where).st_mode):
                raise LregError(f"{where} is no file: move it away, lreg has to write one there")
            with open(where, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def glob(self, pattern: str) -> list[str]:
        """Return the files that match, without links, in the order of their names."""
        found = glob.glob(pattern.lstrip("/"), root_dir=self.folder)
        paths = (self.resolve(path) for path in sorted(found))
        return [path for path in paths if not os.path.isdir(self.absolute(path))]

    def missing_folders(self, path: str) -> list[str]:
        """Return the folders above `path` that are not there, the outermost first."""
        missing = []
        while path := os.path.dirname(path):
            if self.exists(path):
                break
            missing.append(path)
        return missing[::-1]

    def is_mount_point(self, path: str) -> bool:
        """Return whether something is mounted right there: a file in a container often is."""
        where = self.absolute(path)
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            return any(_unescaped(line.split(" ")[4]) == where for line in mounts)


def _unescaped(field: str) -> str:
    # proc(5): space, tab, newline and backslash are written in octal.
    for code in ("040", "011", "012", "134"):
        field = field.replace(f"\\{code}", chr(int(code, 8)))
    return field
