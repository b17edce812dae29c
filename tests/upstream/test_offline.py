"""Without internet: what is here is served, and nobody is dialled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dials import Dials
from tests.support.images import hello, multi_arch, sha256
from tests.support.mirrors import HASTE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start, Upstreams

IMAGE, INDEX = hello("offline", 200_000), multi_arch("offline index")
ALWAYS_ASK = HASTE + '[[freshness]]\nmatch = "*"\nttl = "always"\n'


@pytest.mark.parametrize("way", ["flag", "upstream"])
def test_offline(start: Start, hub: Upstream, quay: Upstream, way: str, tmp_path: Path) -> None:
    """After a warm pull everything is served with `offline` set; nobody is dialled or looked up.

    What is not here is said to be missing because of that.
    """
    dials = Dials(tmp_path / "dials")
    upstreams: Upstreams = {"docker.io": hub.url, "quay.io": quay.url}
    for upstream in (hub, quay):
        upstream.hold("some/app", IMAGE, "v1")
        upstream.hold("some/many", INDEX, "v1")
    mirror = start(upstreams, settings=ALWAYS_ASK, inside=dials.inside)
    with mirror.wire() as wire:
        for host in upstreams:
            wire.pull(f"{host}/some/app", "v1")
            wire.pull(f"{host}/some/many", "v1")
    mirror.stop()

    assert f"socket.connect ('127.0.0.5', {hub.port})" in dials.tried()
    options = ("--offline",) if way == "flag" else ()
    if way == "upstream":
        upstreams = {
            "docker.io": {"address": hub.url, "offline": True},
            "quay.io": {"address": quay.url, "offline": True},
        }
    mirror = start(upstreams, *options, settings=ALWAYS_ASK, inside=dials.inside)
    with mirror.wire() as wire:
        for host in upstreams:
            assert wire.pull(f"{host}/some/app", "v1") == IMAGE.manifest.digest
            assert wire.pull(f"{host}/some/many", "v1") == INDEX.manifest.digest
            missing = wire.manifest(f"{host}/some/other", "v1")
            assert missing.status in (404, 502)
            assert "offline" in missing.json()["errors"][0]["message"]
            wire.blob(f"{host}/some/app", sha256(b"other")).expect(404, 502)
        wire.manifest("some/plain", "v1").expect(404)
    mirror.stop()
    assert dials.tried() == []


def test_one_of_two(start: Start, hub: Upstream, quay: Upstream) -> None:
    """One upstream can be offline while another is not."""
    quay.hold("some/app", IMAGE, "v1")
    upstreams: Upstreams = {
        "docker.io": {"address": hub.url, "offline": True},
        "quay.io": quay.url,
    }
    with start(upstreams).wire() as wire:
        wire.manifest("docker.io/some/app", "v1").expect(404, 502)
        assert wire.pull("quay.io/some/app", "v1") == IMAGE.manifest.digest
    assert hub.links == 0
