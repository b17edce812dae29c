"""Manifests of well-known projects' shapes: nothing is missed, guesses are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write
from tests.unit.images.finding.corpus import CORPUS
from tests.unit.images.finding.corpus_made import MADE

if TYPE_CHECKING:
    from pathlib import Path

ALL = {**CORPUS, **MADE}


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_missed(name: str, tmp_path: Path) -> None:
    """Each image that a project's files name is found; what is a guess is marked, all else not."""
    project = ALL[name]
    write(tmp_path, project.files)
    needs = find(Sources((str(tmp_path),)), {}).needs()
    assert {need.image for need in needs if need.sure} == project.sure
    assert {need.image for need in needs if not need.sure} == project.guessed


@pytest.mark.usefixtures("no_programs")
def test_all_at_once(tmp_path: Path) -> None:
    """A folder of all of them needs what they need together; each place is one of a file's."""
    for name, project in ALL.items():
        write(tmp_path / name, project.files)
    needs = find(Sources((str(tmp_path),)), {}).needs()
    assert {need.image for need in needs} == set().union(
        *(project.sure | project.guessed for project in ALL.values())
    )
    for found in (one for need in needs for one in need.found if ".yaml/" not in one.place.file):
        assert found.place.line or found.place.path, found


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("name", "fields"), [("k3s", 1), ("flux", 1), ("argo cd", 1), ("fleet", 1), ("operator", 0)]
)
def test_charts_from_elsewhere(name: str, fields: int, tmp_path: Path) -> None:
    """Where a controller fetches a chart, it is said that the chart's own images are not known."""
    write(tmp_path, ALL[name].files)
    problems = find(Sources((str(tmp_path),)), {}).problems
    assert [problem.why for problem in problems] == [
        "the images of the chart that it names are not known here"
    ] * fields


@pytest.mark.usefixtures("no_programs")
def test_chart_packed_in_an_object(tmp_path: Path) -> None:
    """Of a chart that lies packed in a HelmChart it is said that it is not read."""
    text = "kind: HelmChart\nmetadata: {name: x}\nspec: {chartContent: H4sIAAAA}\n# image\n"
    (problem,) = find(Sources((str(write(tmp_path, {"x.yaml": text})),)), {}).problems
    assert "packed in it is not read" in problem.why


def test_stdin_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no stdin, `-` is refused in a sentence."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="stdin is closed"):
        find(Sources(("-",)), {})


@pytest.mark.usefixtures("no_programs")
def test_utf_16(tmp_path: Path) -> None:
    """A file in UTF-16, as Windows writes them, is read like any other."""
    (tmp_path / "x.yaml").write_bytes(
        "kind: Pod\nimage: org/é:1\ntwo: {image: a/b:1}\n".encode("utf-16")
    )
    (need,) = find(Sources((str(tmp_path),)), {}).needs()
    assert need.image == "docker.io/a/b:1"


def test_an_empty_name() -> None:
    """A script's variable with nothing in it is refused: it does not mean the folder it runs in."""
    with pytest.raises(UsageError, match="an empty name"):
        find(Sources(("",)), {})
