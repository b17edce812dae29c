"""People's real files: what they mean stays, what lreg needs is there, and undo gives the bytes.

Each folder under `real` is the root of a node, with the files that a distribution, a tool or a
person left there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lreg.node.merging.documents import meaning
from lreg.node.plan import Mechanism, Merge, NodePlan, RegistryAddress
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for
from tests.unit.node.keeping import assert_kept
from tests.unit.node.nodes import REGISTRIES, apply, survey, undo

REAL = Path(__file__).parent / "real"
UPSTREAMS = ("docker.io", "quay.io")
FORMS = {".json": Merge.JSON, ".toml": Merge.TOML, ".conf": Merge.TOML, ".yaml": Merge.YAML}
# By the node's name: the runtime that reads its files, and its version.
RUNTIMES = {
    "buildkit": ("buildkit", ""),
    "containerd-1.6-default": ("containerd", "1.6.20"),
    "containerd-2.3-default": ("containerd", "2.3.4"),
    "containerd-debian": ("containerd", ""),
    "containerd-docker-repo": ("containerd", ""),
    "containerd-kind": ("containerd", "1.7.15"),
    "containerd-minikube": ("containerd", "1.7.23"),
    "containerd-mirrors": ("containerd", "1.6.20"),
    "containerd-v1": ("containerd", "1.6.20"),
    "crio-old": ("crio", "1.18.0"),
    "docker-busy": ("docker", "29.0"),
    "docker-dos": ("docker", ""),
    "docker-empty": ("docker", "20.10.24"),
    "docker-tiny": ("docker", ""),
    "k3s": ("k3s", ""),
    "k3s-embedded": ("k3s", ""),
    "microk8s": ("microk8s", ""),
    "podman-debian": ("podman", ""),
    "podman-fedora": ("podman", ""),
    "podman-v1": ("podman", ""),
}


def plan_for(name: str, mechanism: Mechanism) -> NodePlan:
    """A plan that the runtime of a node can be told."""
    runtime, version = RUNTIMES[name]
    only_hub = runtime == "docker" and mechanism is Mechanism.MIRROR and version != "29.0"
    tls = mechanism is Mechanism.SPOOF_TLS
    return NodePlan(
        registry=RegistryAddress.parse(REGISTRIES[mechanism]),
        upstreams=UPSTREAMS[:1] if only_hub else UPSTREAMS,
        mechanism=mechanism,
        ca="CA\n" if tls else None,
        version=version,
    )


def test_every_node_is_tried() -> None:
    """No folder of files is without a test."""
    assert sorted(path.name for path in REAL.iterdir()) == sorted(RUNTIMES)


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("name", RUNTIMES)
def test_real_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mechanism: Mechanism
) -> None:
    """All that the owner set stays in force, with every comment, and undo gives every byte."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    folder = tmp_path / "node"
    shutil.copytree(REAL / name, folder)
    root = Root(folder)
    before = survey(root)
    told = plan_for(name, mechanism)
    apply(root, *files_for(RUNTIMES[name][0], told), name=RUNTIMES[name][0], told=told)
    for path in sorted(REAL.glob(f"{name}/**/*")):
        if path.is_file():
            now = folder / path.relative_to(REAL / name)
            check(path.read_text(), now.read_text(), FORMS.get(path.suffix, Merge.HOSTS))
    assert (
        apply(root, *files_for(RUNTIMES[name][0], told), name=RUNTIMES[name][0], told=told).changes
        == ()
    )
    undo(root)
    assert survey(root) == before


def check(before: str, after: str, form: Merge) -> None:
    """Fail unless a file still says all that it said before, in words and by meaning."""
    comments = [line.strip() for line in before.splitlines() if line.strip().startswith("#")]
    assert [line for line in comments if line not in after] == []
    if form is Merge.HOSTS:
        assert set(before.splitlines()) <= set(after.splitlines())
    else:
        assert_kept(meaning(before, form, "before"), meaning(after, form, "after"))
