"""Kustomizations: as they stand, and as kustomize itself builds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.images.finding import kustomize
from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write
from tests.unit.images.finding.test_manifests import POD

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = "sha256:" + "cd" * 32


def _object(kind: str, name: str, image: str) -> str:
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
        f"spec: {{template: {{spec: {{containers: [{{name: c, image: '{image}'}}]}}}}}}\n"
    )


TREE = {
    "base/kustomization.yaml": "resources: [web.yaml, db.yaml]\n",
    "base/web.yaml": _object("Deployment", "web", "org/web:1"),
    "base/db.yaml": _object("StatefulSet", "db", "quay.io/org/db:13"),
    "prod/kustomization.yaml": f"""\
bases: [../base]
resources: [extra.yaml]
images:
- {{name: org/web, newName: registry.example.org/web, newTag: "2"}}
- {{name: quay.io/org/db, digest: "{_DIGEST}"}}
- {{name: org/other, newTag: "9"}}
""",
    "prod/extra.yaml": _object("Deployment", "extra", "org/extra:3"),
}
PROD = {
    "registry.example.org/web:2",
    f"quay.io/org/db@{_DIGEST}",
    "docker.io/org/extra:3",
}


def _images(folder: Path) -> set[str]:
    findings = find(Sources((str(folder),)), {})
    assert findings.problems == []
    assert all(need.sure for need in findings.needs())
    return {need.image for need in findings.needs()}


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("key", ["bases", "components", "resources"])
def test_as_it_stands(tmp_path: Path, key: str) -> None:
    """Without kustomize an overlay needs its base's images with its own overrides put in."""
    text = TREE["prod/kustomization.yaml"]
    if key == "resources":
        text = text.replace("bases: [../base]\n", "").replace("[extra", "[../base, extra")
    write(tmp_path, TREE | {"prod/kustomization.yaml": text.replace("bases:", f"{key}:")})
    assert _images(tmp_path / "prod") == PROD
    assert _images(tmp_path / "base") == {"docker.io/org/web:1", "quay.io/org/db:13"}


@pytest.mark.usefixtures("no_programs")
def test_a_base_is_not_listed_beside_its_overlay(tmp_path: Path) -> None:
    """Of a folder with both, what the overlay makes of the base is needed; other files too."""
    write(tmp_path, TREE | {"prod/unused.yaml": POD.format(name="u", image="org/unused:1")})
    assert _images(tmp_path) == PROD | {"docker.io/org/unused:1"}


@pytest.mark.client("kubectl")
def test_as_kustomize_does(tmp_path: Path) -> None:
    """What is read as it stands is what kustomize builds, and the program is asked where it is."""
    write(tmp_path, TREE)
    assert _images(tmp_path / "prod") == PROD
    read = kustomize.read(kustomize.load(tmp_path / "prod/kustomization.yaml"))
    assert {need.image for need in read.needs()} == PROD
    places = find(Sources((str(tmp_path / "prod"),)), {}).found
    assert {one.place.line for one in places} == {0}
    assert str(places[0].place).startswith(f"{tmp_path}/prod/kustomization.yaml: ")


@pytest.mark.client("kubectl")
def test_no_render(tmp_path: Path) -> None:
    """No program is run where none is wanted: each image has its line, then."""
    write(tmp_path, TREE)
    findings = find(Sources((str(tmp_path / "prod"),), render=False), {})
    assert {need.image for need in findings.needs()} == PROD
    assert all(one.place.line for one in findings.found)


@pytest.mark.client("kubectl")
def test_component(tmp_path: Path) -> None:
    """A component can't be built by itself: it is read as it stands, and that is no problem."""
    text = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [web.yaml]\n"
    write(tmp_path, {"kustomization.yaml": text, "web.yaml": TREE["base/web.yaml"]})
    assert _images(tmp_path) == {"docker.io/org/web:1"}


@pytest.mark.client("kubectl")
def test_broken_for_kustomize(tmp_path: Path) -> None:
    """Where kustomize can't build it, that is said, and what can be read is read."""
    write(tmp_path, {"kustomization.yaml": "resources: [gone.yaml, web.yaml]\n"})
    write(tmp_path, {"web.yaml": TREE["base/web.yaml"]})
    findings = find(Sources((str(tmp_path),)), {})
    assert [need.image for need in findings.needs()] == ["docker.io/org/web:1"]
    (problem,) = findings.problems
    assert "it is read as it stands: " in problem.why


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("resources: ['https://github.com/org/app//deploy?ref=v1']\n", "lies elsewhere"),
        ("resources: [../a]\n", "it has no kustomization.yaml"),
        ("helmCharts: [{name: web, repo: 'https://charts.example.org'}]\n", "are not read"),
        ("resources: [\n", "it is not YAML"),
        ("resources: [.]\n", "it builds on too many others, or on itself"),
    ],
)
def test_what_it_lacks(tmp_path: Path, text: str, why: str) -> None:
    """What lies elsewhere, or in a circle, is said: its images are not in the list."""
    write(tmp_path, {"a/x.txt": "", "k/kustomization.yaml": text})
    findings = find(Sources((str(tmp_path / "k" / "kustomization.yaml"),)), {})
    assert why in " ".join(problem.why for problem in findings.problems)


@pytest.mark.usefixtures("no_programs")
def test_entangled(tmp_path: Path) -> None:
    """Thirty levels of two that build on both below are 2^30 ways; that is left, and said."""
    for level in range(30):
        for side in "ab":
            below = f"resources: [../a{level + 1}, ../b{level + 1}]\n" if level < 29 else "x: y\n"
            write(tmp_path, {f"{side}{level}/kustomization.yaml": below})
    findings = find(Sources((str(tmp_path / "a0"),)), {})
    assert "too many others" in " ".join(problem.why for problem in findings.problems)


@pytest.mark.usefixtures("no_programs")
def test_circle(tmp_path: Path) -> None:
    """Of kustomizations that build on one another the images are found all the same."""
    for name, other in (("a", "b"), ("b", "a")):
        text = f"resources: [../{other}, web.yaml]\n"
        write(tmp_path, {f"{name}/kustomization.yaml": text})
        write(tmp_path, {f"{name}/web.yaml": _object("Deployment", name, f"org/{name}:1")})
    needs = find(Sources((str(tmp_path),)), {}).needs()
    assert [need.image for need in needs] == ["docker.io/org/a:1", "docker.io/org/b:1"]


@pytest.mark.usefixtures("no_programs")
def test_patches(tmp_path: Path) -> None:
    """An image that a patch brings in is found as well: in a file, or as a text."""
    write(
        tmp_path,
        {
            "kustomization.yaml": (
                "patches:\n- path: side.yaml\n- patch: |\n    kind: Deployment\n"
                "    spec: {x: {image: 'org/inline:1'}}\n"
            ),
            "side.yaml": _object("Deployment", "web", "org/side:1"),
        },
    )
    found = {need.image: need.sure for need in find(Sources((str(tmp_path),)), {}).needs()}
    assert found == {"docker.io/org/side:1": True, "docker.io/org/inline:1": False}
