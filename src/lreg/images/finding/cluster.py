"""What a live cluster runs, by kubectl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.images.finding.found import Findings
from lreg.images.finding.manifests import Manifests
from lreg.images.finding.programs import output_of
from lreg.images.finding.trees import of_plain

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = "pods,replicationcontrollers,deployments,daemonsets,statefulsets,jobs,cronjobs"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster is meant.

    Attributes:
        kubeconfig: the file that says how to reach it; None: the one that kubectl takes.
        context: which of its contexts; "" for the current one.
    """

    kubeconfig: Path | None = None
    context: str = ""


def find(cluster: Cluster) -> Findings:
    """Return the images of everything in a cluster that runs containers.

    Raises:
        LregError: there is no kubectl, or it can't reach the cluster.
    """
    kubectl = which("kubectl")
    if kubectl is None:
        raise LregError("a cluster is asked by kubectl, and there is none: install it")
    argv = [kubectl, "get", _KINDS, "--all-namespaces", "--output=json"]
    if cluster.kubeconfig:
        argv.append(f"--kubeconfig={cluster.kubeconfig}")
    if cluster.context:
        argv.append(f"--context={cluster.context}")
    try:
        objects = json.loads(output_of(argv))
    except ValueError as error:
        raise LregError(f"kubectl does not print JSON: {error}") from None
    findings = Findings()
    Manifests(findings, "the cluster", lines=False).tree(of_plain(objects))
    return findings
