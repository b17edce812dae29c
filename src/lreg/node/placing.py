"""Files of a node put into their places: each whole or not at all, and durably."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lreg.node.rooted import Root

_OWN = 0o700
_NO_ATTRIBUTES = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is to hold something else.

    Attributes:
        path: without links, relative to the root.
        before: what it holds; None: it is not there.
        after: what it is to hold; None: it is to go.
        mode: the permissions of one that is new; another keeps its own, and its owner.
        in_place: whether the file itself is written anew: others have it by its inode.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: int
    in_place: bool


def is_torn(now: bytes, before: bytes, after: bytes) -> bool:
    """Return whether a crash may have left a file so that was written in place.

    Linux may be stopped between two pages of a write. Nothing of it is anybody else's.
    """
    whole = before + after[len(before) :]
    if len(now) < len(whole):
        return len(now) > len(before) and whole.startswith(now)
    differing = (at for at, pair in enumerate(zip(now, after, strict=False)) if len({*pair}) > 1)
    kept = next(differing, len(after))
    return now[kept:] == whole[kept:]


def make_folder(root: Root, path: str, mode: int = 0o755) -> None:
    """Make a folder, durably; one that is there stays as it is."""
    where = root.absolute(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(where, mode)
        os.chmod(where, mode)
        _sync_folder(where)


def remove_folder(root: Root, path: str) -> None:
    """Remove a folder if there is nothing in it."""
    where = root.absolute(path)
    with contextlib.suppress(OSError):
        os.rmdir(where)
        _sync_folder(where)


def write_own(root: Root, path: str, content: bytes) -> None:
    """Write a file of lreg's own, which nobody else may read, whole and durably."""
    where = root.absolute(path)
    missing = root.missing_folders(path)
    for folder in missing:
        make_folder(root, folder, _OWN)
    clear(root, path)
    _write_new(_staged(where), content, 0o600, None)
    _show(where)


def clear(root: Root, path: str) -> None:
    """Remove what a process that was killed may have left beside a file."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(_staged(root.absolute(path)))


def stage(root: Root, change: Change) -> None:
    """Do what can fail for want of space or rights, beside the file, so that nobody sees it.

    Raises:
        OSError: it can't be written there.
    """
    if change.after is not None and not change.in_place:
        clear(root, change.path)
        where = root.absolute(change.path)
        status = os.stat(where) if change.before is not None else None
        _write_new(_staged(where), change.after, change.mode, status)
        if status is not None:
            _copy_attributes(where, _staged(where))


def place(root: Root, change: Change) -> None:
    """Make a staged change seen, durably; raise OSError."""
    where = root.absolute(change.path)
    if change.after is None:
        os.unlink(where)
        _sync_folder(where)
    elif change.in_place and change.before is not None:
        _write_in_place(where, change.before, change.after)
    else:
        _show(where)


def _staged(where: str) -> str:
    folder, name = os.path.split(where)
    return os.path.join(folder, f".{name}.lreg-new")


def _show(where: str) -> None:
    os.rename(_staged(where), where)
    _sync_folder(where)


def _write_new(where: str, content: bytes, mode: int, like: os.stat_result | None) -> None:
    """Write a new file, durably; it gets the owner and mode of another where one is given."""
    descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        _write(descriptor, content, 0)
        if like is not None:
            mine = os.fstat(descriptor)
            if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
                os.fchown(descriptor, like.st_uid, like.st_gid)
        # After fchown, which takes bits away.
        os.fchmod(descriptor, mode if like is None else like.st_mode & 0o7777)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_in_place(where: str, before: bytes, after: bytes) -> None:
    """Write over a file: first what makes it longer, so that a full disk changes nothing."""
    descriptor = os.open(where, os.O_WRONLY)
    try:
        try:
            _write(descriptor, after[len(before) :], len(before))
        except OSError:
            os.ftruncate(descriptor, len(before))
            raise
        _write(descriptor, after[: len(before)], 0)
        os.ftruncate(descriptor, len(after))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def _copy_attributes(source: str, target: str) -> None:
    """Give a file the attributes of another: its SELinux context, its access list."""
    try:
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise


def _sync_folder(where: str) -> None:
    folder = os.open(os.path.dirname(where), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
