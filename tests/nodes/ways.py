"""The columns of the matrix: what `lreg node apply` is told, and what it has to refuse."""

from __future__ import annotations

from dataclasses import dataclass

from lreg.node.plan import Mechanism
from tests.nodes.world import HOSTS, PORT, World


@dataclass(frozen=True, slots=True)
class Way:
    """What `lreg node apply` is told.

    Attributes:
        title: the head of its column.
        mechanism: how.
        registry: where lreg is.
    """

    title: str
    mechanism: Mechanism
    registry: str

    def __str__(self) -> str:
        return self.title


V4, V6 = World.address, World.address6
MIRROR = Way("mirror", Mechanism.MIRROR, f"http://{V4}:{PORT}")
IPV6 = Way("IPv6", Mechanism.MIRROR, f"http://[{V6}]:{PORT}")
WAYS = (
    MIRROR,
    Way("spoof-http", Mechanism.SPOOF_HTTP, f"http://{V4}"),
    Way("spoof-tls", Mechanism.SPOOF_TLS, f"https://{V4}"),
    IPV6,
    Way("IPv6 spoof", Mechanism.SPOOF_TLS, f"https://[{V6}]"),
)
UNQUALIFIED = "unqualified"
COLUMNS = (*(way.title for way in WAYS), UNQUALIFIED)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What can't work.

    Attributes:
        reason: words of the refusal.
        mend: the options with which it works all the same.
        mark: how the matrix says so.
        hosts: those whose images are then lreg's.
    """

    reason: str
    mend: tuple[str, ...]
    mark: str
    hosts: tuple[str, ...] = HOSTS


_BY_NAME = ("--registry-name=lreg.test",)
_SILENT = Refusal("silently asks the internet", _BY_NAME, "✓ᴺ")
_NO_IPV6 = Refusal("registries.conf can't have an IPv6 address", _BY_NAME, "✓ᴺ")
_HUB_ONLY = Refusal("has mirrors for docker.io only", (), "✓ᴰ", ("docker.io",))
REFUSED = {
    ("containerd 1.6", "IPv6"): _SILENT,
    ("CRI-O 1.36", "IPv6"): _NO_IPV6,
    ("podman 4.3", "IPv6"): _NO_IPV6,
    ("skopeo 1.9", "IPv6"): _NO_IPV6,
    ("Docker 20.10", "mirror"): _HUB_ONLY,
    ("Docker 20.10", "IPv6"): _HUB_ONLY,
}
"""By the titles of row and column."""
