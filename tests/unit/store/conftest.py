"""What the tests of the filesystem store share."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lreg.store.filesystem import FilesystemStore
from tests.contract.making import NAME
from tests.unit.store.distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from lreg.store.repository import FiledRepository


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FilesystemStore]:
    """An open, empty store in `tmp_path / "store"`."""
    made = FilesystemStore(tmp_path / "store")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def repository(store: FilesystemStore) -> FiledRepository:
    """A repository that does not exist yet."""
    return store.repository(NAME)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, str], Path]]:
    """A function that mounts a file system in memory on a folder, with the given options."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true, and mounting a small disk needs root")
        pytest.skip("mounting a small disk needs root: a full disk is NOT tested in this run")
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        if folder not in mounted:
            mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of fsyncs would take minutes elsewhere."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lreg-crash-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def distribution(tmp_path: Path) -> Distribution:
    """Another program at work on the same repository."""
    return Distribution(tmp_path / "store", NAME.text)
