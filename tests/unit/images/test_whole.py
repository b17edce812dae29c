"""Files that commands write: whole or not at all, and never in the place of a device."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from lreg.images.whole import whole_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    """What is written to a pipe goes into it: `lreg build -o /dev/null` leaves the device alone."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole_file(pipe) as file:
            file.write(b"image")
        assert os.read(reader, 100) == b"image"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Where a command fails half-way, the file of before is still there, and nothing beside it."""
    path = tmp_path / "images.tar"
    path.write_bytes(b"before")

    def write_half() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"images\.tar"):
        write_half()
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["images.tar"]
