"""What would silently undo lreg's files: apply refuses, the doctor is red, both with the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError
from lreg.node.doctor import files as doctor
from lreg.node.plan import Mechanism
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for
from tests.unit.node.nodes import apply, make, plan, survey

if TYPE_CHECKING:
    from pathlib import Path

UNITS = "lib/systemd/system"
OWN = "root/.config/containers/registries.conf"
TEMPLATE = "var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
MICROK8S = "var/snap/microk8s/current/args/containerd-template.toml"

# The runtime, what its node has, words of what is wrong, words of the mend.
FAULTS = [
    pytest.param(
        "docker",
        {f"{UNITS}/docker.service": "ExecStart=/usr/sbin/dockerd --insecure-registry 10.0.0.0/8\n"},
        "--insecure-registry 10.0.0.0/8",
        "take the flag out",
        id="docker: a flag of the same name",
    ),
    pytest.param(
        "docker",
        {
            f"{UNITS}/docker.service": "EnvironmentFile=-/etc/default/docker\n"
            "ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n",
            "etc/default/docker": 'DOCKER_OPTS="--registry-mirror=https://mirror.corp"\n',
        },
        "--registry-mirror https://mirror.corp",
        "registry-mirrors",
        id="docker: a flag in its defaults",
    ),
    pytest.param(
        "docker",
        {f"{UNITS}/docker.service": "ExecStart=/bin/dockerd --config-file=/srv/d.json\n"},
        "--config-file /srv/d.json",
        "restart",
        id="docker: another file",
    ),
    pytest.param(
        "containerd",
        {f"{UNITS}/containerd.service": "ExecStart=/bin/containerd -c /srv/c.toml\n"},
        "does not go by /etc/containerd/config.toml",
        "restart",
        id="containerd: another file",
    ),
    pytest.param(
        "buildkit",
        {f"{UNITS}/buildkit.service": "ExecStart=/bin/buildkitd --config /srv/b.toml\n"},
        "does not go by /etc/buildkit/buildkitd.toml",
        "restart",
        id="buildkit: another file",
    ),
    pytest.param(
        "crio",
        {
            f"{UNITS}/crio.service": "Environment=CONTAINER_REGISTRIES_CONF_DIR=/srv/conf.d\n"
            "ExecStart=/bin/crio\n"
        },
        "$CONTAINER_REGISTRIES_CONF_DIR /srv/conf.d",
        "restart",
        id="CRI-O: another folder",
    ),
    pytest.param(
        "crio",
        {f"{UNITS}/crio.service": "ExecStart=/bin/crio --short-name-mode enforcing\n"},
        "--short-name-mode enforcing",
        "restart",
        id="CRI-O: a flag",
    ),
    pytest.param(
        "podman", {OWN: ""}, "read instead of all in /etc/containers", "move", id="podman: root's"
    ),
    pytest.param(
        "k3s",
        {"etc/rancher/k3s/config.yaml": "private-registry: /srv/registries.yaml\n"},
        "--private-registry /srv/registries.yaml",
        "restart",
        id="k3s: another file",
    ),
    pytest.param(
        "k3s",
        {f"{UNITS}/k3s.service": "ExecStart=/bin/k3s \\\n  server \\\n  '--docker' \\\n"},
        "reads no registries.yaml",
        "name that runtime instead",
        id="k3s: Docker pulls",
    ),
    pytest.param(
        "k3s",
        {TEMPLATE: "version = 2\n[plugins]\n"},
        "heeds no registries.yaml",
        '{{ template "base" . }}',
        id="k3s: a template",
    ),
    pytest.param(
        "microk8s",
        {MICROK8S: '[plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n'},
        "sets no config_path",
        "${SNAP_DATA}/args/certs.d",
        id="MicroK8s: a template",
    ),
    pytest.param(
        "nerdctl",
        {"etc/nerdctl/nerdctl.toml": 'hosts_dir = ["/srv/certs.d"]\n'},
        "has hosts_dir without",
        "put that folder first",
        id="nerdctl: another folder",
    ),
]

# Nodes that look alike, where nothing undoes anything.
FINE = [
    ("docker", {f"{UNITS}/docker.service": "ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n"}),
    (
        "docker",
        {f"{UNITS}/docker.service": "ExecStart=/d --config-file /etc/docker/daemon.json\n"},
    ),
    ("containerd", {f"{UNITS}/containerd.service": "ExecStart=/usr/bin/containerd\n"}),
    ("crio", {f"{UNITS}/crio.service": "ExecStart=/bin/crio --short-name-mode=disabled\n"}),
    ("k3s", {"etc/rancher/k3s/config.yaml": "docker: false\ntoken: x\n"}),
    ("k3s", {TEMPLATE: '{{ template "base" . }}\n# more\n'}),
    ("microk8s", {MICROK8S: 'config_path = "${SNAP_DATA}/args/certs.d"\n'}),
    ("nerdctl", {"etc/nerdctl/nerdctl.toml": 'hosts_dir = ["/etc/containerd/certs.d"]\n'}),
]


@pytest.mark.parametrize(("name", "files", "words", "mend"), FAULTS)
def test_what_undoes_it(
    tmp_path: Path, name: str, files: dict[str, str], words: str, mend: str
) -> None:
    """Apply changes nothing and says what undoes its files; the doctor says the same in red."""
    root = make(tmp_path, files)
    before = survey(root)
    with pytest.raises(LregError) as refused:
        apply(root, *files_for(name, plan()), name=name)
    assert words in str(refused.value)
    assert mend in str(refused.value)
    assert survey(root) == before
    red = [each for each in doctor.check(name, plan(), root, "") if not each.ok]
    assert any(words in each.said and mend in each.mend for each in red)


@pytest.mark.parametrize(("name", "files"), FINE)
def test_what_does_not(tmp_path: Path, name: str, files: dict[str, str]) -> None:
    """Usual nodes are no reason to refuse."""
    assert apply(make(tmp_path, files), *files_for(name, plan()), name=name).changes


def test_a_flag_that_has_no_key(tmp_path: Path) -> None:
    """A flag of Docker's is no trouble where daemon.json needs no such key."""
    unit = {f"{UNITS}/docker.service": "ExecStart=/bin/dockerd --registry-mirror https://corp\n"}
    told = plan("quay.io", mechanism=Mechanism.SPOOF_HTTP)
    assert apply(make(tmp_path, unit), *files_for("docker", told)).changes


def test_another_users_file(tmp_path: Path) -> None:
    """A user with an own registries.conf is named: lreg tells the node, and not that user."""
    path = "home/ann/.config/containers/registries.conf"
    root = make(tmp_path, {path: ""})
    notes = apply(root, *files_for("podman", plan()), name="podman").notes
    assert [str(tmp_path / path) in note for note in notes] == [True]


def test_a_file_that_the_doctor_cannot_read(tmp_path: Path) -> None:
    """A file that breaks the look for such things is red itself."""
    root = make(tmp_path, {"etc/rancher/k3s/config.yaml": "a: [\n"})
    red = [each.said for each in doctor.check("k3s", plan(), root, "") if not each.ok]
    assert any("config.yaml is no valid YAML" in said for said in red)


def test_who_is_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another root's person is root; here it is whoever runs lreg."""
    monkeypatch.setenv("HOME", "/home/ann")
    assert Root(tmp_path).home == "root"
    assert Root("/").home == "home/ann"
