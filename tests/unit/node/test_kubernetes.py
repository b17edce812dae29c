"""The DaemonSet: what its script does on a node, and what the pod may do there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from lreg.node.emitters.forms import is_drop_in
from lreg.node.hosts import hosts_block, merge_hosts
from lreg.node.plan import Mechanism
from lreg.node.runtimes import RUNTIMES, files_for
from tests.support.processes import Said, attempt
from tests.unit.node.plans import plan

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.plan import NodePlan

CHANGED = "changed since; mend it by hand"


def _manifests(how: NodePlan, name: str = "kubernetes") -> list[Any]:
    (file,) = files_for(name, how)
    return list(YAML(typ="safe", pure=True).load_all(file.text))


class Pod:
    """The script beside its files, as a ConfigMap brings them, and a node's folders."""

    def __init__(self, folder: Path, shell: tuple[str, ...]) -> None:
        self.node, self.told = folder / "node", folder / "lreg"
        self._shell = shell
        (self.node / "etc").mkdir(parents=True)
        self.told.mkdir()

    def run(self, how: NodePlan, name: str = "kubernetes") -> Said:
        """Run it with the files of a plan."""
        for key, text in _manifests(how, name)[0]["data"].items():
            (self.told / key).write_text(text)
        env = {"NODE": str(self.node), "PATH": os.environ["PATH"]}
        return attempt(*self._shell, str(self.told / "apply.sh"), env=env)

    def files(self) -> dict[str, str]:
        """Return all files of the node."""
        found = (each for each in self.node.rglob("*") if each.is_file())
        return {str(each.relative_to(self.node)): each.read_text() for each in found}

    def read(self, path: str) -> str:
        """Return what a file of the node holds."""
        return (self.node / path).read_text()

    def write(self, path: str, text: str) -> None:
        """Have a file on the node."""
        (self.node / path).parent.mkdir(parents=True, exist_ok=True)
        (self.node / path).write_text(text)


@pytest.fixture(
    params=[("sh",), pytest.param(("busybox", "sh"), marks=pytest.mark.client("busybox"))],
    ids=["sh", "busybox"],
)
def pod(tmp_path: Path, request: pytest.FixtureRequest) -> Pod:
    """A pod on a node that has nothing but /etc/hosts."""
    made = Pod(tmp_path, request.param)
    made.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 \\node\n")
    return made


@pytest.mark.parametrize("inner", ["containerd", "crio", "k3s"])
def test_a_bare_node_gets_the_files(pod: Pod, inner: str) -> None:
    """On a node that had none each file is there, whole, and a second run has nothing to do."""
    how = plan(Mechanism.SPOOF_HTTP, inner=inner)
    said = pod.run(how)
    assert (said.code, said.err) == (0, "")
    for file in files_for(inner, how):
        wanted = file.text
        if file.path == "etc/hosts":
            wanted = merge_hosts("127.0.0.1 localhost\n127.0.1.1 \\node\n", file.text)
        assert pod.read(file.path) == wanted
        assert (pod.node / file.path).stat().st_mode & 0o777 == file.mode
    assert f"what is new needs: {RUNTIMES[inner].needs[Mechanism.SPOOF_HTTP]}\n" in said.out
    again = pod.run(how)
    assert (again.code, again.out, again.err) == (0, "", "")


@pytest.mark.parametrize("inner", ["containerd", "crio", "docker", "k3s"])
def test_undo(pod: Pod, inner: str) -> None:
    """What it brought goes again, with what it remembered; what was there before comes back."""
    how = plan(Mechanism.SPOOF_HTTP, inner=inner)
    for file in files_for(inner, how):
        if is_drop_in(file) and file.path != "etc/hosts":
            pod.write(file.path, "mine\n")
    before = pod.files()
    assert pod.run(how).code == 0
    assert pod.files() != before
    said = pod.run(how, "kubernetes-undo")
    assert (said.code, said.err) == (0, "")
    assert "wrote /etc/hosts\n" in said.out
    assert pod.files() == before
    again = pod.run(how, "kubernetes-undo")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_no_empty_folder_stays(pod: Pod) -> None:
    """A folder of a host that has nothing in it any more would hide what holds for all hosts."""
    pod.write("etc/containerd/certs.d/_default/hosts.toml", "mine\n")
    pod.run(plan(upstreams=("quay.io", "docker.io")))
    pod.run(plan(upstreams=("docker.io",)))
    assert not (pod.node / "etc/containerd/certs.d/quay.io").exists()
    pod.run(plan(), "kubernetes-undo")
    found = sorted(each.name for each in (pod.node / "etc/containerd/certs.d").iterdir())
    assert found == ["_default"]


