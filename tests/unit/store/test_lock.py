"""The lock of the one lreg that serves a store."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lreg.errors import StoreTaken
from lreg.store.layout import Layout
from lreg.store.lock import StoreLock

if TYPE_CHECKING:
    from pathlib import Path


def test_one_at_a_time(tmp_path: Path) -> None:
    """Who comes second hears whose it is; once it is released it may be taken."""
    first, second = (StoreLock(Layout(str(tmp_path))) for _ in range(2))
    first.take()
    with pytest.raises(StoreTaken, match=rf"another lreg \(process {os.getpid()}\) serves"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_what_is_lost(tmp_path: Path) -> None:
    """A lock is lost where its file is gone or another's; not where only its inode is new."""
    layout = Layout(str(tmp_path / "store"))
    lock = StoreLock(layout)
    lock.take()
    assert not lock.is_lost()
    shutil.copy(layout.lock, tmp_path / "same")
    (tmp_path / "same").rename(layout.lock)
    assert not lock.is_lost()
    os.unlink(layout.lock)
    assert lock.is_lost()
    other = StoreLock(layout)
    other.take()
    assert lock.is_lost()
    other.release()
    lock.release()
