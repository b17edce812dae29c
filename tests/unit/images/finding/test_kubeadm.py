"""What kubeadm pulls, from lreg's table or from a kubeadm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.images.finding.kubeadm import images
from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write

if TYPE_CHECKING:
    from pathlib import Path


def _names(version: str, registry: str = "") -> list[str]:
    return [str(reference) for reference, _ in images(version, registry)]


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("version", "registry", "pause", "etcd", "coredns"),
    [
        ("v1.20.15", "k8s.gcr.io", "pause:3.2", "etcd:3.4.13-0", "coredns:1.7.0"),
        ("v1.24.8", "k8s.gcr.io", "pause:3.7", "etcd:3.5.5-0", "coredns/coredns:v1.8.6"),
        ("1.24.9", "registry.k8s.io", "pause:3.7", "etcd:3.5.6-0", "coredns/coredns:v1.8.6"),
        ("v1.30.4", "registry.k8s.io", "pause:3.9", "etcd:3.5.12-0", "coredns/coredns:v1.11.1"),
        ("v1.35", "registry.k8s.io", "pause:3.10.1", "etcd:3.6.6-0", "coredns/coredns:v1.13.1"),
    ],
)
def test_table(version: str, registry: str, pause: str, etcd: str, coredns: str) -> None:
    """Each version has its pause, etcd and CoreDNS, from the registry that it pulls from."""
    found = _names(version)
    assert {f"{registry}/{each}" for each in (pause, etcd, coredns)} <= set(found)
    assert len(found) == 7
    exact = f"v{version.removeprefix('v')}{'' if version.count('.') == 2 else '.0'}"
    assert sum(name.endswith(f":{exact}") for name in found) == 4


@pytest.mark.usefixtures("no_programs")
def test_newer_than_the_table() -> None:
    """Of a version that nobody here knows, what goes with it is a guess."""
    assert not any(sure for _, sure in images("v1.99.0"))
    assert all(sure for _, sure in images("v1.36.1"))


@pytest.mark.usefixtures("no_programs")
def test_own_registry() -> None:
    """Another registry has all images side by side."""
    assert "registry.example.org/k8s/coredns:v1.11.1" in _names(
        "v1.30.0", "registry.example.org/k8s"
    )


@pytest.mark.parametrize("version", ["", "latest", "2.0.0", "v1", "v1.2.3.4", "v1.30.0 --x"])
def test_no_version(version: str) -> None:
    """What is no version is said to be none, and reaches no program."""
    with pytest.raises(UsageError, match="no version of Kubernetes"):
        images(version)


def test_kubeadm_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeadm that is here knows better."""
    program = tmp_path / "kubeadm"
    program.write_text('#!/bin/sh\n[ "$5" = v1.30.0 ] && echo registry.k8s.io/pause:9\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _names("1.30") == ["registry.k8s.io/pause:9"]
    assert len(_names("v1.31.0")) == 7


@pytest.mark.usefixtures("no_programs")
def test_cluster_configuration(tmp_path: Path) -> None:
    """A kubeadm configuration among the manifests needs what kubeadm pulls for it."""
    text = (
        "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
        "kubernetesVersion: v1.29.0\nimageRepository: registry.example.org\n"
    )
    needs = find(Sources((str(write(tmp_path, {"k.yaml": text})),)), {}).needs()
    assert "registry.example.org/kube-proxy:v1.29.0" in {need.image for need in needs}
    assert all(need.sure for need in needs)
