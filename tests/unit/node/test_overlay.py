"""`lreg node overlay`: files of nodes as one tar."""

from __future__ import annotations

import io
import os
import pty
import random
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.node.overlay import overlay
from lreg.node.plan import Merge, NodeFile
from tests.support.processes import attempt, clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

FILES = [
    NodeFile("etc/hosts", "10.0.0.1 quay.io\n", Merge.HOSTS),
    NodeFile("etc/containers/registries.conf.d/50-lreg.conf", "# search\n"),
    NodeFile("etc/init.d/28own.rc", "#! /bin/sh\n", mode=0o755),
]
OVERLAY = (sys.executable, "-m", "lreg", "node", "overlay", "--registry", "10.0.0.1")


def _held(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = ((each, tar.extractfile(each)) for each in tar)
        return {entry.name: file.read().decode() for entry, file in files if file}


def test_same_bytes() -> None:
    """The same files make the same tar, in whatever order they come: a build can be compared."""
    shuffled = random.Random(4).sample(FILES, len(FILES))
    assert overlay(FILES) == overlay(shuffled)


def test_entries() -> None:
    """Files are root's, without a time, executable where they have to be; folders stay alone."""
    with tarfile.open(fileobj=io.BytesIO(overlay(FILES))) as tar:
        told = [(each.name, each.mode, each.uid, each.gid, each.mtime) for each in tar]
    assert told == [
        ("etc/containers/registries.conf.d/50-lreg.conf", 0o644, 0, 0, 0),
        ("etc/hosts", 0o644, 0, 0, 0),
        ("etc/init.d/28own.rc", 0o755, 0, 0, 0),
    ]


def test_localhost() -> None:
    """A node whose /etc/hosts the overlay replaces still knows localhost."""
    hosts = _held(overlay(FILES))["etc/hosts"].splitlines()
    assert "127.0.0.1 localhost" in hosts
    assert hosts[-1] == "10.0.0.1 quay.io"


def test_same_file() -> None:
    """A file that two runtimes share is in it once; one that they want differently is refused."""
    assert overlay([*FILES, FILES[0]]) == overlay(FILES)
    with pytest.raises(UsageError, match=r"two runtimes want etc/hosts differently"):
        overlay([*FILES, NodeFile("etc/hosts", "10.0.0.2 quay.io\n", Merge.HOSTS)])


def test_command(tmp_path: Path) -> None:
    """The tar, of three runtimes unless told otherwise, goes to stdout or to the file of -o."""
    env = clean_environment(tmp_path)
    options = ("--mechanism", "spoof-http", "--upstream", "quay.io")
    said = run(*OVERLAY, *options, env=env)
    held = _held(said.out.encode())
    assert "10.0.0.1 quay.io" in held["etc/hosts"].splitlines()
    assert {"etc/containerd/certs.d/quay.io/hosts.toml", "etc/containerd/config.toml"} <= set(held)
    assert 'location = "quay.io"' in held["etc/containers/registries.conf.d/50-lreg.conf"]
    assert not said.err

    file = tmp_path / "lreg.tar"
    assert not run(*OVERLAY, *options, "-o", str(file), env=env).out
    assert file.read_bytes() == said.out.encode()


def test_one_version(tmp_path: Path) -> None:
    """A version is of one runtime: that of containerd does not make CRI-O an old one."""
    env, told = clean_environment(tmp_path), ("--for-version", "2.1", "--runtime")
    assert "name which" in attempt(*OVERLAY, *told, "containerd,crio", env=env).err
    assert "version = 3" in run(*OVERLAY, *told, "containerd", env=env).out


@pytest.mark.parametrize(
    ("runtimes", "why"),
    [
        ("crio,containerdd", "the nearest is 'containerd'"),
        ("crio,kind", "kind: its files are not for nodes themselves"),
    ],
)
def test_refused(tmp_path: Path, runtimes: str, why: str) -> None:
    """What can't be in it is said, and then there is no tar at all."""
    file = tmp_path / "lreg.tar"
    env = clean_environment(tmp_path)
    said = attempt(*OVERLAY, "--runtime", runtimes, "--output", str(file), env=env)
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert not file.exists()


def test_terminal(tmp_path: Path) -> None:
    """No tar is poured onto a terminal."""
    _, terminal = pty.openpty()
    env = clean_environment(tmp_path)
    done = subprocess.run(
        OVERLAY, stdout=terminal, stderr=subprocess.PIPE, env=env, check=False, timeout=60
    )
    os.close(terminal)
    assert done.returncode == 2
    assert b"stdout is a terminal" in done.stderr
