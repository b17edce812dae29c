"""containerd 1.x and 2.x: `config.toml` and `certs.d`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.node.emitters.forms import at_least
from lreg.node.emitters.hosts_toml import certs_d
from lreg.node.hosts import hosts_file
from lreg.node.paths import CONTAINERD_CERTS, CONTAINERD_TOML
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.node.runtime import Runtime, always, needing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan

CA = "etc/containerd/lreg-ca.crt"
# A colon-separated list of folders, 2.2's own default, is broken in 2.3's transfer service.
_FOLDER = f'  config_path = "/{CONTAINERD_CERTS}"\n'
CRI_1 = f'[plugins."io.containerd.grpc.v1.cri".registry]\n{_FOLDER}'
_TRANSFER = f"\n[plugins.'io.containerd.transfer.v1.local']\n{_FOLDER}"
_VERSION_2 = f"version = 2\n\n{CRI_1}"
_VERSION_3 = (
    f"version = 3\n\n[plugins.'io.containerd.cri.v1.images'.registry]\n{_FOLDER}{_TRANSFER}"
)


def config_toml(version: str) -> str:
    """Return the config.toml that points a containerd of this version to certs.d.

    containerd 2.x takes the form of 1.x too, which is what a version that is not known gets, with
    what 2.x alone heeds.
    """
    if not version:
        return _VERSION_2 + _TRANSFER
    return _VERSION_3 if at_least(version, 2) else _VERSION_2


def containerd(plan: NodePlan) -> Iterator[NodeFile]:
    """Yield the files; raise UsageError for an IPv6 mirror that it can't have."""
    yield NodeFile(CONTAINERD_TOML, config_toml(plan.version), Merge.TOML)
    yield from certs_d(plan, CONTAINERD_CERTS, CA, ipv6=at_least(plan.version, 2))
    yield from hosts_file(plan)


_RESTART = "one restart, for config.toml; it reads certs.d at every pull"

CONTAINERD = Runtime(
    name="containerd",
    title="containerd",
    emit=containerd,
    needs=needing(_RESTART),
    cannot={
        Mechanism.MIRROR: "1.x: an IPv6 address with fallback; `ctr` without --hosts-dir heeds none"
    },
    reload=always((("systemctl", "restart", "containerd"),)),
    restart=(("systemctl", "restart", "containerd"),),
)
