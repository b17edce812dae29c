"""Durable files: write, verify nothing, fsync, then show by one rename.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import time
from typing import TYPE_CHECKING

from lreg.errors import StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator

# A file changed twice within one tick of the kernel's clock (10 ms at most on Linux) has the same
# times after both: what was read so soon after a change can't be recognised as old later on.
_RACY_NS = 50_000_000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)

Stamp = tuple[int, int, int]


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what tells one state of a file or folder from the next: ctime, inode, size."""
    return status.st_ctime_ns, status.st_ino, status.st_size


def settled(status: os.stat_result) -> Stamp | None:
    """Return the stamp, or None where the last change is so recent that another might hide.

    Nothing hides behind a change to come, made before the clock was set back.
    """
    age = time.time_ns() - status.st_ctime_ns
    return stamp_of(status) if abs(age) > _RACY_NS else None


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Say StoreFull where the system says that there is no space, quota or room in a file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull from error
        raise


def fsync_file(path: str) -> None:
    """Make the content of a file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Have the kernel begin to write a part of a file, so that a later fsync has little to do.

    Measured on files of 256 MiB, hashed and fsynced: 0.86 GiB/s against 0.61 with one at a time,
    1.37 against 0.85 with four. Unlike POSIX_FADV_DONTNEED, which is as fast, it leaves the pages
    in memory for the first pull.
    """
    if _sync_file_range is not None:
        _sync_file_range(
            descriptor,
            ctypes.c_int64(offset),
            ctypes.c_int64(length),
            ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
        )


def make_directories(path: str) -> None:
    """Make a folder and those above it, where they are missing, durably."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_directories(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
    fsync_directory(os.path.dirname(path))


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write `data` at `offset`, however many calls that takes."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def write_file(path: str, data: bytes, *, durable: bool = True) -> None:
    """Write a new file whose content, if `durable`, survives a power cut; its name may not yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        write_all(descriptor, data, 0)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def install(source: str, target: str) -> None:
    """Give a durable file its final name, at once and durably, in place of what has it now."""
    folder = os.path.dirname(target)
    while True:
        try:
            make_directories(folder)
            os.rename(source, target)
        except FileNotFoundError:
            # Another process' garbage collection took the folder away in between.
            if not os.path.exists(source):
                raise
        else:
            break
    fsync_directory(folder)


def read_file(path: str) -> bytes | None:
    """Return the content of a file, None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb", buffering=0) as file:
        return file.readall()


def discard(path: str) -> None:
    """Remove a file or folder and all in it; what is not there or can't go is left alone."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
