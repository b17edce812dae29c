"""Files that look right and silently send pulls to the internet: each is told by its own words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lreg.node.doctor import files
from lreg.node.plan import Mechanism, NodePlan, RegistryAddress
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lreg.node.doctor.finding import Finding

REGISTRY = RegistryAddress.parse("http://10.0.0.1:5000")
PLAN = NodePlan(registry=REGISTRY, upstreams=("docker.io", "quay.io"))
CA = "-----BEGIN CERTIFICATE-----\n"
VERSIONS = {"containerd": "1.7.34", "crio": "1.36.3", "podman": "4.3.1", "docker": "29.1.0"}

CONFIG = "etc/containerd/config.toml"
HUB = "etc/containerd/certs.d/docker.io/hosts.toml"
QUAY = "etc/containerd/certs.d/quay.io/hosts.toml"
REGISTRIES = "etc/containers/registries.conf.d/50-lreg.conf"
DAEMON = "etc/docker/daemon.json"


def look(
    root: Path, name: str, plan: NodePlan, instead: Mapping[str, str | None], version: str = ""
) -> list[Finding]:
    """Return what is found on a node that has the files of a plan, some of them changed."""
    version = version or VERSIONS[name]
    told = {file.path: file.text for file in files_for(name, replace(plan, version=version))}
    for path, text in {**told, **instead}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            (root / path).write_text(text)
    return list(files.check(name, replace(plan, version=version), Root(root), version))


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("mechanism", Mechanism)
def test_what_lreg_writes_is_well(tmp_path: Path, name: str, mechanism: Mechanism) -> None:
    """Files as `lreg node emit` gives them have none of these faults."""
    ca = CA if mechanism is Mechanism.SPOOF_TLS else None
    (finding,) = look(tmp_path, name, replace(PLAN, mechanism=mechanism, ca=ca), {})
    assert finding.ok, finding.said


def _host(url: str = "http://10.0.0.1:5000", can: str = '"pull", "resolve"', more: str = "") -> str:
    return f'[host."{url}"]\n  capabilities = [{can}]\n{more}'


@pytest.mark.parametrize(
    ("instead", "version", "words"),
    [
        ({CONFIG: ""}, "", "sets no config_path"),
        ({CONFIG: "version = [\n"}, "", "no valid TOML"),
        (
            {CONFIG: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n'
             'config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"\n'},
            "2.3.4",
            "config_path is the list",
        ),
        (
            {CONFIG: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n'
             'config_path = "/etc/containerd/certs.d"\n'
             '[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n'
             'endpoint = ["http://10.0.0.1:5000"]\n'},
            "",
            "switches off all of CRI",
        ),
        (
            {CONFIG: 'version = 2\nimports = ["/etc/containerd/more.toml"]\n'
             '[plugins."io.containerd.grpc.v1.cri".registry]\n'
             'config_path = "/etc/containerd/certs.d"\n',
             "etc/containerd/more.toml":
             'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "pause"\n'},
            "1.6.20",
            "sets no config_path",
        ),
        (
            {CONFIG: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n'
             'config_path = "/etc/containerd/certs.d"\n'
             '[plugins."io.containerd.grpc.v1.cri".registry.configs."a:5000".tls]\n'
             'insecure_skip_verify = true\n'},
            "1.6.20",
            "switches off all of CRI",
        ),
        (
            {CONFIG: "version = 3\nimports = ['a.toml']\n"
             "[plugins.'io.containerd.cri.v1.images'.registry]\n"
             "config_path = '/etc/containerd/certs.d'\n",
             "etc/containerd/a.toml": "version = 3\nimports = ['b.toml']\n",
             "etc/containerd/b.toml":
             "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry.mirrors.'quay.io']\n"
             "endpoint = ['https://corp']\n"},
            "2.3.4",
            "/etc/containerd/b.toml: `mirrors`",
        ),
        (
            {CONFIG: "version = 3\nimports = ['a.toml']\n"
             "[plugins.'io.containerd.cri.v1.images'.registry]\n"
             "config_path = '/etc/containerd/certs.d'\n",
             "etc/containerd/a.toml": "version = 3\n"
             "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/srv/certs.d'\n"},
            "2.3.4",
            "/srv/certs.d/_default/hosts.toml is not there",
        ),
        ({QUAY: None}, "", "quay.io is empty, and hides _default"),
        ({QUAY: '[host."http://10.0.0.1:5000"\n'}, "", "passes it over and asks the internet"),
        ({HUB: _host(can='"pull"')}, "", "lacks the capability 'resolve': tags"),
        ({HUB: _host(can='"resolve"')}, "", "lacks the capability 'pull': content"),
        ({HUB: _host("10.0.0.1:5000")}, "", "has no scheme, so that containerd speaks TLS"),
        ({HUB: _host("http://10.0.0.1:5001")}, "", "sends docker.io to http://10.0.0.1:5001, not"),
        ({HUB: 'server = "https://docker.io"\n[host]\n'}, "", "sends docker.io to https://docker"),
        ({HUB: _host(more="  capabilites = []\n")}, "", "no key 'capabilites'"),
        ({HUB: "sever = 1\n" + _host()}, "", "no key 'sever'"),
        ({HUB: _host(more="  skip_verify = true\n")}, "", "skip_verify makes containerd try TLS"),
        (
            {HUB: _host() + _host("http://[fd00::1]:5000")},
            "1.6.20",
            "can't read [host.'http://[fd00::1]:5000'] with an IPv6 address",
        ),
        ({HUB: 'server = "http://10.0.0.1:5000"\n'}, "1.6.20", "takes no file without [host]"),
    ],
)  # fmt: skip
def test_containerd(
    tmp_path: Path, instead: dict[str, str | None], version: str, words: str
) -> None:
    """Whatever containerd passes over without a word is found, by its version."""
    found = look(tmp_path, "containerd", PLAN, instead, version)
    said = [each.said for each in found if not each.ok]
    assert any(words in each for each in said), said


def test_the_images_part_of_containerd_2(tmp_path: Path) -> None:
    """Of the two plugins that containerd 2.x makes of CRI that for images is looked at."""
    text = (
        "version = 3\n[plugins.'io.containerd.grpc.v1.cri']\ndisable_tcp_service = true\n"
        "[plugins.'io.containerd.cri.v1.images'.registry]\n"
        "config_path = '/etc/containerd/certs.d'\n"
    )
    (finding,) = look(tmp_path, "containerd", PLAN, {CONFIG: text}, "2.3.4")
    assert finding.ok, finding.said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[registry]\n", "every pull fails"),
        ('[registries.search]\nregistries = []\n[[registry]]\nlocation = "a.b"\n', "version 1"),
        ('[[registry]]\nlocation = "http://10.0.0.1:5000"\n', "has no http:// before it"),
        ('unqualified-search-registries = ["[fd00::1]:5000"]\n', "can't be an IPv6 address"),
        (
            '[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = "a.b"\ninsecure = true\n',
            "two entries for a.b that differ",
        ),
        (
            (
                '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\ninsecure = true\n'
                '[[registry.mirror]]\nlocation = "10.0.0.1:5000/docker.io"\n'
            ),
            "is not `insecure`, which it does not inherit",
        ),
        ('[[registry]]\nlocation = "docker.io"\n', "no mirror 10.0.0.1:5000/docker.io for docker"),
    ],
)
def test_containers_image(tmp_path: Path, text: str, words: str) -> None:
    """What makes podman and CRI-O fail, or ask the internet, is found in any file they read."""
    found = look(tmp_path, "podman", PLAN, {REGISTRIES: text})
    assert any(words in each.said for each in found if not each.ok), found


def test_a_spoof_that_is_asked_in_tls_only(tmp_path: Path) -> None:
    """A spoofed name that is not insecure is told, since port 443 has nobody."""
    plan = replace(PLAN, mechanism=Mechanism.SPOOF_HTTP)
    found = look(tmp_path, "crio", plan, {REGISTRIES: ""})
    assert any("quay.io is not `insecure`" in each.said for each in found)
    found = look(tmp_path, "docker", plan, {DAEMON: '{"registry-mirrors": ["http://docker.io"]}'})
    assert any("quay.io is not among insecure-registries" in each.said for each in found)


@pytest.mark.parametrize(
    ("settings", "version", "words"),
    [
        ("{", "29.1.0", "dockerd does not start with that"),
        ({}, "29.1.0", "http://10.0.0.1:5000 is not among registry-mirrors"),
        ({"registry-mirrors": ["10.0.0.1:5000"]}, "29.1.0", "needs http:// or https:// before it"),
        (
            {"registry-mirrors": ["http://10.0.0.1:5000", "http://10.0.0.1:5000/x"]},
            "20.10.24",
            "takes no mirror with a path",
        ),
    ],
)
def test_docker(tmp_path: Path, settings: object, version: str, words: str) -> None:
    """What dockerd refuses, or does not do, is found in daemon.json."""
    text = settings if isinstance(settings, str) else json.dumps(settings)
    plan = replace(PLAN, upstreams=("docker.io",))
    found = look(tmp_path, "docker", plan, {DAEMON: text}, version)
    assert any(words in each.said for each in found if not each.ok), found


def test_what_a_version_can_not_do(tmp_path: Path) -> None:
    """A plan that the installed version can't follow is told as such, with what works."""
    plan = replace(PLAN, version="20.10.24")
    (finding,) = files.check("docker", plan, Root(tmp_path), plan.version)
    assert not finding.ok
    assert "has mirrors for docker.io only, quay.io would come from the internet" in finding.said


def test_k3s_has_to_start_again(tmp_path: Path) -> None:
    """registries.yaml counts from k3s' next start on: until then it is red."""
    plan = replace(PLAN, version="1.31.2")
    (finding,) = files.check("k3s", plan, Root(tmp_path), "1.7.23")
    assert "k3s makes it at its next start" in finding.said
    made = tmp_path / "var/lib/rancher/k3s/agent/etc/containerd/certs.d"
    for host in PLAN.upstreams:
        (made / host).mkdir(parents=True)
        (made / host / "hosts.toml").write_text(_host())
    (finding,) = files.check("k3s", plan, Root(tmp_path), "1.7.23")
    assert finding.ok
