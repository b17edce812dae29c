"""TLS on both sides of the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.upstream import Upstream
from tests.support.certificates import good_tls
from tests.support.downloads import at_once, download
from tests.support.images import hello, noise, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.support.mirrors import Start

MIB = 1 << 20
DATA = noise(24 * MIB, "tls")
ADDRESS = "127.0.0.13"


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """A private CA that no system knows."""
    return ensure_ca(tmp_path / "ca").path


@pytest.fixture
def hub(stage: Stage, tmp_path: Path, ca: Path) -> Iterator[Upstream]:
    """A docker.io that speaks TLS."""
    made = stage.enter(Upstream(ADDRESS, good_tls(ensure_ca(ca.parent), ADDRESS)))
    yield made
    stage.leave(made)


@pytest.mark.parametrize("tls", [False, True], ids=["plain-clients", "tls-clients"])
def test_a_fill_over_tls(start: Start, hub: Upstream, ca: Path, tls: bool) -> None:
    """A blob comes over TLS, drops and all, and goes to several clients, over TLS or not."""
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', DATA).digest}"
    hub.script.add("GET", "/blobs/", Fault(cut_after=5_000_001), 3)
    mirror = start({"docker.io": {"address": hub.url, "ca": str(ca)}}, tls=tls)
    for done in at_once(4, lambda: download(mirror, path)):
        assert done.digest == sha256(DATA)
    for _ in ("from disk", "again"):
        assert download(mirror, path, part="bytes=1000000-").digest == sha256(DATA[1_000_000:])
    assert len(hub.requests("GET", "/blobs/")) == 4
    # What the fake had in its own buffers when it cut the line did not arrive.
    assert len(DATA) <= hub.sent < 1.1 * len(DATA)


@pytest.mark.alone
@pytest.mark.parametrize("tls", [False, True], ids=["plain-clients", "tls-clients"])
def test_a_slow_fill_over_tls(start: Start, hub: Upstream, ca: Path, tls: bool) -> None:
    """What has come goes on at once, not in large pieces now and then."""
    data = DATA[: 2 * MIB]
    path = f"/v2/docker.io/some/app/blobs/{hub.put_blob('some/app', data).digest}"
    hub.script.add("GET", "/blobs/", Fault(rate=1e6), ALWAYS)
    mirror = start({"docker.io": {"address": hub.url, "ca": str(ca)}}, tls=tls)
    done = download(mirror, path)
    assert done.digest == sha256(data)
    (fill,) = hub.requests("GET", "/blobs/")
    assert done.first - fill.told.first < 1
    assert done.last - fill.told.last < 1


def test_system_trust_is_not_enough(start: Start, hub: Upstream) -> None:
    """Without its CA an upstream of a private one is not believed, and sees no request."""
    hub.hold("some/app", hello("tls"), "v1")
    with start({"docker.io": hub.url}).wire() as wire:
        refused = wire.manifest("docker.io/some/app", "v1").expect(502)
        assert "certificate" in refused.json()["errors"][0]["message"]
    assert not hub.seen