def test_undo_of_what_was_changed_since(pod: Pod) -> None:
    """What somebody changed since is left, and said, and the pod fails there; the rest goes."""
    path = "etc/containerd/certs.d/docker.io/hosts.toml"
    pod.run(plan())
    pod.write(path, "mine\n")
    said = pod.run(plan(), "kubernetes-undo")
    assert (said.code, said.err) == (1, f"left /{path}: {CHANGED}\n")
    assert pod.read(path) == "mine\n"
    assert "took back /etc/containerd/config.toml\n" in said.out


def test_undo_without_space(pod: Pod) -> None:
    """Where what was there can't be put back it is not forgotten."""
    path = "etc/containerd/certs.d/docker.io/hosts.toml"
    pod.write(path, "mine\n")
    pod.run(plan())
    kept = pod.node / "var/lib/lreg-daemonset" / path
    kept.unlink()
    kept.mkdir()
    assert pod.run(plan(), "kubernetes-undo").code != 0
    assert kept.exists()
    assert (pod.node / "var/lib/lreg-daemonset/.written" / path).exists()


def test_hosts_are_rewritten_in_place(pod: Pod) -> None:
    """/etc/hosts stays the file that it is, with other people's lines, when the address changes."""
    inode = (pod.node / "etc/hosts").stat().st_ino
    pod.run(plan(Mechanism.SPOOF_HTTP))
    pod.write("etc/hosts", pod.read("etc/hosts") + "10.0.0.9 mine\n")
    said = pod.run(plan(Mechanism.SPOOF_HTTP, registry="http://10.0.0.2"))
    assert said.code == 0
    text = pod.read("etc/hosts")
    assert "10.0.0.1 " not in text
    assert "10.0.0.2 docker.io\n" in text
    assert text.startswith("127.0.0.1 localhost\n127.0.1.1 \\node\n10.0.0.9 mine\n")
    assert (pod.node / "etc/hosts").stat().st_ino == inode


def test_a_mark_without_an_end(pod: Pod) -> None:
    """A mark that lost its end takes no line of other people's along."""
    mine = "# lreg begin: these names mean the local registry\n10.0.0.9 mine\n"
    pod.write("etc/hosts", mine)
    assert pod.run(plan(Mechanism.SPOOF_HTTP)).code == 0
    assert pod.read("etc/hosts").startswith(mine)


def test_marks_of_others(pod: Pod) -> None:
    """Marks out of place take no line of other people's along, nor their empty lines."""
    mark = "# lreg begin: these names mean the local registry\n"
    mine = f"# lreg end\n10.0.0.8 first\n{mark}10.0.0.9 mine\n\n\n"
    pod.write("etc/hosts", mine)
    for address in ("10.0.0.1", "10.0.0.2"):
        how = plan(Mechanism.SPOOF_HTTP, registry=f"http://{address}")
        assert pod.run(how).code == 0
        assert pod.read("etc/hosts") == mine + hosts_block(how.spoofed, address)


@pytest.mark.parametrize("inner", ["docker", "k3s", "buildkit", "containerd"])
def test_a_changed_plan(pod: Pod, inner: str) -> None:
    """What lreg wrote itself follows the plan, also where a file is the node's by its name."""
    pod.run(plan(Mechanism.SPOOF_HTTP, inner=inner))
    new = plan(upstreams=("docker.io",), registry="http://10.0.0.2:5000", inner=inner)
    said = pod.run(new)
    assert (said.code, said.err) == (0, "")
    for file in files_for(inner, new):
        assert file.text in pod.read(file.path)
    again = pod.run(new)
    assert (again.code, again.out) == (0, "")


def test_what_a_changed_plan_leaves_out(pod: Pod) -> None:
    """Names and files that a new plan has no more are taken back: they would go on to count."""
    hosts = pod.read("etc/hosts")
    folder = "etc/containerd/certs.d"
    pod.write(f"{folder}/registry.k8s.io/hosts.toml", "mine\n")
    pod.run(plan(Mechanism.SPOOF_HTTP, upstreams=("quay.io", "registry.k8s.io", "ghcr.io")))
    pod.write(f"{folder}/ghcr.io/hosts.toml", "changed since\n")
    said = pod.run(plan(upstreams=("docker.io",)))
    assert (said.code, said.err) == (0, f"left /{folder}/ghcr.io/hosts.toml: {CHANGED}\n")
    assert pod.read("etc/hosts") == hosts
    assert not (pod.node / folder / "quay.io/hosts.toml").exists()
    assert pod.read(f"{folder}/registry.k8s.io/hosts.toml") == "mine\n"
    assert pod.read(f"{folder}/ghcr.io/hosts.toml") == "changed since\n"


