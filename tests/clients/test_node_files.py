"""Files of people that `lreg node apply` has edited, as the real programs read them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lreg.node.plan import NodePlan, RegistryAddress
from lreg.node.rooted import Root
from lreg.node.runtimes import files_for
from tests.support.daemons import Docker
from tests.support.processes import Program, attempt, clean_environment, eventually, run
from tests.tools import build
from tests.unit.node.nodes import apply, make, survey, undo

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = Path(__file__).parents[1] / "unit/node/real"
LREG = "http://10.0.0.1:5000"
CRI = "io.containerd.grpc.v1.cri"


def told(tmp_path: Path, name: str, runtime: str, *upstreams: str, version: str = "") -> Root:
    """A node of people's files, on which mirrors have been applied."""
    shutil.copytree(REAL / name, tmp_path / "node")
    return tell(Root(tmp_path / "node"), runtime, *upstreams, version=version)


def tell(root: Root, runtime: str, *upstreams: str, version: str = "") -> Root:
    """Apply mirrors to a node, undo it, and apply them again."""
    before = survey(root)
    plan = NodePlan(
        registry=RegistryAddress.parse(LREG), upstreams=upstreams or ("docker.io",), version=version
    )
    files = files_for(runtime, plan)
    apply(root, *files, name=runtime, told=plan)
    undo(root)
    assert survey(root) == before
    apply(root, *files, name=runtime, told=plan)
    return root


def dumped(root: Root, env: dict[str, str], program: str = "containerd") -> dict[str, Any]:
    """What containerd makes of a node's config.toml."""
    config = root.absolute("etc/containerd/config.toml")
    said = run(program, "--config", config, "config", "dump", env=env)
    return tomllib.loads(said.out)


@pytest.mark.client("containerd")
@pytest.mark.parametrize("name", ["1.6-default", "debian", "kind", "minikube", "mirrors", "v1"])
def test_containerd_reads_it(tmp_path: Path, name: str) -> None:
    """Containerd finds the registry's settings, and every other one as it was."""
    root = told(tmp_path, f"containerd-{name}", "containerd", version="1.6.20")
    env = clean_environment(tmp_path)
    after = dumped(root, env)
    undo(root)
    before = dumped(root, env)
    tables = [after["plugins"].pop(key, None) or {} for key in (CRI, "cri")]
    theirs = [before["plugins"].pop(key, None) or {} for key in (CRI, "cri")]
    registries = [table.pop("registry", {}) for table in tables]
    for table in theirs:
        table.pop("registry", None)
    assert (after, tables) == (before, theirs)
    if name == "mirrors":
        endpoints = registries[0]["mirrors"]["docker.io"]["endpoint"]
        assert endpoints == [LREG, "https://mirror.corp", "https://registry-1.docker.io"]
    else:
        assert "/etc/containerd/certs.d" in [table.get("config_path") for table in registries]


@pytest.mark.client("containerd")
def test_an_import_that_replaces_all(tmp_path: Path) -> None:
    """The settings hold beside an import of the CRI table, which containerd 1.x takes whole."""
    config = "etc/containerd/config.toml"
    main = f'version = 2\nimports = ["conf.d/10.toml"]\n[plugins."{CRI}"]\nsandbox_image = "lost"\n'
    own = f'version = 2\n[plugins."{CRI}"]\nsandbox_image = "corp/pause"\n'
    files = {config: main, "etc/containerd/conf.d/10.toml": own}
    root = tell(make(tmp_path / "node", files), "containerd", version="1.6.20")
    cri = dumped(root, clean_environment(tmp_path))["plugins"][CRI]
    assert cri["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert cri["sandbox_image"] == "corp/pause"


@pytest.mark.client("containerd 2.3")
@pytest.mark.parametrize(
    "name", ["2.3-default", "debian", "docker-repo", "kind", "minikube", "mirrors", "v1"]
)
def test_containerd_2_reads_it(tmp_path: Path, name: str) -> None:
    """Containerd 2.x finds the settings in a file of any version, for both ways to pull."""
    root = told(tmp_path, f"containerd-{name}", "containerd", version="2.3.4")
    plugins = dumped(root, clean_environment(tmp_path), str(build("containerd")))["plugins"]
    registry = plugins["io.containerd.cri.v1.images"]["registry"]
    if name == "mirrors":
        endpoints = registry["mirrors"]["docker.io"]["endpoint"]
        assert endpoints == [LREG, "https://mirror.corp", "https://registry-1.docker.io"]
        assert registry["config_path"] == ""
    else:
        assert registry == {"config_path": "/etc/containerd/certs.d"}
        transfer = plugins["io.containerd.transfer.v1.local"]
        assert transfer["config_path"] == "/etc/containerd/certs.d"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Program]]:
    """Daemons of a test, which end with it."""
    programs = list[Program]()
    yield programs
    for program in programs:
        program.stop()


