"""Whether the wall clock is to be believed, and what is done where it is not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lreg.clock import WallClock
from lreg.config import Config
from lreg.oci.digest import Algorithm
from lreg.oci.reference import RepositoryName
from lreg.store import files
from lreg.store.filesystem import FilesystemStore
from lreg.upstream.freshness import Freshness
from tests.contract.making import source

if TYPE_CHECKING:
    from pathlib import Path

DAY, YEAR = 86400.0, 365 * 86400.0
NAME = RepositoryName("some/app")


@dataclass
class Times:
    """What the clocks of this process are ahead of the real ones by, in seconds."""

    set_by: float = 0.0
    passed: float = 0.0


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    """The clocks, to be set, and to let time pass on."""
    made, real, ran = Times(), time.time, time.clock_gettime
    monkeypatch.setattr(time, "time", lambda: real() + made.passed + made.set_by)
    monkeypatch.setattr(time, "clock_gettime", lambda which: ran(which) + made.passed)
    return made


@pytest.mark.parametrize("jump", [-DAY, YEAR])
def test_a_jump_is_noticed(times: Times, jump: float) -> None:
    """A clock that was set is not believed for an hour, then it is; corrections are none."""
    clock = WallClock()
    for times.set_by, times.passed in ((0, 0), (2, 0), (-2, 60), (0, 2 * DAY)):
        assert clock.is_settled()
    times.set_by = jump
    assert not clock.is_settled()
    times.passed += 3500
    assert not clock.is_settled()
    times.passed += 200
    assert clock.is_settled()
    times.set_by = 0
    assert not clock.is_settled()


def test_an_own_version_outlives_a_jump(times: Times) -> None:
    """A version that is to end in a week has not ended because the clock is a year ahead."""
    freshness = Freshness(Config())
    until = time.time() + 7 * DAY
    assert not freshness.is_over(None)
    assert not freshness.is_over(until)
    times.set_by = YEAR
    assert not freshness.is_over(until)
    times.set_by = 0
    assert not freshness.is_over(until)
    times.passed = 8 * DAY
    assert freshness.is_over(until)


async def test_uploads_outlive_a_jump(
    times: Times, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that is half done is swept when it is old, not when the clock says so at once."""
    store = FilesystemStore(tmp_path, upload_expiry=DAY)
    await store.open()
    upload = await store.repository(NAME).start_upload(Algorithm.SHA256)
    await upload.append(source(b"half"))
    times.set_by = YEAR
    store._uploads.sweep()
    times.set_by = 0
    store._uploads.sweep()
    assert store.repository(NAME).upload(upload.id).offset == 4
    times.passed = 2 * DAY
    store._uploads.sweep()
    assert not os.listdir(tmp_path / "lreg/uploads")
    await store.close()


async def test_uploads_of_a_time_to_come(times: Times, tmp_path: Path) -> None:
    """What was written while the clock was a year ahead grows old from when that is noticed."""
    store = FilesystemStore(tmp_path, upload_expiry=DAY)
    await store.open()
    upload = await store.repository(NAME).start_upload(Algorithm.SHA256)
    data = tmp_path / "lreg/uploads" / upload.id / "data"
    os.utime(data, (0, time.time() + YEAR))
    store._uploads.sweep()
    assert data.exists()
    times.passed = 2 * DAY
    store._uploads.sweep()
    assert not data.exists()
    await store.close()


def test_files_of_a_time_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed before the clock was set back is as good as any to remember."""
    (tmp_path / "file").write_bytes(b"")
    status = (tmp_path / "file").stat()
    monkeypatch.setattr(time, "time_ns", lambda: status.st_ctime_ns - int(DAY * 1e9))
    assert files.settled(status) == files.stamp_of(status)
