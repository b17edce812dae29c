"""Which version of a runtime is installed, as its program says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.node.installed import installed_version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("runtime", "program", "said", "version"),
    [
        ("containerd", "containerd", "containerd github.com/c/containerd 1.6.20~ds1 x", "1.6.20"),
        ("nerdctl", "containerd", "containerd github.com/c/containerd/v2 v2.3.4 61c4", "2.3.4"),
        ("docker", "dockerd", "Docker version 20.10.24+dfsg1, build 5d6db84", "20.10.24"),
        ("crio", "crio", "crio version 1.36.3\\nVersion:  1.36.3", "1.36.3"),
        ("podman", "podman", "podman version 4.3.1", "4.3.1"),
        ("k3s", "k3s", "k3s version v1.30.2+k3s1 (aa4794b3)", "1.30.2"),
        ("buildkit", "buildkitd", "buildkitd github.com/moby/buildkit v0.32.2 abc", "0.32.2"),
        ("skopeo", "skopeo", "nothing of the kind", ""),
    ],
)
def test_what_programs_say(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    program: str,
    said: str,
    version: str,
) -> None:
    """The version is the one in what the program says of itself, without what packagers add."""
    fake = tmp_path / program
    fake.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && printf '%b\\n' '{said}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert installed_version(runtime) == version


@pytest.mark.parametrize("runtime", ["crio", "microk8s"])
def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    """Where it is not installed, or has no program to ask, no version is known."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_version(runtime) == ""
