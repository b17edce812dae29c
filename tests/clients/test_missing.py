"""What a run says about real clients that are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_without_clients(workers: int, **env: str) -> tuple[int, str]:
    """Run a test that needs skopeo where no program can be found; 0 workers: as one process."""
    name = "tests/clients/test_skopeo.py::test_unknown_image"
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"-n{workers}", name]
    env = {"PATH": "/nonexistent"} | env
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [0, 1])
def test_said_loudly(workers: int) -> None:
    """Where a client is missing its tests are skipped, and the run ends by saying so."""
    code, out = run_without_clients(workers)
    assert code == 0
    assert "2 skipped" in out
    assert "MISSING CLIENTS: their tests did not run" in out
    assert "skopeo: no skopeo here (Debian: apt install skopeo)" in out


@pytest.mark.parametrize("workers", [0, 1])
def test_failure_in_ci(workers: int) -> None:
    """With CI=true a missing client is a failure: a green run promises that it was tested."""
    code, out = run_without_clients(workers, CI="true")
    assert code == 1
    assert "CI=true, and skopeo: no skopeo here" in out
    assert "MISSING CLIENTS" in out
