"""`lreg override`: an own version in place of upstream's, for all who pull by its tag."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello, multi_arch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stage import Stage
    from tests.fakes.upstream import Upstream
    from tests.server.commands.conftest import Lreg

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


def test_until(caching: Lreg, hub: Upstream) -> None:
    """With --until it ends by itself, and `lreg ls` says when."""
    hub.hold("library/alpine", THEIRS, "3.8")
    with caching.registry.wire() as wire:
        wire.push("mine/alpine", OWN, "1")
    found = caching.json("override", "mine/alpine:1", "alpine:3.8", "--until", "1d")
    assert (found["origin"], found["over"]["host"]) == ("pushed", "docker.io")
    assert abs(found["until"] - time.time() - 86400) < 60
    assert " until " in caching.run("ls", NAME)
    caching.run("override", "mine/alpine:1", "alpine:3.8", "--until", "2s", "--quiet")
    assert means(caching) == OWN.manifest.digest
    time.sleep(2.1)
    assert means(caching) == THEIRS.manifest.digest
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
        (("a.tar", "alpine"), "a.tar is a file: push it first"),
        (("./layout", "alpine"), "./layout is a folder: push it first"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """What can't be done is one line that says what can, exit code 2."""
    (tmp_path / "a.tar").touch()
    (tmp_path / "layout").mkdir()
    assert message in lreg_here.fail(2, "override", *arguments)
