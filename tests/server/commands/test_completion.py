"""TAB after `lreg inspect` and its like, in the shells themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello
from tests.support.shells import bash, fish, zsh

if TYPE_CHECKING:
    from tests.server.commands.conftest import Lreg
    from tests.support.wire import Wire

Press = Callable[[Mapping[str, str], Path, str], list[str]]

FISH = pytest.param(fish, marks=pytest.mark.client("fish"))
ZSH = pytest.param(zsh, marks=pytest.mark.client("zsh"))
in_every_shell = pytest.mark.parametrize("press", [bash, FISH, ZSH])


def launched(lreg: Lreg, home: Path) -> Mapping[str, str]:
    """The environment of a shell that finds `lreg`."""
    launcher = home / "lreg"
    launcher.write_text(f'#! /bin/sh\nexec "{sys.executable}" -m lreg "$@"\n')
    launcher.chmod(0o755)
    return {**lreg.env, "PATH": f"{home}{os.pathsep}{lreg.env['PATH']}", "TERM": "xterm"}


def completed(press: Press, lreg: Lreg, line: str) -> set[str]:
    """What is offered behind the last colon, at the latest when TAB was pressed twenty times.

    Completion gives up, silently, after a second, which a busy machine may need for anything.
    """
    env = launched(lreg, lreg.home)
    presses = (press(env, lreg.home, line) for _ in range(20))
    return {offer.rpartition(":")[2] for offer in next(filter(None, presses), [])}


@in_every_shell
def test_commands_and_options(lreg_here: Lreg, press: Press) -> None:
    """Commands, their options and the choices of these are completed."""
    assert completed(press, lreg_here, "lreg insp") == {"inspect"}
    assert completed(press, lreg_here, "lreg inspect --r") == {"--raw"}
    assert completed(press, lreg_here, "lreg serve --log-level w") == {"warning"}


@in_every_shell
def test_images(lreg_here: Lreg, press: Press, wire_here: Wire, repository: str) -> None:
    """Names are completed from the local registry, and tags behind the colon."""
    for tag in "1.0", "1.1", "latest":
        wire_here.push(f"{repository}/app", hello("x"), tag)
    name = f"{repository}/app"
    assert completed(press, lreg_here, f"lreg inspect {repository}/a") == {name}
    assert completed(press, lreg_here, f"lreg rm x:1 {name}:1") == {"1.0", "1.1"}
    assert completed(press, lreg_here, f"lreg copy {name}:") == {"1.0", "1.1", "latest"}


def test_images_of_any_registry(lreg: Lreg, wire: Wire, repository: str) -> None:
    """The local registry may be another than lreg."""
    wire.push(repository, hello("x"), "1.0")
    assert completed(bash, lreg, f"lreg tags {repository[:-1]}") == {repository}
    assert completed(bash, lreg, f"lreg inspect {repository}:") == {"1.0"}


@in_every_shell
def test_upstreams(lreg_here: Lreg, press: Press) -> None:
    """The hosts of upstreams are completed, from what the registry knows."""
    assert completed(press, lreg_here, "lreg upstream check q") == {"quay.io"}


@in_every_shell
def test_silent_without_a_registry(lreg_here: Lreg, press: Press, tmp_path: Path) -> None:
    """Where no registry answers there is nothing to offer, and nothing is said."""
    env = {**launched(lreg_here, tmp_path), "LOCAL_REGISTRY": "127.0.0.1:1"}
    assert press(env, tmp_path, "lreg inspect a") == []
