"""Manifests of well-known projects' shapes: nothing is missed, guesses are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write
from tests.unit.images.finding.corpus import CORPUS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("name", CORPUS)
def test_nothing_is_missed(name: str, tmp_path: Path) -> None:
    """Each image that a project's files name is found; what is a guess is marked, all else not."""
    project = CORPUS[name]
    write(tmp_path, project.files)
    needs = find(Sources((str(tmp_path),)), {}).needs()
    assert {need.image for need in needs if need.sure} == project.sure
    assert {need.image for need in needs if not need.sure} == project.guessed


@pytest.mark.usefixtures("no_programs")
def test_all_at_once(tmp_path: Path) -> None:
    """A folder of all of them needs what they need together; each place is one of a file's."""
    for name, project in CORPUS.items():
        write(tmp_path / name, project.files)
    needs = find(Sources((str(tmp_path),)), {}).needs()
    assert {need.image for need in needs} == set().union(
        *(project.sure | project.guessed for project in CORPUS.values())
    )
    for found in (one for need in needs for one in need.found if ".yaml/" not in one.place.file):
        assert found.place.line or found.place.path, found
