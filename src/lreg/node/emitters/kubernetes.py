"""Kubernetes: a DaemonSet that brings a runtime's files to every node, and KEP-1755's ConfigMap."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.node.emitters.forms import SYSTEM_CA, is_drop_in
from lreg.node.emitters.kubernetes_script import SCRIPT
from lreg.node.emitters.yaml import to_yaml
from lreg.node.hosts import PATH as HOSTS
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import needing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lreg.node.plan import NodePlan
    from lreg.node.runtime import Runtime

_NAME = "lreg-node"
_NAMESPACE = "kube-system"
_IMAGE = "docker.io/library/busybox:1.36"
_SCRIPT = "apply.sh"
# Where the script keeps what it finds at its first run.
_KEPT = "var/lib/lreg-daemonset"
# What is mounted of a node, the nearest of these above a file; else the two first folders.
_MICROK8S = "var/snap/microk8s/current/args"
_FOLDERS = ("etc/rancher/k3s", "etc/rancher/rke2", _MICROK8S)


_FORGET = 'only && rm -rf "$KEPT"/* "$WRITTEN"'
_SEEN = """\
#
#   kubectl -n kube-system rollout status ds/lreg-node              # done on every node?
#   kubectl -n kube-system logs -l app.kubernetes.io/name=lreg-node -c apply --prefix
"""
_ABOUT = (
    """\
# Brings the files of {runtime} to every node, by a pod that has no more of it than their folders.
#
# It restarts no runtime: the log says what new files need. It merges no settings: a node that has
# some of its own in the way is not changed, its pod is not ready, and the log says which file; run
# `lreg node apply` there. Deleted, it leaves what it wrote: `lreg node emit kubernetes-undo` first.
"""
    + _SEEN
)
_ABOUT_UNDO = (
    """\
