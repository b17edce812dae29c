"""CRI-O's drop-ins: of the files that set a key the last one counts, and there lreg's word goes."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError
from lreg.node.doctor import files as doctor
from lreg.node.runtimes import files_for
from tests.unit.node.nodes import apply, make, plan, survey, undo

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.rooted import Root

OURS = "etc/crio/crio.conf.d/50-lreg.conf"
LATER = "etc/crio/crio.conf.d/99-corp.conf"
ENFORCING = '# By\n[crio.image]\nshort_name_mode = "enforcing" # safe\npause_image = "corp/p"\n'
SEARCH = "etc/containers/registries.conf.d/99-corp.conf"


def tell(root: Path, files: dict[str, str]) -> Root:
    """Apply CRI-O's mirrors to a node with these files, undo, and apply again."""
    node = make(root, files)
    before = survey(node)
    ours = files_for("crio", plan())
    apply(node, *ours, name="crio")
    undo(node)
    assert survey(node) == before
    apply(node, *ours, name="crio")
    return node


def said(root: Root, *, ok: bool = False) -> list[str]:
    """What the doctor finds in the files, red or green."""
    found = doctor.check("crio", plan(), root, "1.36.3")
    return [each.said for each in found if each.ok == ok]


def test_a_later_drop_in(tmp_path: Path) -> None:
    """A later file that says otherwise is edited there, and keeps its comments."""
    root = tell(tmp_path, {LATER: ENFORCING})
    assert (tmp_path / LATER).read_text() == ENFORCING.replace('"enforcing"', '"disabled"')
    assert not (tmp_path / OURS).exists()
    assert said(root) == []


def test_folders_among_them(tmp_path: Path) -> None:
    """A folder among the drop-ins is none of them, nor is one that is masked."""
    root = make(tmp_path, {})
    for path in ("etc/crio/crio.conf.d/old", "etc/containers/registries.conf.d/99-old.conf"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path).with_name("98-masked.conf").symlink_to("/dev/null")
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev/null")  # only root makes devices
    assert apply(root, *files_for("crio", plan()), name="crio").changes
    assert said(root) == []


def test_an_earlier_one(tmp_path: Path) -> None:
    """A file that is read before ours, the main one too, stays as it is."""
    files = {"etc/crio/crio.conf": ENFORCING, "etc/crio/crio.conf.d/10-a.conf": ENFORCING}
    root = tell(tmp_path, files)
    assert {path: (tmp_path / path).read_text() for path in files} == files
    values = tomllib.loads((tmp_path / OURS).read_text())
    assert values["crio"]["image"] == {"short_name_mode": "disabled"}
    assert said(root) == []


def test_the_old_one(tmp_path: Path) -> None:
    """CRI-O of old has its list of registries edited where a drop-in has the last word on it."""
    later = '[crio.image]\nregistries = ["corp:5000"]\n'
    node = make(tmp_path, {LATER: later})
    apply(node, *files_for("crio", replace(plan(), version="1.19")), name="crio")
    values = tomllib.loads((tmp_path / LATER).read_text())
    assert values["crio"]["image"]["registries"][0] == "10.0.0.1:5000"
    main = tomllib.loads((tmp_path / "etc/crio/crio.conf").read_text())
    assert "registries" not in main["crio"]["image"]
    assert "10.0.0.1:5000" in main["crio"]["image"]["insecure_registries"]


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (LATER, ENFORCING, f"/{LATER}: short_name_mode is 'enforcing'"),
        (SEARCH, 'unqualified-search-registries = ["docker.io"]\n', "10.0.0.1:5000 is not the"),
        (LATER, "[", "CRI-O does not start"),
    ],
    ids=["short names", "search", "broken"],
)
def test_what_comes_afterwards(tmp_path: Path, path: str, text: str, words: str) -> None:
    """A drop-in that somebody adds later and that undoes ours is red."""
    root = tell(tmp_path, {"etc/crio/crio.conf.d/10-a.conf": ""})
    assert said(root) == []
    make(tmp_path, {path: text})
    assert any(words in each for each in said(root))


def test_a_broken_drop_in(tmp_path: Path) -> None:
    """A drop-in that CRI-O can't read is said to be one."""
    with pytest.raises(LregError, match=r"99-corp.conf is no valid TOML"):
        tell(tmp_path, {LATER: "["})


def test_a_drop_in_of_roots_own(tmp_path: Path) -> None:
    """What root has in its home folder is read last, so that ours goes there."""
    own = "root/.config/containers/registries.conf.d/own.conf"
    text = '[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "corp/hub"\n'
    root = tell(tmp_path, {own: text})
    (table,) = tomllib.loads((tmp_path / own).read_text())["registry"]
    assert [each["location"] for each in table["mirror"]] == ["10.0.0.1:5000/docker.io", "corp/hub"]
    assert said(root) == []
