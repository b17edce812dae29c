"""The folders of a store, and the lock of the one lreg that serves it; everything here blocks."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from lreg.errors import StoreTaken, UsageError
from lreg.locks import is_lost
from lreg.store import files

if TYPE_CHECKING:
    from lreg.store.layout import Layout


class StoreLock:
    """Holds a store's folders, from `take` to `release`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._descriptor = -1
        self._device = -1
        self._mark = b""

    def take(self) -> None:
        """Make the folders where they are missing, and lock them.

        Raises:
            UsageError: the folder can't be written, another lreg serves it, it spans disks, or
                lies on another disk than when it was taken before.
        """
        layout = self._layout
        self._check_device()
        folders = (layout.blobs, layout.repositories, layout.uploads, layout.fills, layout.scratch)
        try:
            for folder in folders:
                files.make_directories(folder)
            # Not by writing: where the disk is full, reading and deleting must go on.
            if not all(os.access(folder, os.W_OK | os.X_OK) for folder in folders):
                raise PermissionError("it is read-only here")
            self._lock()
        except OSError as error:
            raise UsageError(
                f"the store {layout.root} can't be written ({error}): "
                "name another folder, or give this user the right to write"
            ) from error
        if len({os.stat(folder).st_dev for folder in folders}) > 1:
            raise UsageError(
                f"the store {layout.root} lies on more than one disk: put all of it on one, "
                "content is renamed into its place"
            )
        self._device = os.stat(layout.root).st_dev

    def release(self) -> None:
        """Let others have the folders."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_lost(self) -> bool:
        """Return whether the folders were taken away while they were held."""
        # There are file systems (FUSE) that give a file another inode number from time to time.
        path = self._layout.lock
        return is_lost(self._descriptor, path) and files.read_file(path) != self._mark

    def _check_device(self) -> None:
        # What is pushed below a mount point would be out of sight once the disk is there again.
        place = self._layout.root
        while self._device >= 0 and not os.path.exists(place):
            place = os.path.dirname(place)
        if self._device >= 0 and os.stat(place).st_dev != self._device:
            raise UsageError(
                f"the disk of the store {self._layout.root} is gone: mount it again, or start "
                "lreg anew on what is there"
            )

    def _lock(self) -> None:
        descriptor = os.open(self._layout.lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode("ascii", "replace").partition(" ")[0].strip()
            os.close(descriptor)
            raise StoreTaken(
                f"another lreg (process {owner or 'unknown'}) serves the store "
                f"{self._layout.root}: stop it, or name another folder"
            ) from None
        self._mark = f"{os.getpid()} {uuid4()}\n".encode()
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, self._mark, 0)
            os.ftruncate(descriptor, len(self._mark))
        self.release()
        self._descriptor = descriptor
