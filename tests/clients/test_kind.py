"""kind's own reading of what `lreg node emit kind` gives, before a Docker that makes no node."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import attempt, clean_environment, run
from tests.tools import build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Said

pytestmark = pytest.mark.client("kind")

# As much of Docker as kind asks before it makes the first node, which fails.
_DOCKER = """\
#!/bin/sh
echo "$@" >>told
case "$1" in
  -v) echo "Docker version 29.8.1, build none" ;;
  info) echo "{}" ;;
  run) exit 1 ;;
esac
"""
_WAYS = {
    "mirror": "http://10.0.0.1:5000",
    "spoof-http": "http://10.0.0.1",
    "spoof-tls": "https://10.0.0.1",
}
_CERTS = "etc/containerd/certs.d"


def create(folder: Path) -> Said:
    """Run `kind create cluster` in the folder of the files, with that Docker."""
    docker = folder / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    env = clean_environment(folder, PATH=f"{docker.parent}:{os.environ['PATH']}")
    return attempt(
        str(build("kind")), "create", "cluster", "--config=kind.yaml", env=env, cwd=folder
    )


def emit(folder: Path, way: str) -> None:
    """Have the files emitted into the folder."""
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    argv = [sys.executable, "-m", "lreg", "node", "emit", "kind", f"--mechanism={way}", "-o", "."]
    argv += [
        f"--registry={_WAYS[way]}",
        "--ca=ca.pem",
        "--upstream=docker.io",
        "--upstream=quay.io",
    ]
    run(*argv, env=clean_environment(folder), cwd=folder)


@pytest.mark.parametrize("way", _WAYS)
def test_cluster_file(tmp_path: Path, way: str) -> None:
    """Kind takes the file, and would start a node that has the folder of hosts.toml mounted."""
    emit(tmp_path, way)
    said = create(tmp_path)
    assert "decode" not in said.err, said.err
    (started,) = (
        line for line in (tmp_path / "told").read_text().splitlines() if line.startswith("run ")
    )
    assert f"--volume={tmp_path}/node/{_CERTS}:/{_CERTS}:ro" in started.split()


def test_it_reads_strictly(tmp_path: Path) -> None:
    """A key that kind does not know would have been refused."""
    emit(tmp_path, "mirror")
    file = tmp_path / "kind.yaml"
    file.write_text(file.read_text().replace("extraMounts", "extraMount"))
    assert "field extraMount not found" in create(tmp_path).err
