"""Small content in memory."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lreg.oci.digest import Digest
from lreg.store import cache
from lreg.store.cache import Meanings, Memory
from lreg.store.caching import Tagged, TagRecord
from lreg.store.files import stamp_of
from lreg.store.protocol import BLOB_TYPE, Held

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from lreg.store.files import Stamp


def held(content: bytes) -> Held:
    return Held(Digest.of(content), BLOB_TYPE, content)


def link(folder: Path, name: str) -> tuple[str, Stamp]:
    """Return a link file and its stamp."""
    path = folder / name
    path.write_bytes(b"x" * 71)
    return str(path), stamp_of(os.stat(path))


def test_recall(tmp_path: Path) -> None:
    """What is remembered comes back as long as its file stays as it was."""
    memory = Memory()
    path, stamp = link(tmp_path, "a")
    assert memory.recall(path) is None
    memory.remember(path, stamp, held(b"a"), "blob ")
    assert memory.recall(path) == held(b"a")


def test_changed(tmp_path: Path) -> None:
    """A file that was written to, replaced, or removed is not believed any more."""
    memory = Memory()

    def rewrite(path: str) -> None:
        with open(path, "r+b") as file:
            file.write(b"y" * 71)

    def replace(path: str) -> None:
        other, _ = link(tmp_path, "other")
        os.rename(other, path)

    for number, change in enumerate((rewrite, replace, os.unlink)):
        path, stamp = link(tmp_path, f"{number}")
        memory.remember(path, stamp, held(b"a"), "blob ")
        assert memory.recall(path)
        time.sleep(0.02)  # a tick of the file system's clock
        change(path)
        assert memory.recall(path) is None


def test_unsettled(tmp_path: Path) -> None:
    """What may have changed without a trace is not kept."""
    memory = Memory()
    path, _ = link(tmp_path, "a")
    memory.remember(path, None, held(b"a"), "blob ")
    assert memory.recall(path) is None
    assert memory.size == 0


def test_budget(tmp_path: Path) -> None:
    """The bytes in memory never pass the budget; what was used last stays."""
    memory = Memory(1000)
    paths = []
    for number in range(20):
        path, stamp = link(tmp_path, f"{number}")
        paths.append(path)
        memory.remember(path, stamp, held(bytes([number]) * 100), "blob ")
        assert memory.size <= 1000
        assert memory.recall(paths[0])
    assert [number for number, path in enumerate(paths) if memory.recall(path)] == [
        0,
        *range(11, 20),
    ]


def test_shared_content(tmp_path: Path) -> None:
    """Many tags on one manifest hold its bytes once."""
    memory = Memory(1000)
    for number in range(20):
        path, stamp = link(tmp_path, f"{number}")
        memory.remember(path, stamp, held(b"x" * 100), "manifest ")
    assert memory.size == 100


def test_too_large(tmp_path: Path) -> None:
    """One large item does not drive all others out: it is not kept."""
    memory = Memory(1000)
    path, stamp = link(tmp_path, "a")
    memory.remember(path, stamp, held(b"x" * 126), "manifest ")
    assert memory.recall(path) is None


def test_links_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of links in memory is bounded as well."""
    monkeypatch.setattr(cache, "_MOST_LINKS", 3)
    memory = Memory()
    paths = []
    for number in range(5):
        path, stamp = link(tmp_path, f"{number}")
        paths.append(path)
        memory.remember(path, stamp, held(b"x"), "manifest ")
    assert [bool(memory.recall(path)) for path in paths] == [False, False, True, True, True]


def test_meanings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tag means is remembered while both of its files, or the lack of one, stay so."""
    monkeypatch.setattr(cache, "_MOST_LINKS", 2)
    meanings = Meanings()
    tagged = Tagged(Digest.of(b""), TagRecord())
    path, stamp = link(tmp_path, "link")
    record = tmp_path / "record"
    assert meanings.recall(path, str(record)) is None
    meanings.remember(path, (stamp, None), tagged)
    assert meanings.recall(path, str(record)) == tagged
    record.write_bytes(b"{}")
    assert meanings.recall(path, str(record)) is None
    meanings.remember(path, (stamp, stamp_of(os.stat(record))), tagged)
    assert meanings.recall(path, str(record)) == tagged
    os.unlink(path)
    assert meanings.recall(path, str(record)) is None
    for number in range(5):
        meanings.remember(f"{number}", (stamp, None), tagged)
    assert len(meanings._kept) == 2
