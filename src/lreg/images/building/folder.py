"""The files of a folder on this machine, as an image can have them."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.building.layers import LayerFile
from lreg.images.contents.entries import Entry
from lreg.images.members import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_DEPTH = 250
"""So many folders may lie in one another: more than any that people make, and far fewer than
Python's own limit."""

_UNFIT = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


def folder_files(
    root: str, mode_of: Callable[[os.stat_result], int] | None = None
) -> Iterator[LayerFile]:
    """Yield what is below a folder, owned by root, a folder before its content, in name order.

    Args:
        root: the folder.
        mode_of: gives type and permissions for what was found; None: as found.

    Raises:
        UsageError: something of it can't be read, or is nothing that an image can hold.
    """
    for name in _walk(root, ""):
        file = found_at(root, name, mode_of)
        if kind := unfit(file.entry.mode):
            raise UsageError(f"{os.path.join(root, name)} is {kind}: an image can't hold it")
        yield file


def unfit(mode: int) -> str:
    """Return what a file is that an image can't hold; nothing for one that it can."""
    return _UNFIT.get(stat.S_IFMT(mode), "")


def found_at(
    root: str, name: str, mode_of: Callable[[os.stat_result], int] | None = None
) -> LayerFile:
    """Return what is at `name` below the folder `root`, a link as a link, anything else as it is.

    Raises:
        UsageError: it can't be looked at.
    """
    path = os.path.join(root, name)
    try:
        status = os.lstat(path)
        target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
    except OSError as error:
        raise _unreadable(path, error) from error
    content = None
    if stat.S_ISREG(status.st_mode):
        content = Member(name, status.st_size, 0, partial(os.open, path, _READ))
    mode = mode_of(status) if mode_of else status.st_mode
    entry = Entry(
        name,
        mode,
        uid=0,
        gid=0,
        size=content.size if content else 0,
        mtime=status.st_mtime,
        target=target,
        place=(status.st_dev, status.st_ino),
    )
    return LayerFile(entry, content)


def plain_mode(status: os.stat_result) -> int:
    """Return the mode as far as git keeps it: executable or not; set-id and sticky bits stay."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        return kind | 0o777
    executable = kind == stat.S_IFDIR or status.st_mode & stat.S_IXUSR
    return kind | (stat.S_IMODE(status.st_mode) & 0o7000) | (0o755 if executable else 0o644)


# Not followed: what was a file may be a link by now.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def list_folder(root: str, prefix: str) -> list[os.DirEntry[str]]:
    """Return what is in the folder `prefix` below the folder `root`, sorted by name.

    Raises:
        UsageError: it can't be read, or lies too deep.
    """
    folder = os.path.join(root, prefix)
    if prefix.count("/") > MAX_DEPTH:
        raise UsageError(f"{root} has folders that lie in one another more than {MAX_DEPTH} deep")
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _walk(root: str, prefix: str) -> Iterator[str]:
    for entry in list_folder(root, prefix):
        name = prefix + entry.name
        yield name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, f"{name}/")


def _unreadable(path: str, error: OSError) -> UsageError:
    if error.errno == errno.ENOENT:
        return UsageError(f"{path} is not there")
    return UsageError(f"{path} can't be put into the image: {error.strerror or error}")
