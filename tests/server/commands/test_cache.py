"""`lreg cache`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lreg.oci.platform import Platform
from tests.fakes.faults import ALWAYS, Fault
from tests.support.images import hello, multi_arch
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg
    from tests.support.images import Image, Index

HERE = Platform.here().architecture


def blobs_sent(upstream: Upstream) -> int:
    """How many bytes of blobs an upstream sent."""
    return sum(one.told.sent for one in upstream.requests("GET", "/blobs/"))


def size_of(image: Image) -> int:
    """How many bytes the blobs of an image have."""
    return sum(len(blob.data) for blob in image.blobs)


def child(index: Index, architecture: str) -> Image:
    """The image of an index for an architecture."""
    return next(one for one in index.images if one.architecture == architecture)


def holds(lreg: Lreg, name: str, image: Image) -> bool:
    """Whether every blob of an image is in the registry's store, asking nobody else."""
    folder = lreg.registry.store / "docker/registry/v2/repositories" / name / "_layers/sha256"
    return all((folder / blob.digest.partition(":")[2] / "link").exists() for blob in image.blobs)


def test_everything_comes(caching: Lreg, hub: Upstream, quay: Upstream, stage: Stage) -> None:
    """What was cached is pulled again when the internet is gone; short names are Docker's."""
    alpine, app = hello("alpine", 300_000), hello("app")
    hub.hold("library/alpine", alpine, "3.8")
    quay.hold("org/app", app, "latest")
    lines = caching.lines("cache", "alpine:3.8", "quay.io/org/app")
    assert lines[:2] == [
        f"docker.io/library/alpine:3.8@{alpine.manifest.digest}",
        f"quay.io/org/app:latest@{app.manifest.digest}",
    ]
    assert re.fullmatch(r"29\d KiB fetched, 0 B here already, \d+\.\d s", lines[2]), lines[2]
    stage.leave(hub)
    stage.leave(quay)
    with caching.registry.wire() as wire:
        assert wire.pull("docker.io/library/alpine", "3.8") == alpine.manifest.digest
        assert wire.pull("quay.io/org/app", "latest") == app.manifest.digest


def test_again(caching: Lreg, hub: Upstream) -> None:
    """What is here already is not fetched again, and the last line says how much that was."""
    image = hello("again", 300_000)
    hub.hold("library/again", image, "1")
    caching.run("cache", "again:1")
    before = blobs_sent(hub)
    found = caching.json("cache", "again:1")
    seconds = found.pop("seconds"), found["images"][0].pop("seconds")
    here = {"count": 3, "size": size_of(image)}
    assert found == {
        "images": [
            {
                "image": "docker.io/library/again:1",
                "digest": image.manifest.digest,
                "fetched": {"count": 0, "size": 0},
                "here": here,
                "referrers": None,
            }
        ],
        "fetched": {"count": 0, "size": 0},
        "here": here,
    }
    assert max(seconds) < 30
    assert blobs_sent(hub) == before


def test_names_of_docker_hub(caching: Lreg, hub: Upstream) -> None:
    """However Docker Hub is called, with a port or by an alias, it is docker.io."""
    image = hello("names")
    hub.hold("library/names", image, "1")
    for host in ("index.docker.io", "registry-1.docker.io:443", "docker.io"):
        caching.run("cache", f"{host}/library/names:1")
    assert caching.lines("ls") == ["docker.io/library/names:1  cached"]


def test_platforms(caching: Lreg, hub: Upstream) -> None:
    """This machine's image of an index comes, or those asked for, or all of them."""
    index = multi_arch("platforms")
    hub.hold("some/index", index, "1")
    name = "docker.io/some/index"

    def here() -> set[str]:
        return {one.architecture for one in index.images if holds(caching, name, one)}

    (line, _) = caching.lines("cache", "some/index:1")
    assert line == f"{name}:1@{index.manifest.digest}"
    assert here() == {HERE}
    caching.run("cache", "some/index:1", "--platform", "linux/s390x", "--platform", "linux/arm64")
    assert here() == {HERE, "arm64", "s390x"}
    caching.run("cache", "--all-platforms", "some/index:1")
    assert here() == {"amd64", "arm64", "s390x"}
    said = caching.fail(4, "cache", "--quiet", "some/index:1", "--platform", "linux/riscv64")
    assert "no image for linux/riscv64, only for: linux/amd64, linux/arm64, linux/s390x" in said


def test_one_fails(caching: Lreg, hub: Upstream) -> None:
    """An image that fails does not stop the others: a line for it, and its exit code."""
    hub.hold("library/good", hello("good"), "1")
    said = caching.attempt("cache", "bad:1", "nowhere.example/x:1", "good:1")
    assert said.code == 4
    assert said.out.startswith("docker.io/library/good:1@sha256:")
    lines = [line for line in said.err.splitlines() if line.startswith("lreg: ")]
    assert len(lines) == 2
    assert lines[0].startswith("lreg: docker.io/library/bad:1: ")
    assert '[upstream."nowhere.example"]' in lines[1]
    found = caching.attempt("cache", "--json", "bad:1")
    assert found.code == 4
    assert '"error": ' in found.out


