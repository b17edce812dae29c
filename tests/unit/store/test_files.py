"""Durable files."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lreg.errors import StoreFull
from lreg.store import files

if TYPE_CHECKING:
    from pathlib import Path


def test_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of a file that was changed just now are not trusted, those of an older one are."""
    (tmp_path / "file").write_bytes(b"")
    status = (tmp_path / "file").stat()
    for age, trusted in ((0.0, False), (0.01, False), (0.1, True)):
        now = status.st_ctime_ns + int(age * 1e9)
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        assert files.settled(status) == (files.stamp_of(status) if trusted else None)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full(code: int) -> None:
    """No space, no quota, and no room in a file all mean that the store is full."""
    with pytest.raises(StoreFull), files.full_disk():
        raise OSError(code, "full")


def test_not_full() -> None:
    """Any other error of the disk stays what it is."""
    with pytest.raises(OSError, match="broken"), files.full_disk():
        raise OSError(errno.EIO, "broken")


def test_install(tmp_path: Path) -> None:
    """A file goes to its place, whatever folders are missing, over what was there."""
    for content in (b"one", b"two"):
        files.write_file(str(tmp_path / "aside"), content)
        files.install(str(tmp_path / "aside"), str(tmp_path / "a/b/c/data"))
        assert (tmp_path / "a/b/c/data").read_bytes() == content
        assert os.listdir(tmp_path) == ["a"]


def test_install_nothing(tmp_path: Path) -> None:
    """What is not there can't be put anywhere."""
    with pytest.raises(FileNotFoundError):
        files.install(str(tmp_path / "aside"), str(tmp_path / "a/data"))


def test_install_beside_collector(tmp_path: Path) -> None:
    """A file gets to its place even where another program keeps removing the empty folders."""
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            for folder in ("a/b/c", "a/b", "a"):
                try:
                    (tmp_path / folder).rmdir()
                except OSError:
                    continue

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for number in range(50):
            files.write_file(str(tmp_path / "aside"), b"content")
            files.install(str(tmp_path / "aside"), str(tmp_path / f"a/b/c/{number}"))
            os.unlink(tmp_path / f"a/b/c/{number}")
    finally:
        over.set()
        collector.join()


def test_write_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes are written, at their place, even where the system takes a few at a time."""
    pwrite = os.pwrite
    monkeypatch.setattr(files.os, "pwrite", lambda fd, data, at: pwrite(fd, data[:3], at))  # type: ignore[attr-defined]
    with open(tmp_path / "file", "wb", buffering=0) as file:
        files.write_all(file.fileno(), b"0123456789", 0)
        files.write_all(file.fileno(), memoryview(b"abcd"), 4)
    assert (tmp_path / "file").read_bytes() == b"0123abcd89"


def test_discard(tmp_path: Path) -> None:
    """Files and whole folders go; what is not there is no error."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    for name in ("a", "file", "nothing"):
        files.discard(str(tmp_path / name))
    assert not os.listdir(tmp_path)


def test_read(tmp_path: Path) -> None:
    """A file is read whole; what is not there, or below a file, is nothing."""
    (tmp_path / "file").write_bytes(b"content")
    assert files.read_file(str(tmp_path / "file")) == b"content"
    assert files.read_file(str(tmp_path / "nothing")) is None
    assert files.read_file(str(tmp_path / "file/below")) is None
