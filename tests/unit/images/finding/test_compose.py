"""Compose files: one image a service, variables put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.images.finding.compose import interpolate, read_env
from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """\
name: shop
x-base: &base {image: "redis:${REDIS:-7}"}
services:
  web: {image: "${REGISTRY:-docker.io}/org/web:${TAG}", environment: {SIDECAR_IMAGE: "org/s:1"}}
  db: {image: postgres}
  cache: {<<: *base}
  built: {build: ., image: org/built:dev}
  lost: {image: "org/lost:${NOWHERE}"}
"""


def test_services(tmp_path: Path) -> None:
    """Each service's image is sure, with what .env and the environment say; what is built is not.

    A variable that means nothing is said.
    """
    write(tmp_path, {"compose.yaml": COMPOSE, ".env": "TAG=1\nREDIS='6'\n"})
    findings = find(Sources((str(tmp_path),)), {"TAG": "2"})
    assert {need.image: need.sure for need in findings.needs()} == {
        "docker.io/org/web:2": True,
        "docker.io/library/postgres:latest": True,
        "docker.io/library/redis:6": True,
        "docker.io/org/built:dev": False,
        "docker.io/org/s:1": False,
    }
    (problem,) = findings.problems
    assert str(problem).endswith("services.lost.image: $NOWHERE has no value: put it into .env")


@pytest.mark.parametrize(
    ("text", "filled", "unset"),
    [
        ("a$X", "a1", []),
        ("${X}b", "1b", []),
        ("$$X", "$X", []),
        ("${E:-d}", "d", []),
        ("${E-d}", "", []),
        ("${N-d}", "d", []),
        ("${N:-${X}}", "1", []),
        ("${N:-${M}}", "", ["M"]),
        ("${X:+y}${N:+z}", "y", []),
        ("${N}", "", ["N"]),
        ("${N:?why}", "", ["N"]),
        ("${X:?why}", "1", []),
        ("100$", "100$", []),
    ],
)
def test_interpolation(text: str, filled: str, unset: list[str]) -> None:
    """Variables mean what the compose specification says."""
    assert interpolate(text, {"X": "1", "E": ""}) == (filled, unset)


def test_env_file() -> None:
    """A .env file has assignments, quotes and comments."""
    text = "# c\nA=1\nexport B = 'x y'\nC=\"#\"\nD=d # why\n1E=no\n"
    assert read_env(text) == {"A": "1", "B": "x y", "C": "#", "D": "d"}
