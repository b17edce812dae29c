"""What brings the files of another runtime to nodes: minikube and cloud-init."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.node.emitters.forms import SYSTEM_CA, insecure_host, is_drop_in
from lreg.node.emitters.yaml import to_yaml
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import needing
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lreg.node.plan import NodePlan
    from lreg.node.runtime import Runtime

_MINIKUBE = ".minikube"
_HOSTS_ARE_MINIKUBES = "minikube writes /etc/hosts of its nodes itself"
# How minikube calls these runtimes.
_MINIKUBE_RUNTIMES = {"containerd": "containerd", "crio": "cri-o", "docker": "docker"}


def minikube(runtime: Runtime, plan: NodePlan, inner: Sequence[NodeFile]) -> Iterator[NodeFile]:
    """Yield the flags of `minikube start`, one a line, and what is to lie in ~/.minikube.

    Args:
        runtime: the one in its nodes.
        plan: what it is to be told.
        inner: its files.

    Raises:
        UsageError: minikube has no such runtime, or would take back a name in /etc/hosts.
    """
    if runtime.name not in _MINIKUBE_RUNTIMES:
        raise UsageError(
            f"minikube has no {runtime.name}: use --node-runtime {', '.join(_MINIKUBE_RUNTIMES)}"
        )
    if plan.name:
        raise UsageError(f"{_HOSTS_ARE_MINIKUBES}: leave --registry-name out")
    flags = [f"--container-runtime={_MINIKUBE_RUNTIMES[runtime.name]}"]
    if runtime.name == "docker":
        flags += _docker_flags(plan)
    yield NodeFile("minikube.args", "".join(f"{flag}\n" for flag in flags))
    for file in inner:
        # The others are minikube's own, which writes them anew at every start.
        if is_drop_in(file):
            yield NodeFile(f"{_MINIKUBE}/files/{file.path}", file.text)
    if plan.ca is not None:
        yield NodeFile(f"{_MINIKUBE}/certs/lreg-ca.pem", plan.ca)


def _docker_flags(plan: NodePlan) -> list[str]:
    flags = []
    if DOCKER_HUB in plan.upstreams:
        flags.append(f"--registry-mirror={plan.endpoint.url}")
    if not plan.endpoint.tls:
        flags.append(f"--insecure-registry={insecure_host(plan)}")
    return flags


MINIKUBE_NEEDS = {
    Mechanism.MIRROR: "minikube.args and .minikube in the home folder; a start: "
    "`minikube start $(cat minikube.args)`; --node-runtime says which runtime"
}
MINIKUBE_CANNOT = {
    Mechanism.MIRROR: "--registry-name, as it writes /etc/hosts of its nodes itself; docker: "
    "others than docker.io",
    Mechanism.SPOOF_HTTP: _HOSTS_ARE_MINIKUBES,
    Mechanism.SPOOF_TLS: _HOSTS_ARE_MINIKUBES,
}


def cloud_init(runtime: Runtime, plan: NodePlan, inner: Sequence[NodeFile]) -> Iterator[NodeFile]:
    """Yield user data that writes the files of a runtime at a machine's first start.

    Args:
        runtime: the one on the node.
        plan: what it is to be told.
        inner: its files.

    """
    files = [file for file in inner if file.path != SYSTEM_CA]
    data: dict[str, Any] = {"write_files": [_written(file) for file in files]}
    if len(files) < len(inner):
        data["ca_certs"] = {"trusted": [plan.ca]}
    if commands := runtime.reload.get(plan.mechanism):
        data["runcmd"] = [shlex.join(words) for words in commands]
    yield NodeFile("user-data", f"#cloud-config\n{to_yaml(data)}", mode=0o600)


def _written(file: NodeFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": f"/{file.path}",
        "permissions": f"{file.mode:04o}",
        "content": file.text,
        # After packages, which would stumble over their own files.
        "defer": True,
    }
    return {**entry, "append": True} if file.merge is Merge.HOSTS else entry


_FRESH = "nodes that have none of these files yet; --node-runtime says which runtime"
CLOUD_INIT_NEEDS = needing(_FRESH)
_MANAGED = "manage_etc_hosts, which takes the names out of /etc/hosts again"
CLOUD_INIT_CANNOT = {Mechanism.SPOOF_HTTP: _MANAGED, Mechanism.SPOOF_TLS: _MANAGED}
