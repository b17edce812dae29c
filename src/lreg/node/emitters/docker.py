"""Docker Engine: daemon.json, certs.d, and hosts.toml for its containerd image store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters.forms import SYSTEM_CA, at_least, ca_by_host, ca_file, insecure_host
from lreg.node.emitters.hosts_toml import certs_d
from lreg.node.hosts import hosts_file
from lreg.node.paths import DAEMON_JSON
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import Runtime
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_CERTS = "etc/docker/certs.d"
_CA = "etc/docker/lreg-ca.crt"


def docker(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for what its version can't be told."""
    if plan.mechanism is Mechanism.MIRROR:
        _check_mirror(plan)
    yield from _daemon_json(plan)
    if plan.mechanism is Mechanism.MIRROR and _has_image_store(plan):
        yield from certs_d(plan, _CERTS, _CA, ipv6=True, referrers=_wants_referrers(plan))
    yield from _trust(plan)
    yield from _hosts(plan)


def _hosts(plan: NodePlan) -> Iterator[NodeFile]:
    # Before 23 it looks docker.io up before it asks a mirror, if only to compare the address with
    # insecure-registries; its Hub's images are at registry-1.docker.io, so that it falls back.
    mirrors_hub = plan.mechanism is Mechanism.MIRROR and DOCKER_HUB in plan.upstreams
    looks_up = mirrors_hub and not at_least(plan.version, 23)
    yield from hosts_file(plan, *((DOCKER_HUB,) if looks_up else ()))


def _has_image_store(plan: NodePlan) -> bool:
    """Return whether it is one of which a fresh installation has the containerd image store."""
    return bool(at_least(plan.version, 29))


def _wants_referrers(plan: NodePlan) -> bool:
    """Return whether it fetches signatures of attestations with an image: from 29.1 on."""
    return not plan.version.removeprefix("v").startswith("29.0")


def _check_mirror(plan: NodePlan) -> None:
    if _has_image_store(plan):
        return
    ways = (
        "--mechanism spoof-http or spoof-tls, or --for-version 29 where its containerd image "
        "store is on"
    )
    if others := [host for host in plan.upstreams if host != DOCKER_HUB]:
        raise UsageError(
            f"Docker before 29 has mirrors for docker.io only, {others[0]} would come from the "
            f"internet: use --upstream docker.io, {ways}"
        )
    if not plan.fallback:
        raise UsageError(
            f"Docker before 29 always falls back from a mirror to the internet: use {ways}"
        )


def _daemon_json(plan: NodePlan) -> Iterator[NodeFile]:
    settings: dict[str, list[str]] = {}
    if DOCKER_HUB in plan.upstreams:
        if plan.mechanism is Mechanism.MIRROR:
            settings["registry-mirrors"] = [plan.endpoint.url]
        elif plan.mechanism is Mechanism.SPOOF_HTTP:
            # Nothing else makes Docker ask its Hub in plain HTTP.
            settings["registry-mirrors"] = [f"http://{DOCKER_HUB}"]
    insecure = [] if plan.endpoint.tls else [insecure_host(plan)]
    if plan.mechanism is Mechanism.SPOOF_HTTP:
        insecure += plan.upstreams
    if insecure:
        settings["insecure-registries"] = insecure
    if settings:
        text = f"{json.dumps(settings, indent=2)}\n"
        yield NodeFile(DAEMON_JSON, text, Merge.JSON)


def _trust(plan: NodePlan) -> Iterator[NodeFile]:
    yield from ca_by_host(plan, _CERTS)
    if plan.mechanism is Mechanism.SPOOF_TLS and DOCKER_HUB in plan.upstreams:
        # Without the containerd image store Docker heeds no other CA for its Hub.
        yield from ca_file(plan, SYSTEM_CA)


_RELOAD = ("systemctl", "reload", "docker")
_RESTART = ("systemctl", "restart", "docker")

DOCKER = Runtime(
    name="docker",
    title="Docker Engine",
    emit=docker,
    needs={
        Mechanism.MIRROR: "a reload; for others than docker.io Docker 29 and its containerd "
        "image store",
        Mechanism.SPOOF_HTTP: "lreg on port 80; a reload",
        Mechanism.SPOOF_TLS: "lreg on port 443 and its CA, for docker.io among the system's; "
        "update-ca-certificates (update-ca-trust) and a restart",
    },
    cannot={
        Mechanism.MIRROR: "before 29, or without its containerd image store: others than "
        "docker.io; --no-fallback"
    },
    restart=(_RESTART,),
    reload={
        Mechanism.MIRROR: (_RELOAD,),
        Mechanism.SPOOF_HTTP: (_RELOAD,),
        Mechanism.SPOOF_TLS: (_RESTART,),
    },
)
