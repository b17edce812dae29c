"""`lreg override`: an own version in place of upstream's, for all who pull by its tag."""

from __future__ import annotations

import io
import json
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.clients import trust
from tests.support.images import hello, multi_arch, sha256, write_layout
from tests.support.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg
    from tests.support.clients import Client

NAME = "docker.io/library/alpine"
THEIRS, OWN = hello("theirs"), hello("own")


def means(lreg: Lreg, name: str = NAME, tag: str = "3.8") -> str:
    """Pull an image and return its digest."""
    with lreg.registry.wire() as wire:
        return wire.pull(name, tag)


def test_there_and_back(caching: Lreg, hub: Upstream) -> None:
    """SRC is what everybody gets who pulls IMAGE, until it is undone; upstream is not asked."""
    hub.hold("library/alpine", THEIRS, "3.8")
    with caching.registry.wire() as wire:
        wire.push("mine/alpine", OWN, "patched")
    assert means(caching) == THEIRS.manifest.digest
    short = THEIRS.manifest.digest[:19]
    (line,) = caching.lines("override", "mine/alpine:patched", "alpine:3.8")
    assert line == f"{NAME}:3.8 is {OWN.manifest.digest[:19]}, pushed over docker.io ({short})"
    assert means(caching) == OWN.manifest.digest
    assert f"{NAME}:3.8  pushed over docker.io ({short})" in caching.run("ls", "docker.io/")
    asked = len(hub.seen)
    (line,) = caching.lines("override", "--undo", "alpine:3.8")
    assert line == f"{NAME}:3.8 is {short}, cached"
    assert len(hub.seen) == asked
    assert means(caching) == THEIRS.manifest.digest


def test_before_upstream_was_ever_asked(caching: Lreg, hub: Upstream) -> None:
    """What was never cached can be overridden; undone, it is fetched when it is asked for."""
    hub.hold("library/alpine", THEIRS, "3.8")
    with caching.registry.wire() as wire:
        wire.push("mine/alpine", OWN, "latest")
    (line,) = caching.lines("override", "mine/alpine", "alpine:3.8")
    assert line == f"{NAME}:3.8 is {OWN.manifest.digest[:19]}, pushed over docker.io"
    assert not hub.seen
    (line,) = caching.lines("override", "--undo", f"{NAME}:3.8")
    assert line == f"{NAME}:3.8 is upstream's again: it is fetched when it is asked for"
    assert means(caching) == THEIRS.manifest.digest


def test_without_the_internet(caching: Lreg, hub: Upstream, stage: Stage) -> None:
    """An own version is put in place, and taken away, where upstream can't be reached."""
    hub.hold("library/alpine", THEIRS, "3.8")
    caching.run("cache", "alpine:3.8")
    with caching.registry.wire() as wire:
        wire.push("mine/alpine", OWN, "1")
    stage.leave(hub)
    caching.run("override", "mine/alpine:1", "alpine:3.8")
    assert means(caching) == OWN.manifest.digest
    caching.run("override", "--undo", "alpine:3.8")
    assert means(caching) == THEIRS.manifest.digest


def test_from_another_registry(caching: Lreg, hub: Upstream, quay: Upstream) -> None:
    """SRC may lie in another registry; of an index --platform takes one image."""
    hub.hold("library/alpine", THEIRS, "3.8")
    index = multi_arch("elsewhere")
    quay.hold("org/alpine", index, "1")
    caching.run("override", f"{quay.host}/org/alpine:1", "alpine:3.8")
    assert means(caching) == index.manifest.digest
    source = f"{quay.host}/org/alpine:1"
    caching.run("override", "--platform", "linux/arm64", source, "alpine:3.8")
    assert means(caching) == index.images[1].manifest.digest


