"""A clock that is set while lreg runs: a day back, a year ahead, and right again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.fakes.faults import ALWAYS, Fault, Reply
from tests.fakes.tokens import Tokens
from tests.support.downloads import download
from tests.support.images import hello, noise, sha256
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start
    from tests.support.registries import Running

DAY, YEAR = 86400, 365 * 86400
MADE, OWN = hello("clock"), hello("own clock")
# Python runs a module of this name before anything else.
_SHIFTED = """
import os, time
def shifted(real, scale):
    def now():
        with open(os.environ["CLOCK"]) as file:
            return real() + int(file.read() or 0) * scale
    return now
time.time, time.time_ns = shifted(time.time, 1), shifted(time.time_ns, 10**9)
"""


class Clock:
    """What a server takes for the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        (folder / "sitecustomize.py").write_text(_SHIFTED)
        self.inside = ("env", f"PYTHONPATH={folder}", f"CLOCK={self._file}")
        self.set(0)

    def set(self, ahead: int) -> None:
        """Set it so many seconds ahead of the real time, at once."""
        aside = self._file.with_suffix(".new")
        aside.write_text(str(ahead))
        aside.rename(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The clock of the registry."""
    folder = tmp_path / "clock"
    folder.mkdir()
    return Clock(folder)


@pytest.fixture
def mirror(start: Start, hub: Upstream, clock: Clock) -> Running:
    """A registry with that clock, in front of an upstream that wants tokens."""
    hub.tokens = Tokens()
    hub.hold("some/app", MADE, "v1")
    return start({"docker.io": hub.url}, settings="", inside=clock.inside)


@pytest.mark.parametrize("jump", [-DAY, YEAR])
def test_cached_tags(mirror: Running, hub: Upstream, clock: Clock, jump: int) -> None:
    """After each jump a cached tag is asked about once, with a token, and then believed again."""
    with mirror.wire() as wire:
        for round_, ahead in enumerate((0, jump, 0)):
            clock.set(ahead)
            for _ in range(3):
                assert wire.pull("docker.io/some/app", "v1") == MADE.manifest.digest
            asked = [one for one in hub.requests("HEAD", "/manifests/") if one.told.status == 200]
            assert len(asked) == round_
    assert len(hub.requests("GET", "/manifests/")) <= 2


@pytest.mark.parametrize("jump", [-DAY, YEAR])
def test_upstream_is_away(mirror: Running, hub: Upstream, clock: Clock, jump: int) -> None:
    """After a jump what is cached is served though upstream can't be asked; it is tried again."""
    with mirror.wire() as wire:
        wire.pull("docker.io/some/app", "v1")
        hub.script.add("HEAD", "/manifests/", Fault(reply=Reply(503)), ALWAYS)
        clock.set(jump)
        for _ in range(2):
            assert wire.pull("docker.io/some/app", "v1") == MADE.manifest.digest
        hub.script.clear()
        later = hello("later")
        hub.hold("some/app", later, "v2")
        # It rests for some seconds of real time, whatever the clock says.
        eventually(lambda: wire.manifest("docker.io/some/app", "v2").status == 200, 40)


@pytest.mark.parametrize("jump", [-DAY, YEAR])
def test_in_the_middle_of_a_fill(mirror: Running, hub: Upstream, clock: Clock, jump: int) -> None:
    """A download goes on as if nothing was, also over a connection that broke meanwhile."""
    data = noise(4 << 20, "clock")
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    hub.script.add("GET", "/blobs/", Fault(rate=2e6, cut_after=3 << 20))
    with ThreadPoolExecutor() as pool:
        done = pool.submit(download, mirror, path)
        eventually(lambda: hub.sent > 1 << 20)
        clock.set(jump)
        assert done.result().digest == sha256(data)
    assert hub.sent < 1.2 * len(data)


@pytest.mark.parametrize("jump", [-DAY, YEAR])
def test_halves_of_an_upload(mirror: Running, clock: Clock, jump: int) -> None:
    """An upload that was begun before a jump ends after it."""
    data = noise(1 << 20, "halves")
    half = len(data) // 2
    with mirror.wire() as wire:
        location = wire.start_upload("mine/app")
        sent = wire.ask("PATCH", location, data[:half]).expect(202)
        clock.set(jump)
        wire.finish_upload(sent.headers["location"], sha256(data), data[half:]).expect(201)
        assert wire.blob("mine/app", sha256(data)).body == data