# Takes the files of {runtime} back that `lreg node emit kubernetes` brought to every node. It takes
# the place of that DaemonSet; once it is done, delete it.
#
# It restarts no runtime. What was changed since is left, its pod is not ready, and the log says
# which file; what that was before is in /var/lib/lreg-daemonset of the node.
"""
    + _SEEN
)


def kubernetes(runtime: Runtime, plan: NodePlan, inner: Sequence[NodeFile]) -> Iterator[NodeFile]:
    """Yield the manifests.

    Args:
        runtime: the one on the nodes.
        plan: what it is to be told.
        inner: its files.

    Raises:
        UsageError: a pod can't do that on a node.
    """
    ordered = sorted(inner, key=is_drop_in)  # a node that has to refuse one does so at first
    keys = {file.path: _key(number, file.path) for number, file in enumerate(ordered)}
    data = {file_key: file.text for file, file_key in zip(ordered, keys.values(), strict=True)}
    data[_SCRIPT] = _script(ordered, keys, runtime.needs[plan.mechanism])
    manifests = to_yaml(*_manifests(runtime, ordered, data), _hosting(plan))
    yield NodeFile("kubernetes.yaml", _ABOUT.format(runtime=runtime.title) + manifests)


def kubernetes_undo(
    runtime: Runtime, plan: NodePlan, inner: Sequence[NodeFile]
) -> Iterator[NodeFile]:
    """Yield the manifests that take back what those of `kubernetes` have done; see there."""
    del plan
    data = {_SCRIPT: f"{SCRIPT}hosts /dev/null\n{_FORGET}\n"}
    manifests = to_yaml(*_manifests(runtime, inner, data))
    yield NodeFile("kubernetes-undo.yaml", _ABOUT_UNDO.format(runtime=runtime.title) + manifests)


def _manifests(
    runtime: Runtime, files: Sequence[NodeFile], data: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if any(file.path == SYSTEM_CA for file in files):
        raise UsageError(
            "a pod can't make a node's system trust a CA, which Docker needs for docker.io: use "
            "--mechanism mirror or spoof-http, or `lreg node apply docker` on each node"
        )
    return _config_map(_NAME, _NAMESPACE, data), _daemon_set(runtime, files, data)


def _key(number: int, path: str) -> str:
    # A key of a ConfigMap has letters, digits, -, _ and dots.
    return f"{number:03}-{re.sub(r'[^A-Za-z0-9._-]', '_', path)}"


def _script(files: Sequence[NodeFile], keys: dict[str, str], needs: str) -> str:
    """Return the script: what it can do, and then what it does."""
    put = [file for file in files if file.merge is not Merge.HOSTS]
    calls = [
        shlex.join([_done_by(file), keys[file.path], file.path, f"{file.mode:04o}"]) for file in put
    ]
    names = next((f'"$HERE"/{keys[file.path]}' for file in files if file not in put), "/dev/null")
    only = shlex.join(["only", *(file.path for file in put)])
    news = f'[ -z "$NEWS" ] || echo {shlex.quote(f"what is new needs: {needs}")}'
    return SCRIPT + "".join(
        f"{call}\n" for call in [*calls, f"hosts {names}", f"{only} || :", news]
    )


def _done_by(file: NodeFile) -> str:
    return "put" if is_drop_in(file) else "agree"


def _config_map(name: str, namespace: str, data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _daemon_set(
    runtime: Runtime, files: Sequence[NodeFile], data: dict[str, str]
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": _NAME}
    digest = hashlib.sha256("\0".join(data.values()).encode()).hexdigest()
    mounted = {f"node-{number}": path for number, path in enumerate(_mounted(files))}
    mounts = [{"name": name, "mountPath": f"/node/{path}"} for name, path in mounted.items()]
    script = {"name": "script", "mountPath": "/lreg", "readOnly": True}
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": 1,
        "initContainers": [_container("apply", ["sh", f"/lreg/{_SCRIPT}"], [script, *mounts])],
        # A DaemonSet's pod has to go on running.
        "containers": [_container("applied", ["sleep", "2147483647"], [])],
        "volumes": [
            {"name": "script", "configMap": {"name": _NAME}},
            *(_volume(name, path) for name, path in mounted.items()),
        ],
    }
    annotations = {"lreg/runtime": runtime.name, "lreg/files": digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _NAME, "namespace": _NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def _container(name: str, command: list[str], mounts: list[dict[str, Any]]) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": _IMAGE,
        "command": command,
        # So that `kubectl describe` says why it failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        # The files are root's; that is all of root's power it has.
        "securityContext": {
            "runAsUser": 0 if mounts else 65534,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
    }
    return {**container, "volumeMounts": mounts} if mounts else container


def _mounted(files: Sequence[NodeFile]) -> list[str]:
    """Return the folders, and /etc/hosts, that the script writes to."""
    # An earlier plan may have had names that this one has not.
    return [*dict.fromkeys([*map(_above, files), HOSTS, _KEPT])]


def _above(file: NodeFile) -> str:
    if file.merge is Merge.HOSTS:
        return file.path
    near = [folder for folder in _FOLDERS if file.path.startswith(f"{folder}/")]
    return near[0] if near else str(PurePosixPath(*PurePosixPath(file.path).parts[:2]))


def _volume(name: str, path: str) -> dict[str, Any]:
    # A folder of MicroK8s that is made before MicroK8s would be in its way.
    kinds = {HOSTS: "File", _MICROK8S: "Directory"}
    return {
        "name": name,
        "hostPath": {"path": f"/{path}", "type": kinds.get(path, "DirectoryOrCreate")},
    }


def _hosting(plan: NodePlan) -> dict[str, Any]:
    """Return what tells tools of a cluster's local registry (KEP-1755)."""
    host = plan.endpoint.image_host
    told = {"host": host, "hostFromContainerRuntime": host, "hostFromClusterNetwork": host}
    data = {"localRegistryHosting.v1": to_yaml(told)}
    return _config_map("local-registry-hosting", "kube-public", data)


_HOW = (
    "`kubectl apply -f kubernetes.yaml`, nodes that can pull busybox, and what the runtime on "
    "them needs, which --node-runtime says: a pod restarts none"
)
NEEDS = needing(_HOW)
CANNOT = {
    Mechanism.MIRROR: "a change to settings that a node has already: it says so and fails there",
    Mechanism.SPOOF_TLS: "Docker on the nodes, for docker.io",
}
UNDO_NEEDS = needing(
    "the options of `lreg node emit kubernetes`; `kubectl apply -f kubernetes-undo.yaml` in the "
    "place of that, and then a restart of the runtime on each node"
)