@pytest.mark.client("skopeo")
def test_from_an_oci_archive(caching: Lreg, hub: Upstream, skopeo: Client) -> None:
    """SRC may be a tar of an OCI layout: it is pulled byte for byte, upstream is not asked."""
    hub.hold("library/alpine", THEIRS, "3.8")
    source, made = caching.home / "source", multi_arch("archived")
    write_layout(source, {"1": made})
    skopeo("copy", "--all", f"oci:{source}:1", f"oci-archive:{caching.home}/own.tar:1")
    (line,) = caching.lines("override", "own.tar", "alpine:3.8", "--until", "1d")
    assert line.startswith(f"{NAME}:3.8 is {made.manifest.digest[:19]}, pushed over docker.io")
    assert " until " in line
    assert not hub.seen
    assert means(caching) == made.manifest.digest
    caching.run("override", "--quiet", "--platform", "linux/arm64", "own.tar", "alpine:3.8")
    assert means(caching) == made.images[1].manifest.digest
    # A folder is an archive by what lies in it: one called as an image is may be anything.
    (caching.home / "mine").mkdir()
    with caching.registry.wire() as wire:
        wire.push("mine", OWN, "latest")
    caching.run("override", "mine", "alpine:3.8")
    assert means(caching) == OWN.manifest.digest
    caching.run("override", "source", "alpine:3.8")
    assert means(caching) == made.manifest.digest


@pytest.mark.client("skopeo")
def test_from_a_docker_archive(caching: Lreg, hub: Upstream, skopeo: Client) -> None:
    """SRC may be what `docker save` writes: its config, which is its id, and its layers stay."""
    write_layout(caching.home / "source", {"1": OWN})
    archive = caching.home / "own.tar"
    skopeo("copy", f"oci:{caching.home}/source:1", f"docker-archive:{archive}:own:1")
    found = caching.json("override", str(archive), "alpine:3.8")
    assert means(caching) == found["digest"]
    name = f"docker://{caching.registry.host}/{NAME}:3.8"
    pulled = json.loads(skopeo("inspect", "--raw", *trust(caching.registry), name).out)
    with tarfile.open(archive) as saved:
        listed = json.load(saved.extractfile("manifest.json") or io.BytesIO())
        config = saved.extractfile(listed[0]["Config"])
        assert config
        assert pulled["config"]["digest"] == sha256(config.read())
    assert [layer["digest"] for layer in pulled["layers"]] == list(map(sha256, OWN.tars))


def test_until(caching: Lreg, hub: Upstream) -> None:
    """With --until it ends by itself, and `lreg ls` says when."""
    hub.hold("library/alpine", THEIRS, "3.8")
    with caching.registry.wire() as wire:
        wire.push("mine/alpine", OWN, "1")
    found = caching.json("override", "mine/alpine:1", "alpine:3.8", "--until", "1d")
    assert (found["origin"], found["over"]["host"]) == ("pushed", "docker.io")
    assert abs(found["until"] - time.time() - 86400) < 60
    assert " until " in caching.run("ls", NAME)
    caching.run("override", "mine/alpine:1", "alpine:3.8", "--until", "5s", "--quiet")
    assert means(caching) == OWN.manifest.digest
    eventually(lambda: means(caching) == THEIRS.manifest.digest)
    caching.run("override", "mine/alpine:1", "alpine:3.8")
    assert " until " not in caching.run("ls", NAME)


def test_nothing_to_undo(caching: Lreg, hub: Upstream) -> None:
    """Where there is nothing that could be undone that is said, exit code 4."""
    assert "alpine:3.8" in caching.fail(4, "override", "--undo", "alpine:3.8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a",), "give SRC and IMAGE"),
        (("a", "b", "c"), "give SRC and IMAGE"),
        (("--undo", "a", "b"), "--undo takes one IMAGE"),
        (("--undo", "a", "--until", "1d"), "--undo takes one IMAGE"),
        (("a", "b", "--until", "soon"), "--until: 'soon' is neither"),
        (("a", "nowhere.example/b"), '[upstream."nowhere.example"]'),
        (("a", "b@sha256:" + "0" * 64), "give a tag"),
        (("a.tar", "alpine"), "a.tar: it is no tar"),
        (("./layout", "alpine"), "layout: it is neither an OCI layout nor what `docker save`"),
        (("./nothing.tar", "alpine"), "nothing.tar can't be read: No such file"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """What can't be done is one line that says what can, exit code 2."""
    (tmp_path / "a.tar").touch()
    (tmp_path / "layout").mkdir()
    assert message in lreg_here.fail(2, "override", *arguments)
