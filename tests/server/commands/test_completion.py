"""TAB after `lreg inspect` and its like."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.server.commands.conftest import Lreg
from tests.support.images import hello

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wire import Wire

# What bash does at TAB: the words broken at colons, the cursor in the last one.
_SCRIPT = """
eval "$(lreg completion bash)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_lreg_completion lreg
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(lreg: Lreg, home: Path, *words: str) -> list[str]:
    """What bash offers for a command line, at the latest when TAB was pressed twenty times.

    Completion gives up, silently, after a second, which a busy machine may need for anything.
    """
    presses = (pressed(lreg, home, *words) for _ in range(20))
    return next(filter(None, presses), [])


def pressed(lreg: Lreg, home: Path, *words: str) -> list[str]:
    """What bash offers for a command line at once."""
    launcher = home / "lreg"
    launcher.write_text(f'#! /bin/sh\nexec "{sys.executable}" -m lreg "$@"\n')
    launcher.chmod(0o755)
    env = {**lreg.env, "PATH": f"{home}{os.pathsep}{lreg.env['PATH']}"}
    command = ["bash", "-c", _SCRIPT, "bash", *words]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return said.stdout.split()


def test_repositories_and_tags(lreg: Lreg, wire: Wire, tmp_path: Path, repository: str) -> None:
    """Names are completed from the local registry, and tags behind the colon."""
    for tag in "1.0", "1.1", "latest":
        wire.push(f"{repository}/app", hello("x"), tag)
    name = f"{repository}/app"
    assert completed(lreg, tmp_path, "lreg", "inspect", f"{repository}/a") == [name]
    assert completed(lreg, tmp_path, "lreg", "tags", f"{repository}/a") == [name]
    tags = completed(lreg, tmp_path, "lreg", "rm", "x", ":", "1", name, ":", "1")
    assert sorted(tags) == ["1.0", "1.1"]
    tags = completed(lreg, tmp_path, "lreg", "copy", name, ":")
    assert sorted(tags) == ["1.0", "1.1", "latest"]


def test_upstreams(lreg_here: Lreg, tmp_path: Path) -> None:
    """The hosts of upstreams are completed, from what the registry knows."""
    hosts = completed(lreg_here, tmp_path, "lreg", "upstream", "check", "q")
    assert hosts == ["quay.io"]


def test_silent_without_a_registry(lreg_here: Lreg, tmp_path: Path) -> None:
    """Where no registry answers there is nothing to offer, and nothing is said."""
    env = {**lreg_here.env, "LOCAL_REGISTRY": "127.0.0.1:1"}
    nowhere = Lreg(lreg_here.registry, env, tmp_path)
    assert pressed(nowhere, tmp_path, "lreg", "inspect", "a") == []
