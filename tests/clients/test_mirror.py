"""Real clients pull docker.io's images through lreg, as nodes are set up to do."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.clients.pullers import PullByContainerd, PullByDocker, PullByPodman, PullBySkopeo
from tests.fakes.faults import Fault
from tests.support.clients import Client
from tests.support.dials import Dials
from tests.support.images import hello, multi_arch
from tests.support.mirrors import HASTE, start_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.pullers import Puller
    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.support.registries import Running

NAME, IMAGE = "library/alpine", "docker.io/library/alpine:3.8"
THEIRS, OWN = hello("theirs", 300_000), hello("own", 300_000)
ALWAYS_ASK = HASTE + '[[freshness]]\nmatch = "*"\nttl = "always"\n'
CLIENTS = [
    pytest.param(name, marks=pytest.mark.client(name))
    for name in ("containerd", "docker", "podman", "skopeo")
]
# Docker's `registry-mirrors` are for docker.io only.
SAY_WHOSE = [each for each in CLIENTS if each.values != ("docker",)]


@pytest.fixture
def hub(hub: Upstream) -> Upstream:
    """A docker.io that has an alpine:3.8."""
    hub.hold(NAME, THEIRS, "3.8")
    return hub


@pytest.fixture
def quay(quay: Upstream) -> Upstream:
    """A quay.io with the same repository path, and another image there."""
    quay.hold(NAME, OWN, "3.8")
    return quay


@pytest.fixture
def mirror(tmp_path: Path, hub: Upstream, quay: Upstream) -> Iterator[Running]:
    """A lreg that asks upstream at every pull whether a tag has moved."""
    upstreams = {"docker.io": hub.url, "quay.io": quay.url}
    running = start_mirror(tmp_path, upstreams, settings=ALWAYS_ASK)
    yield running
    if not running.process.has_ended:
        running.stop()


@pytest.fixture(params=CLIENTS)
def puller(request: pytest.FixtureRequest, tmp_path: Path, mirror: Running) -> Iterator[Puller]:
    """Each of the clients, told to pull from the mirror."""
    match request.param:
        case "containerd":
            yield PullByContainerd(request.getfixturevalue("the_containerd"), mirror)
        case "docker":
            dockerd = request.getfixturevalue("dockerd")
            yield PullByDocker(dockerd, mirror)
            dockerd.use_mirrors()
        case "podman":
            yield PullByPodman(request.getfixturevalue("podman"), mirror)
        case _:
            yield PullBySkopeo(tmp_path / "skopeo", mirror)


def test_cold_and_warm(puller: Puller, hub: Upstream) -> None:
    """A pull brings each blob once from upstream; the next one none."""
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    for blob in THEIRS.blobs:
        assert len(hub.requests("GET", blob.digest)) == 1
    assert len(hub.requests("GET", "/manifests/")) == 1


def test_of_an_index(puller: Puller, hub: Upstream) -> None:
    """Of an image for many platforms the client's own comes, and no other."""
    made = multi_arch("mirror")
    hub.hold("library/many", made, "v1")
    identity = puller.pull("docker.io/library/many:v1")
    (chosen,) = (each for each in made.images if each.blobs[0].digest == identity)
    wanted = {each.digest for each in chosen.blobs}
    assert {one.path.rpartition("/")[2] for one in hub.requests("GET", "/blobs/")} == wanted