def test_what_was_there_is_kept(pod: Pod) -> None:
    """What a file was before the first time stays on the node, however often lreg's changes."""
    path = "etc/containerd/certs.d/docker.io/hosts.toml"
    pod.write(path, "mine\n")
    pod.run(plan())
    pod.run(plan(fallback=False))
    assert pod.read(f"var/lib/lreg-daemonset/{path}") == "mine\n"
    other = "var/lib/lreg-daemonset/etc/containerd/certs.d/registry.k8s.io/hosts.toml"
    assert not (pod.node / other).exists()
    assert (pod.node / f"{other}.none").exists()


@pytest.mark.parametrize("quote", ['"', "'"])
def test_settings_that_look_there_already(pod: Pod, quote: str) -> None:
    """A config.toml of the node's own that points to certs.d is left as it is."""
    mine = f"version = 3\n[x]\n    config_path = {quote}/etc/containerd/certs.d{quote}\n"
    pod.write("etc/containerd/config.toml", mine)
    assert pod.run(plan()).code == 0
    assert pod.read("etc/containerd/config.toml") == mine


@pytest.mark.parametrize(
    ("inner", "path"),
    [("containerd", "etc/containerd/config.toml"), ("k3s", "etc/rancher/k3s/registries.yaml")],
)
def test_settings_that_it_would_have_to_change(pod: Pod, inner: str, path: str) -> None:
    """A node whose owner has settings of his own is not changed in secret: the pod fails there."""
    pod.write(path, "# mine\nx: 1\n")
    said = pod.run(plan(inner=inner))
    assert said.code == 1
    assert f"refused, nothing was changed: /{path} has other settings" in said.err
    assert pod.files().keys() == {"etc/hosts", path}
    assert pod.read(path) == "# mine\nx: 1\n"


@pytest.mark.parametrize("inner", ["containerd", "crio", "k3s", "rke2", "microk8s", "docker"])
def test_the_pod_has_no_more_than_it_needs(inner: str) -> None:
    """No privileges, no host namespaces, no token, and of the node the runtime's folders alone."""
    script, daemon_set, _ = _manifests(plan(upstreams=("docker.io",), inner=inner))
    spec = daemon_set["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["automountServiceAccountToken"] is False
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
    paths = {each["hostPath"]["path"] for each in spec["volumes"] if "hostPath" in each}
    assert not paths & {"/", "/etc", "/var", "/var/lib", "/usr", "/run", "/etc/rancher"}
    kinds = {each["hostPath"]["path"]: each["hostPath"]["type"] for each in spec["volumes"][1:]}
    # A folder that is made before MicroK8s is installed would be in its way.
    assert kinds.get("/var/snap/microk8s/current/args", "Directory") == "Directory"
    (apply,) = spec["initContainers"]
    mounted = [each["mountPath"].removeprefix("/node") for each in apply["volumeMounts"]]
    for file in files_for(inner, plan(upstreams=("docker.io",))):
        assert any(f"/{file.path}".startswith(mount) for mount in mounted), file.path
    assert set(script["data"]) >= {"apply.sh"}


def test_new_files_start_the_pods_anew() -> None:
    """Applying a changed manifest brings it to the nodes without a word more."""
    annotations = [
        _manifests(how)[1]["spec"]["template"]["metadata"]["annotations"]["lreg/files"]
        for how in (plan(), plan(), plan(fallback=False))
    ]
    assert annotations[0] == annotations[1] != annotations[2]


def test_the_undo_takes_its_place() -> None:
    """The undo's DaemonSet is the one of that name, with the same folders, so that one runs."""
    there, back = (_manifests(plan(), name)[1] for name in ("kubernetes", "kubernetes-undo"))
    assert there["metadata"] == back["metadata"]
    pods = [each["spec"]["template"] for each in (there, back)]
    assert pods[0]["spec"] == pods[1]["spec"]
    assert pods[0]["metadata"]["annotations"] != pods[1]["metadata"]["annotations"]
    assert len(_manifests(plan(), "kubernetes-undo")) == 2


def test_tools_find_the_registry() -> None:
    """Tools that look for a cluster's local registry find this one (KEP-1755)."""
    hosting = _manifests(plan())[2]
    assert hosting["metadata"] == {"name": "local-registry-hosting", "namespace": "kube-public"}
    told = YAML(typ="safe", pure=True).load(hosting["data"]["localRegistryHosting.v1"])
    assert told["host"] == told["hostFromContainerRuntime"] == "10.0.0.1:5000"
