"""BuildKit: `buildkitd.toml` (its docs/buildkitd.toml.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.emitters.forms import ca_file, listed, quoted
from lreg.node.hosts import hosts_file
from lreg.node.paths import BUILDKITD_TOML
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import Runtime, always, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

_CA = "etc/buildkit/lreg-ca.crt"


def buildkit(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError where the internet is to be left out of mirrors."""
    mirror = plan.mechanism is Mechanism.MIRROR
    if mirror and not plan.fallback:
        raise UsageError(
            "BuildKit always falls back from a mirror to the internet: use --mechanism "
            "spoof-http or spoof-tls"
        )
    tables = [_upstream(plan, host) for host in plan.upstreams]
    # What is set for an upstream does not hold for its mirrors.
    tables.append(_table(plan.endpoint.image_host, _reached(plan, tls=plan.endpoint.tls)))
    yield NodeFile(BUILDKITD_TOML, "\n".join(filter(None, tables)), Merge.TOML)
    yield from ca_file(plan, _CA)
    yield from hosts_file(plan)


def _upstream(plan: NodePlan, host: str) -> str:
    if plan.mechanism.spoofs:
        return _table(host, _reached(plan, tls=plan.mechanism is Mechanism.SPOOF_TLS))
    return _table(host, f"mirrors = {listed([plan.location(host)])}")


def _reached(plan: NodePlan, *, tls: bool) -> str:
    if not tls:
        return "http = true"
    return f"ca = {listed([f'/{_CA}'])}" if plan.ca is not None else ""


def _table(host: str, setting: str) -> str:
    return f"[registry.{quoted(host)}]\n  {setting}\n" if setting else ""


_NEEDS = "a restart of buildkitd, or `docker buildx create --buildkitd-config`"

_RESTART = (("systemctl", "restart", "buildkit"),)

BUILDKIT = Runtime(
    name="buildkit",
    title="BuildKit",
    emit=buildkit,
    needs=needing(_NEEDS),
    cannot={Mechanism.MIRROR: "--no-fallback"},
    reload=always(_RESTART),
    restart=_RESTART,
)