def test_it_is_known_what_was_pulled(
    puller: Puller, mirror: Running, hub: Upstream, tmp_path: Path
) -> None:
    """`lreg pulled --lock` names docker.io's image, its tag, index and platform, for every client.

    So it is cold and warm. The request log names the upstream of each manifest and blob, and the
    metrics count their bytes, also where the client does not say whose image it wants.
    """
    made = multi_arch("known")
    chosen = made.images[0]
    digest = hub.hold("library/known", made, "v1")
    lreg = Client(tmp_path, sys.executable, "-m", "lreg", LOCAL_REGISTRY=mirror.host)
    for _ in ("cold", "warm"):
        identity = puller.pull("docker.io/library/known:v1")
        (chosen,) = (each for each in made.images if each.blobs[0].digest == identity)
        lreg("pulled", "--lock", "images.lock")
        assert tomllib.loads((tmp_path / "images.lock").read_text())["image"] == [
            {
                "name": "docker.io/library/known",
                "tag": "v1",
                "digest": digest,
                "platforms": [f"linux/{chosen.architecture}"],
            }
        ]
    with mirror.wire() as wire:
        metrics = wire.ask("GET", "/metrics").expect(200).body.decode()
    served = re.search(r'lreg_cache_served_bytes_total{upstream="docker.io"} (\S+)', metrics)
    assert served
    assert float(served[1]) >= 2 * sum(len(blob.data) for blob in chosen.blobs)
    mirror.stop()
    lines = [line for line in mirror.process.log.splitlines() if "path=/v2/" in line]
    named = [line for line in lines if "/library/known/" in line]
    assert len(named) >= 2 * (1 + 1 + len(chosen.blobs))
    assert not [line for line in named if "upstream=docker.io" not in line]


def test_broken_line(puller: Puller, hub: Upstream) -> None:
    """A client notices nothing of an upstream that drops connections and is too busy."""
    made = hello("broken line", 3 << 20)
    hub.hold("library/large", made, "v1")
    layer = made.blobs[-1].digest
    hub.script.add("GET", layer, Fault(cut_after=700_000), 4)
    assert puller.pull("docker.io/library/large:v1") == made.blobs[0].digest
    assert sum(one.told.sent for one in hub.requests("GET", layer)) == len(made.blobs[-1].data)


def test_offline(puller: Puller, mirror: Running, hub: Upstream, tmp_path: Path) -> None:
    """After a warm pull the image is pulled again without internet; no dial is attempted."""
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    mirror.stop()
    dials = Dials(tmp_path / "dials")
    again = start_mirror(
        tmp_path,
        {"docker.io": hub.url},
        "--offline",
        settings=ALWAYS_ASK,
        inside=dials.inside,
        port=mirror.port,
    )
    try:
        assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    finally:
        again.stop()
    assert dials.tried() == []


def test_upstream_is_gone(puller: Puller, hub: Upstream, stage: Stage) -> None:
    """So it is when upstream goes away and lreg was not told."""
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    stage.leave(hub)
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest


@pytest.mark.parametrize("name", [NAME, f"docker.io/{NAME}"], ids=["plain", "full"])
def test_own_version(puller: Puller, mirror: Running, hub: Upstream, name: str) -> None:
    """An own version in place of docker.io's is what clients get; undone, upstream's is again."""
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    with mirror.wire() as wire:
        wire.push(name, OWN, "3.8")
        assert puller.pull(IMAGE) == OWN.blobs[0].digest
        wire.ask("DELETE", f"/v2/{name}/manifests/3.8").expect(202)
    asked = len(hub.requests("GET", "/blobs/"))
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    assert len(hub.requests("GET", "/blobs/")) == asked


def test_override(puller: Puller, mirror: Running, hub: Upstream, tmp_path: Path) -> None:
    """`lreg override` puts an image in place of docker.io's; `--undo` takes it away again."""
    lreg = Client(tmp_path, sys.executable, "-m", "lreg", LOCAL_REGISTRY=mirror.host)
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
    with mirror.wire() as wire:
        wire.push("mine/alpine", OWN, "patched")
    lreg("override", "mine/alpine:patched", "alpine:3.8")
    asked = len(hub.seen)
    assert puller.pull(IMAGE) == OWN.blobs[0].digest
    assert len(hub.seen) == asked
    lreg("override", "--undo", "alpine:3.8")
    assert puller.pull(IMAGE) == THEIRS.blobs[0].digest


@pytest.mark.parametrize("puller", SAY_WHOSE, indirect=True)
def test_two_registries(puller: Puller, hub: Upstream, quay: Upstream) -> None:
    """Where a client says whose image it wants, one path on two registries is two images."""
    for _ in ("cold", "warm"):
        assert puller.pull(IMAGE) == THEIRS.blobs[0].digest
        assert puller.pull(f"quay.io/{NAME}:3.8") == OWN.blobs[0].digest
    assert not hub.requests("GET", OWN.blobs[-1].digest)
    assert not quay.requests("GET", THEIRS.blobs[-1].digest)
