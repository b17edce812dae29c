"""What can't work is refused, with the reason and what does."""

from __future__ import annotations

from typing import Any

import pytest

from lreg.errors import UsageError
from lreg.node.plan import Mechanism, NodePlan
from lreg.node.runtimes import RUNTIMES, files_for
from tests.unit.node.plans import plan

_SIX = "[fd00::1]:5000"


def _refused(name: str, how: NodePlan) -> str:
    with pytest.raises(UsageError) as refused:
        files_for(name, how)
    return str(refused.value)


@pytest.mark.parametrize("name", ["crio", "podman", "buildah", "skopeo", "microk8s", "k3s", "rke2"])
def test_an_ipv6_mirror(name: str) -> None:
    """Where an IPv6 address would break every pull, or silently the mirror, a name does."""
    assert "--registry-name" in _refused(name, plan(registry=_SIX))
    files = files_for(name, plan(registry=_SIX, name="lreg.internal"))
    assert all("fd00" not in file.text for file in files if file.path != "etc/hosts")
    assert any("fd00::1 lreg.internal\n" in file.text for file in files)


@pytest.mark.parametrize(
    ("name", "too_old", "new_enough"),
    [
        ("containerd", "1.7.34", "2.0"),
        ("nerdctl", "1.7", "2.1.3"),
        ("kind", "v0.26", "v0.27.0"),
        ("k3s", "v1.32.1+k3s1", "v1.33.0+k3s1"),
        ("talos", "v1.8.0", "v1.9"),
    ],
)
def test_an_ipv6_mirror_depends_on_the_version(name: str, too_old: str, new_enough: str) -> None:
    """Containerd 2.x takes an IPv6 mirror; one that may be older is not given any."""
    assert files_for(name, plan(registry=_SIX, version=new_enough))
    assert "--registry-name" in _refused(name, plan(registry=_SIX, version=too_old))
    assert "--for-version" in _refused(name, plan(registry=_SIX))


@pytest.mark.parametrize("name", ["containerd", "nerdctl"])
def test_an_ipv6_mirror_without_fallback(name: str) -> None:
    """A form that every containerd reads has room for an IPv6 address, but not for the internet."""
    assert files_for(name, plan(registry=_SIX, fallback=False, version="1.6"))


@pytest.mark.parametrize("version", ["", "20.10.24", "28.5"])
def test_mirrors_in_docker(version: str) -> None:
    """Docker without the containerd image store mirrors its Hub only, and falls back always."""
    assert "registry.k8s.io would come from the internet" in _refused(
        "docker", plan(version=version)
    )
    hub = plan(version=version, upstreams=("docker.io",))
    assert files_for("docker", hub)
    only = plan(version=version, upstreams=("docker.io",), fallback=False)
    assert "always falls back" in _refused("docker", only)
    assert files_for("docker", plan(version="29.0.0", fallback=False))


def test_mirrors_in_kaniko() -> None:
    """Kaniko can't say which upstream it means by a mirror: docker.io is all it can have there."""
    assert "--upstream docker.io" in _refused("kaniko", plan())


@pytest.mark.parametrize(
    ("name", "version"), [("buildkit", ""), ("k3s", "1.29"), ("rke2", "v1.28.4+rke2r1")]
)
def test_no_fallback(name: str, version: str) -> None:
    """Where a mirror can't be all there is, that is said, and that a spoof can."""
    assert "spoof" in _refused(name, plan(fallback=False, version=version))


def test_mirrors_in_an_old_crio() -> None:
    """A CRI-O that knows no mirrors is not given any."""
    assert "spoof-http" in _refused("crio", plan(version="1.17.3"))


@pytest.mark.parametrize("name", [name for name, each in RUNTIMES.items() if not each.on_node])
def test_a_loopback_address(name: str) -> None:
    """Nodes elsewhere are not told that lreg is on themselves."""
    usual = plan(registry="127.0.0.1:5000", upstreams=("docker.io",))
    assert "is the node itself" in _refused(name, usual)


@pytest.mark.parametrize("name", ["kubernetes", "cloud-init"])
def test_files_of_no_node(name: str) -> None:
    """What carries files to nodes is not told to carry those of another such thing."""
    assert "no runtime on a node" in _refused(name, plan(inner="kind"))


def test_what_minikube_has_not() -> None:
    """Minikube runs three runtimes, and keeps its nodes' /etc/hosts to itself."""
    assert "has no podman" in _refused("minikube", plan(inner="podman"))
    assert "/etc/hosts" in _refused("minikube", plan(name="lreg.internal"))


def test_a_system_ca_in_kubernetes() -> None:
    """A pod that can't make the node trust a CA does not claim to."""
    spoof = plan(Mechanism.SPOOF_TLS, inner="docker")
    assert "trust a CA" in _refused("kubernetes", spoof)


@pytest.mark.parametrize("version", ["newest", "v", "-1"])
def test_a_version_that_is_none(version: str) -> None:
    """A version that can't be read is not guessed at."""
    assert "no version" in _refused("containerd", plan(version=version))


def test_a_runtime_that_there_is_not() -> None:
    """A mistyped runtime is answered with the nearest."""
    assert "nearest is 'containerd'" in _refused("contained", plan())


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"upstreams": ()}, "at least one upstream"),
        ({"ca": None, "mechanism": Mechanism.SPOOF_TLS}, "needs the CA"),
        ({"registry": "http://lreg", "how": Mechanism.SPOOF_HTTP}, "takes an address"),
        ({"registry": "0.0.0.0:5000"}, "name one of them"),
        ({"registry": "http://lreg", "name": "lreg.internal"}, "takes an address"),
        ({"how": Mechanism.SPOOF_HTTP, "upstreams": ("reg.corp:5000",)}, "can't be spoofed"),
        ({"upstreams": ("quay.io", "10.0.0.1:5000")}, "is lreg itself"),
        ({"registry": 'http://[fe80::1%x"]:5000'}, "on one link"),
    ],
)
def test_plans_that_make_no_sense(more: dict[str, Any], reason: str) -> None:
    """A plan that no runtime could be told is refused before any is."""
    with pytest.raises(UsageError, match=reason):
        plan(**more)