def test_upstream_unreachable(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """An upstream that is gone is exit code 6, and what it is that can't be reached."""
    stage.leave(hub)
    assert hub.host in caching.fail(6, "cache", "--quiet", "alpine:3.8")


def test_shared_layers_once(caching: Lreg, hub: Upstream) -> None:
    """Images that share layers, brought at once: every byte is fetched and counted once."""
    base, other = hello("base", 500_000), hello("base", 500_000, docker=True)
    for number in range(3):
        hub.hold(f"some/app{number}", base, "1")
    hub.hold("some/docker", other, "1")
    names = [f"some/app{number}:1" for number in range(3)]
    hub.script.add("GET", "/blobs/", Fault(rate=2_000_000), ALWAYS)
    found = caching.json("cache", *names, "some/docker:1")
    different = {blob.digest: len(blob.data) for one in (base, other) for blob in one.blobs}
    assert found["fetched"]["size"] == sum(different.values()) == blobs_sent(hub)


def test_tag_and_digest(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """NAME:TAG@DIGEST brings what the digest names, under the tag, whatever upstream's means."""
    old, new = hello("old", 100_000), hello("new", 100_000)
    for made in (old, new):
        hub.hold("library/both", made, "1")
    name = f"both:1@{old.manifest.digest}"
    lines = caching.lines("cache", name)
    assert lines[0] == f"docker.io/library/both:1@{old.manifest.digest}"
    assert holds(caching, "docker.io/library/both", old)
    assert not holds(caching, "docker.io/library/both", new)
    stage.leave(hub)
    with caching.registry.wire() as wire:
        assert wire.pull("docker.io/library/both", "1") == old.manifest.digest
    absent = f"both:1@sha256:{'0' * 64}"
    assert caching.attempt("cache", absent).code != 0


def test_plain_lines(caching: Lreg, hub: Upstream) -> None:
    """Off a terminal each piece is one plain line on stderr, and --quiet says nothing at all."""
    image = hello("lines")
    hub.hold("library/lines", image, "1")
    said = caching.attempt("cache", "lines:1")
    assert said.code == 0
    lines = said.err.splitlines()
    assert len(lines) == 3
    layer = image.blobs[1]
    assert f"{layer.digest[7:19]}  copied, {len(layer.data)} B" in lines
    said = caching.attempt("cache", "--quiet", "lines:1")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_bars_on_a_terminal(caching: Lreg, hub: Upstream) -> None:
    """On a terminal each layer has a bar that moves; stdout has the result alone."""
    hub.hold("library/bars", hello("bars", 8 << 20), "1")
    hub.script.add("GET", "/blobs/", Fault(rate=16 << 20), ALWAYS)
    said, shown = caching.on_terminal("cache", "bars:1")
    assert (said.code, said.out.count("\n")) == (0, 2)
    assert b"\x1b[" in shown
    assert b"8.0" in shown


def test_interrupted(caching: Lreg, hub: Upstream) -> None:
    """Ctrl-C says that the same command goes on from there, and so it does: exit code 130."""
    image = hello("large", 8 << 20)
    hub.hold("library/large", image, "1")
    hub.script.add("GET", "/blobs/", Fault(rate=4 << 20), ALWAYS)
    with subprocess.Popen(
        [sys.executable, "-m", "lreg", "cache", "large:1"],
        env=dict(caching.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        eventually(lambda: blobs_sent(hub) > 1 << 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].endswith("the same command goes on from there")
    assert "Traceback" not in err
    caching.run("cache", "large:1")
    assert blobs_sent(hub) <= 1.02 * size_of(image)
    assert holds(caching, "docker.io/library/large", image)


@pytest.mark.client("docker-registry")
def test_into_another_registry(lreg_on_distribution: Lreg, hub: Upstream) -> None:
    """Into a registry that is no lreg images are copied, under their names without the host."""
    index, image = multi_arch("elsewhere"), hello("elsewhere", 200_000)
    hub.hold("elsewhere/index", index, "1")
    hub.hold("elsewhere/image", image, "1")
    lreg, names = lreg_on_distribution, [f"{hub.host}/elsewhere/{x}:1" for x in ("index", "image")]
    lines = lreg.lines("cache", *names)
    assert lines[:2] == [
        f"{names[0]}@{child(index, HERE).manifest.digest}",
        f"{names[1]}@{image.manifest.digest}",
    ]
    assert re.fullmatch(r"19\d KiB fetched, 0 B here already, \d+\.\d s", lines[2]), lines[2]
    with lreg.registry.wire() as wire:
        assert wire.pull("elsewhere/image", "1") == image.manifest.digest
        lreg.run("cache", "--all-platforms", names[0])
        assert wire.pull("elsewhere/index", "1") == index.manifest.digest
    said = lreg.attempt("cache", names[1], f"{hub.host}/elsewhere/none:1")
    assert said.code == 4
    assert "0 B fetched, 19" in said.out
    two = ("--platform", "linux/amd64", "--platform", "linux/arm64")
    assert "name one --platform" in lreg.fail(2, "cache", "-q", *two, names[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name images, or a --lock FILE"),
        (("a", "--lock", "x"), "name images, or a --lock FILE"),
        (("a", "--platform", "linux/amd64", "--all-platforms"), "exclude each other"),
        (("--lock", "x", "--all-platforms"), "the lock file says which platforms"),
        (("--lock", "no-such-file"), "no-such-file can't be read"),
        (("a", "--platform", "amd64"), "'amd64' is not a platform"),
        (("Upper/Case",), "'Upper/Case' is not a repository name"),
        (("a", "--jobs", "0"), "--jobs"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A malformed command line is one line, with exit code 2."""
    assert message in lreg_here.fail(2, "cache", *arguments)


def test_nothing_there(lreg_here: Lreg, tmp_path: Path) -> None:
    """Where no registry answers, one line says so and what to do, and the exit code is 6."""
    env = {**lreg_here.env, "LOCAL_REGISTRY": "127.0.0.1:1"}
    said = type(lreg_here)(lreg_here.registry, env, tmp_path).fail(6, "cache", "alpine")
    assert "lreg start" in said