@pytest.mark.client("containerd")
@pytest.mark.parametrize("name", ["1.6-default", "debian", "minikube", "mirrors", "v1"])
def test_the_cri_plugin_works(tmp_path: Path, started: list[Program], name: str) -> None:
    """Containerd starts with the edited file, and its CRI plugin with it."""
    root = told(tmp_path, f"containerd-{name}", "containerd", version="1.6.20")
    env = clean_environment(tmp_path)
    socket = tmp_path / "s"
    daemon = ["containerd", "--config", root.absolute("etc/containerd/config.toml")]
    daemon += ["--address", str(socket), "--root", str(tmp_path / "r")]
    daemon += ["--state", str(tmp_path / "t")]
    # What it makes outside of these goes with its mount namespace.
    script = f"mount -t tmpfs tmpfs /opt && mount -t tmpfs tmpfs /run && exec {shlex.join(daemon)}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    started.append(Program(argv, tmp_path / "log", env))
    ctr = ("ctr", "--address", str(socket))
    started[0].wait_until(lambda: attempt(*ctr, "version", env=env).code == 0)
    plugins = run(*ctr, "plugins", "ls", env=env).out.splitlines()
    (cri,) = [line.split() for line in plugins if line.split()[1] == "cri"]
    assert cri[-1] == "ok", started[0].log


@pytest.mark.client("docker")
@pytest.mark.parametrize("name", ["busy", "dos", "empty", "tiny"])
def test_dockerd_reads_it(tmp_path: Path, name: str) -> None:
    """Dockerd heeds the edited file at a reload: lreg is the first mirror, theirs come after."""
    daemon = Docker(tmp_path / "d")
    try:
        root = told(tmp_path, f"docker-{name}", "docker", version="20.10.24")
        text = Path(root.absolute("etc/docker/daemon.json")).read_bytes()
        settings = json.loads(text)
        # Of another machine: what a reload can't change, or what this one lacks.
        for key in ("exec-opts", "storage-driver", "runtimes", "default-address-pools"):
            settings.pop(key, None)
        (tmp_path / "d/daemon.json").write_text(json.dumps(settings))
        os.kill(int((tmp_path / "d/dockerd.pid").read_text()), signal.SIGHUP)
        wanted = [f"{url}/" for url in settings["registry-mirrors"]]
        assert wanted[0] == f"{LREG}/"
        asked = ("info", "--format={{json .RegistryConfig.Mirrors}}")
        eventually(lambda: json.loads(daemon.cli(*asked).out) == wanted)
    finally:
        daemon.close()


def registries(root: Root, tmp_path: Path) -> dict[str, Any]:
    """What podman makes of a node's registries.conf and its drop-ins."""
    folder = shlex.quote(root.absolute("etc/containers"))
    script = f"mount --bind {folder} /etc/containers && exec podman info --format json"
    argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    found: dict[str, Any] = json.loads(run(*argv, env=clean_environment(tmp_path)).out)
    return dict(found["registries"])


@pytest.mark.client("podman")
@pytest.mark.parametrize("name", ["debian", "fedora", "v1"])
def test_podman_reads_it(tmp_path: Path, name: str) -> None:
    """Podman asks lreg first, for names with a registry and without; then whom it asked before."""
    root = told(tmp_path, f"podman-{name}", "podman", "docker.io", "quay.io")
    after = registries(root, tmp_path)
    undo(root)
    before = registries(root, tmp_path)
    assert after["search"][0] == "10.0.0.1:5000"
    rest = iter(after["search"])
    assert all(each in rest for each in before.get("search") or ())
    for host in ("docker.io", "quay.io"):
        mirrors = [each["Location"] for each in after[host]["Mirrors"]]
        assert mirrors[0] == f"10.0.0.1:5000/{host}"
        theirs = before.get(host, {}).get("Mirrors") or ()
        assert mirrors[1:] == [each["Location"] for each in theirs]
