"""Folders that one process at a time changes."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(folder: str | os.PathLike[str]) -> Iterator[int]:
    """Wait for who else changes a folder now, and keep others waiting; give its descriptor.

    Raises:
        OSError: it is not there, or can't be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def is_lost(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Return whether an open file is no longer the one at its path: removed, or replaced."""
    try:
        return not os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return True
