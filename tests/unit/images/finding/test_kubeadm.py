"""What kubeadm pulls, from lreg's table or from a kubeadm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.images.finding import kubeadm
from lreg.images.finding.found import Findings, Place
from lreg.images.finding.sources import Sources, find
from tests.unit.images.finding.conftest import write

if TYPE_CHECKING:
    from pathlib import Path


def _found(version: str) -> Findings:
    findings = Findings()
    kubeadm.find(version, Place("here"), findings)
    return findings


def _names(version: str) -> list[str]:
    return [str(one.reference) for one in _found(version).found]


def _of_configuration(folder: Path, fields: str) -> set[str]:
    """Return the images of a ClusterConfiguration among manifests, all of which are sure."""
    text = f"apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n{fields}"
    needs = find(Sources((str(write(folder, {"k.yaml": text})),)), {}).needs()
    assert all(need.sure for need in needs)
    return {need.image for need in needs}


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(
    ("version", "registry", "pause", "etcd", "coredns"),
    [
        ("v1.20.15", "k8s.gcr.io", "pause:3.2", "etcd:3.4.13-0", "coredns:1.7.0"),
        ("v1.24.8", "k8s.gcr.io", "pause:3.7", "etcd:3.5.5-0", "coredns/coredns:v1.8.6"),
        ("1.24.9", "registry.k8s.io", "pause:3.7", "etcd:3.5.6-0", "coredns/coredns:v1.8.6"),
        ("v1.30.4", "registry.k8s.io", "pause:3.9", "etcd:3.5.12-0", "coredns/coredns:v1.11.1"),
        ("v1.35", "registry.k8s.io", "pause:3.10.1", "etcd:3.6.6-0", "coredns/coredns:v1.13.1"),
        ("1.37.2", "registry.k8s.io", "pause:3.10.2", "etcd:3.7.0-0", "coredns/coredns:v1.14.6"),
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
    """Of a version that nobody here knows, what goes with it is a guess, and that is said."""
    findings = _found("v1.99.0")
    guessed = {str(one.reference.repository) for one in findings.found if not one.sure}
    assert guessed == {"pause", "etcd", "coredns/coredns"}
    assert "registry.k8s.io/kube-apiserver:v1.99.0" in _names("v1.99.0")
    (problem,) = findings.problems
    assert "v1.99.0 is newer than what is known here, up to 1.37" in problem.why
    known = _found("v1.37.9")
    assert all(one.sure for one in known.found)
    assert known.problems == []


@pytest.mark.usefixtures("no_programs")
def test_version_with_a_build() -> None:
    """What stands after a `+` goes into the tag as kubeadm writes it."""
    assert "registry.k8s.io/kube-proxy:v1.30.1_own.2" in _names("v1.30.1+own.2")


@pytest.mark.parametrize("version", ["", "latest", "2.0.0", "v1", "v1.2.3.4", "v1.30.0 --x"])
def test_no_version(version: str) -> None:
    """What is no version is said to be none, and reaches no program."""
    with pytest.raises(UsageError, match="no version of Kubernetes"):
        _found(version)


KUBEADM = """\
#! /bin/sh
test "$1" = version && echo v1.30.4 && exit
case $5 in v1.29.*) exit 1;; esac
echo "registry.k8s.io/kube-proxy:$5 registry.k8s.io/pause:9"
"""


def test_kubeadm_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeadm that is here knows better; of a version newer than its own it only guesses."""
    program = tmp_path / "kubeadm"
    program.write_text(KUBEADM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    own = _found("1.30")
    assert [one.sure for one in own.found] == [True, True]
    assert str(own.found[1].reference) == "registry.k8s.io/pause:9"
    assert len(_names("v1.29.0")) == 7
    newer = _found("v1.31.0")
    assert [one.sure for one in newer.found] == [True, False]
    assert "up to 1.30" in newer.problems[0].why


@pytest.mark.usefixtures("no_programs")
def test_cluster_configuration(tmp_path: Path) -> None:
    """A kubeadm configuration among the manifests needs what kubeadm pulls for it.

    Another registry has all images side by side; Kubernetes' own has CoreDNS in a folder, named or
    not.
    """
    version = "kubernetesVersion: v1.29.0\n"
    other = _of_configuration(tmp_path, f"{version}imageRepository: registry.example.org/k8s\n")
    assert {
        "registry.example.org/k8s/kube-proxy:v1.29.0",
        "registry.example.org/k8s/coredns:v1.11.1",
    } <= other
    named = _of_configuration(tmp_path, f"{version}imageRepository: registry.k8s.io\n")
    assert named == _of_configuration(tmp_path, version)
    assert "registry.k8s.io/coredns/coredns:v1.11.1" in named


@pytest.mark.usefixtures("no_programs")
def test_parts_of_a_cluster_configuration(tmp_path: Path) -> None:
    """A configuration may take etcd and CoreDNS from elsewhere, or do without a part."""
    version = "kubernetesVersion: v1.33.0\n"
    own = _of_configuration(
        tmp_path,
        f"{version}etcd: {{local: {{imageTag: 3.5.99-0}}}}\n"
        "dns: {imageRepository: example.org/dns, imageTag: v9}\nproxy: {disabled: true}\n",
    )
    assert {"registry.k8s.io/etcd:3.5.99-0", "example.org/dns/coredns:v9"} <= own
    assert len(own) == 6
    assert not any("kube-proxy" in name for name in own)
    without = _of_configuration(
        tmp_path, f"{version}etcd: {{external: {{endpoints: []}}}}\ndns: {{disabled: true}}\n"
    )
    assert not any("etcd" in name or "coredns" in name for name in without)
    assert len(without) == 5
