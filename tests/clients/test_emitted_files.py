"""Real runtimes read the files that are emitted for them as they are meant."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from lreg.node.plan import Mechanism
from lreg.node.runtimes import files_for
from tests.support.daemons import Docker
from tests.support.processes import clean_environment, eventually, free_port, run
from tests.tools import build
from tests.unit.node.plans import plan

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.plan import NodePlan
    from tests.support.clients import Client

_PLANS = {
    "mirror": plan(),
    "mirror only": plan(fallback=False),
    "mirror by a name": plan(registry="[fd00::1]:5000", name="lreg.internal"),
    "mirror in TLS": plan(registry="https://10.0.0.1:5001"),
    "spoof-http": plan(Mechanism.SPOOF_HTTP),
    "spoof-http at an IPv6 address": plan(Mechanism.SPOOF_HTTP, registry="[fd00::1]:80"),
    "spoof-tls": plan(Mechanism.SPOOF_TLS),
}


def _told(client: Client, how: NodePlan) -> Client:
    """Give a client of the containers/image family the plan's registries.conf, and return it."""
    (file,) = (each for each in files_for("podman", how) if each.path.endswith("50-lreg.conf"))
    path = client.home / ".config/containers/registries.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(file.text)
    return client


@pytest.mark.client("podman")
@pytest.mark.parametrize("title", _PLANS)
def test_podman(podman: Client, title: str) -> None:
    """Every form is read by podman, which then says the mirrors and insecure hosts as meant."""
    how = _PLANS[title]
    said: dict[str, Any] = json.loads(_told(podman, how)("info", "--format=json").out)["registries"]
    assert said["search"][-1] == "docker.io"
    if how.mechanism is Mechanism.MIRROR:
        mirrors = said["docker.io"]["Mirrors"]
        assert [each["Location"] for each in mirrors] == [f"{how.endpoint.image_host}/docker.io"]
        assert mirrors[0]["Insecure"] != how.endpoint.tls
        assert said["docker.io"]["Blocked"] != how.fallback
    else:
        insecure = how.mechanism is Mechanism.SPOOF_HTTP
        assert said.get("docker.io", {}).get("Insecure", False) == insecure


@pytest.mark.client("skopeo")
def test_skopeo(skopeo: Client) -> None:
    """A mirror is asked in plain HTTP, and where it is all there is, nobody else."""
    port = free_port()
    client = _told(skopeo, plan(registry=f"127.0.0.1:{port}", fallback=False))
    said = client.attempt("inspect", "docker://docker.io/library/tiny:1")
    assert said.code != 0
    assert f"http://127.0.0.1:{port}/v2/" in said.err
    assert "registry-1.docker.io" not in said.err


@pytest.mark.client("skopeo")
def test_a_registry_of_one_word(skopeo: Client) -> None:
    """A name without a dot is a registry in an image's name, also on the scheme's own port."""
    how = plan(registry="http://nowhere", fallback=False)
    said = _told(skopeo, how).attempt("inspect", "docker://docker.io/library/tiny:1")
    assert said.code != 0
    assert "nowhere" in said.err
    assert "canonical" not in said.err


@pytest.mark.client("docker")
@pytest.mark.parametrize("address", ["[fd00::1]", "10.0.0.1"])
def test_docker(tmp_path: Path, address: str) -> None:
    """Docker takes each host that is to be asked in plain HTTP, whatever the address of lreg."""
    how = plan(Mechanism.SPOOF_HTTP, registry=f"http://{address}", upstreams=("docker.io", "k.io"))
    (file,) = (each for each in files_for("docker", how) if each.path.endswith("daemon.json"))
    daemon = Docker(tmp_path / "d")
    try:
        (tmp_path / "d/daemon.json").write_text(file.text)
        os.kill(int((tmp_path / "d/dockerd.pid").read_text()), signal.SIGHUP)
        asked = ("info", "--format={{json .RegistryConfig}}")
        eventually(lambda: "k.io" in json.loads(daemon.cli(*asked).out)["IndexConfigs"])
        hosts = json.loads(daemon.cli(*asked).out)["IndexConfigs"]
        # Its Hub always counts as secure: a mirror makes it ask there in plain HTTP.
        wanted = {*json.loads(file.text)["insecure-registries"]} - {"docker.io"}
        assert {each for each in wanted if not hosts[each]["Secure"]} == wanted
    finally:
        daemon.close()


@pytest.mark.parametrize(
    ("program", "version", "plugin"),
    [
        pytest.param(
            "", "1.6.20", "io.containerd.grpc.v1.cri", marks=pytest.mark.client("containerd 1.6")
        ),
        pytest.param(
            "containerd",
            "2.3.4",
            "io.containerd.cri.v1.images",
            marks=pytest.mark.client("containerd 2.3"),
        ),
        pytest.param(
            "containerd",
            "",
            "io.containerd.cri.v1.images",
            marks=pytest.mark.client("containerd 2.3"),
        ),
    ],
    ids=["1.6", "2.3", "2.3, version not known"],
)
def test_containerd(tmp_path: Path, program: str, version: str, plugin: str) -> None:
    """Containerd takes config.toml for one that points to certs.d, and keeps all its defaults."""
    (file,) = (
        each
        for each in files_for("containerd", plan(version=version))
        if each.path == "etc/containerd/config.toml"
    )
    config = tmp_path / "config.toml"
    config.write_text(file.text)
    binary = str(build(program)) if program else "containerd"
    said = run(binary, "--config", str(config), "config", "dump", env=dict(os.environ))
    plugins = tomllib.loads(said.out)["plugins"]
    assert plugins[plugin]["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert "pause" in said.out
    if program:
        transfer = plugins["io.containerd.transfer.v1.local"]
        assert transfer["config_path"] == "/etc/containerd/certs.d"


@pytest.mark.client("kubectl")
@pytest.mark.parametrize("name", ["kubernetes", "kubernetes-undo"])
@pytest.mark.parametrize("inner", ["containerd", "docker", "k3s"])
def test_kubectl(tmp_path: Path, inner: str, name: str) -> None:
    """Each field of the DaemonSet is known to kubectl by its type: none is misspelt and dropped."""
    (file,) = files_for(name, plan(upstreams=("docker.io",), inner=inner))
    (meant,) = (
        each
        for each in YAML(typ="safe", pure=True).load_all(file.text)
        if each["kind"] == "DaemonSet"
    )
    manifest = tmp_path / "daemonset.json"
    manifest.write_text(json.dumps(meant))
    env = clean_environment(tmp_path)
    # It makes its own object of the manifest, and prints that.
    said = run("kubectl", "set", "env", "--local", "-o=json", f"-f={manifest}", "A=b", env=env)
    assert _lacks(json.loads(said.out), meant) == []


def _lacks(known: Any, meant: Any, path: str = "") -> list[str]:
    """Return where `known` has not all that is `meant`."""
    if isinstance(meant, dict):
        pairs = {f"{path}.{key}": ((known or {}).get(key), each) for key, each in meant.items()}
    elif isinstance(meant, list):
        padded = [*(known or []), *[None] * len(meant)]
        pairs = {f"{path}[{n}]": (padded[n], each) for n, each in enumerate(meant)}
    else:
        return [] if known == meant else [path]
    return [lack for name, pair in pairs.items() for lack in _lacks(*pair, name)]
