"""kaniko: the executor's flags, and what its pod needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters.forms import ca_file
from lreg.node.emitters.yaml import to_yaml
from lreg.node.plan import Mechanism, NodeFile
from lreg.node.runtime import Runtime
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

# What go-containerregistry calls Docker Hub.
_HUB = "index.docker.io"
_CA = "kaniko/lreg-ca.crt"


def kaniko(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the flags, one a line, and the pod's part; raise UsageError for other mirrors."""
    flags = _mirror(plan) if plan.mechanism is Mechanism.MIRROR else _spoofed(plan)
    yield NodeFile("kaniko.args", "".join(f"{flag}\n" for flag in flags))
    yield from ca_file(plan, _CA)
    if plan.hosts:
        aliases = [{"ip": plan.registry.host, "hostnames": list(plan.hosts)}]
        yield NodeFile("kaniko-pod.yaml", to_yaml({"spec": {"hostAliases": aliases}}))


def _mirror(plan: NodePlan) -> list[str]:
    # It ignores a path with a dot in it, which is what would tell lreg the upstream.
    if others := [host for host in plan.upstreams if host != DOCKER_HUB]:
        raise UsageError(
            f"kaniko can't tell a mirror that {others[0]} is meant: use --upstream docker.io, or "
            "--mechanism spoof-http or spoof-tls"
        )
    flags = [f"--registry-mirror={plan.endpoint.image_host}"]
    if not plan.endpoint.tls:
        flags.append("--insecure-pull")
    elif plan.ca is not None:
        flags.append(f"--registry-certificate={plan.endpoint.image_host}=/{_CA}")
    if not plan.fallback:
        flags.append("--skip-default-registry-fallback")
    return flags


def _spoofed(plan: NodePlan) -> list[str]:
    names = [_HUB if host == DOCKER_HUB else host for host in plan.upstreams]
    if plan.mechanism is Mechanism.SPOOF_HTTP:
        return [f"--insecure-registry={name}" for name in names]
    return [f"--registry-certificate={name}=/{_CA}" for name in names]


_POD = "hostAliases of kaniko-pod.yaml in its pod"

KANIKO = Runtime(
    name="kaniko",
    title="kaniko",
    emit=kaniko,
    needs={
        Mechanism.MIRROR: "the flags of kaniko.args, and a CA at /kaniko/lreg-ca.crt",
        Mechanism.SPOOF_HTTP: f"lreg on port 80; the flags of kaniko.args, {_POD}",
        Mechanism.SPOOF_TLS: "lreg on port 443 and its CA, at /kaniko/lreg-ca.crt; the flags of "
        f"kaniko.args, {_POD}",
    },
    cannot={Mechanism.MIRROR: "others than docker.io; fallback for a blob that is missing"},
    on_node=False,
)
