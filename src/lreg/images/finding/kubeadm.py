"""What kubeadm pulls for a version of Kubernetes, as `kubeadm config images list` prints it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.finding.programs import output_of, program
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = re.compile(r"v?1\.(\d{1,3})(?:\.(\d{1,3}))?(-[\w.-]{1,40})?")
_PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# From which version on: pause, etcd, CoreDNS (minikube's table of what each kubeadm lists).
_ROWS: tuple[tuple[tuple[int, int], str, str, str], ...] = (
    ((16, 0), "3.1", "3.3.15-0", "1.6.2"),
    ((17, 0), "3.1", "3.4.3-0", "1.6.5"),
    ((18, 0), "3.2", "3.4.3-0", "1.6.7"),
    ((19, 0), "3.2", "3.4.9-1", "1.7.0"),
    ((19, 1), "3.2", "3.4.13-0", "1.7.0"),
    ((21, 0), "3.4.1", "3.4.13-0", "v1.8.0"),
    ((22, 0), "3.5", "3.5.0-0", "v1.8.4"),
    ((22, 17), "3.5", "3.5.6-0", "v1.8.4"),
    ((23, 0), "3.6", "3.5.1-0", "v1.8.6"),
    ((23, 14), "3.6", "3.5.5-0", "v1.8.6"),
    ((23, 15), "3.6", "3.5.6-0", "v1.8.6"),
    ((24, 0), "3.7", "3.5.3-0", "v1.8.6"),
    ((24, 8), "3.7", "3.5.5-0", "v1.8.6"),
    ((24, 9), "3.7", "3.5.6-0", "v1.8.6"),
    ((25, 0), "3.8", "3.5.4-0", "v1.9.3"),
    ((25, 4), "3.8", "3.5.5-0", "v1.9.3"),
    ((25, 5), "3.8", "3.5.6-0", "v1.9.3"),
    ((25, 15), "3.8", "3.5.9-0", "v1.9.3"),
    ((26, 0), "3.9", "3.5.6-0", "v1.9.3"),
    ((26, 10), "3.9", "3.5.9-0", "v1.9.3"),
    ((26, 13), "3.9", "3.5.10-0", "v1.9.3"),
    ((27, 0), "3.9", "3.5.7-0", "v1.10.1"),
    ((27, 7), "3.9", "3.5.9-0", "v1.10.1"),
    ((27, 10), "3.9", "3.5.10-0", "v1.10.1"),
    ((27, 12), "3.9", "3.5.12-0", "v1.10.1"),
    ((28, 0), "3.9", "3.5.9-0", "v1.10.1"),
    ((28, 6), "3.9", "3.5.10-0", "v1.10.1"),
    ((28, 8), "3.9", "3.5.12-0", "v1.10.1"),
    ((28, 14), "3.9", "3.5.15-0", "v1.10.1"),
    ((29, 0), "3.9", "3.5.10-0", "v1.11.1"),
    ((29, 3), "3.9", "3.5.12-0", "v1.11.1"),
    ((29, 9), "3.9", "3.5.15-0", "v1.11.1"),
    ((29, 11), "3.9", "3.5.16-0", "v1.11.1"),
    ((30, 0), "3.9", "3.5.12-0", "v1.11.1"),
    ((30, 5), "3.9", "3.5.15-0", "v1.11.3"),
    ((31, 0), "3.10", "3.5.15-0", "v1.11.1"),
    ((31, 1), "3.10", "3.5.15-0", "v1.11.3"),
    ((31, 14), "3.10", "3.5.24-0", "v1.11.3"),
    ((32, 0), "3.10", "3.5.16-0", "v1.11.3"),
    ((32, 10), "3.10", "3.5.24-0", "v1.11.3"),
    ((33, 0), "3.10", "3.5.21-0", "v1.12.0"),
    ((33, 6), "3.10", "3.5.24-0", "v1.12.0"),
    ((34, 0), "3.10.1", "3.6.4-0", "v1.12.1"),
    ((34, 2), "3.10.1", "3.6.5-0", "v1.12.1"),
    ((35, 0), "3.10.1", "3.6.6-0", "v1.13.1"),
    ((36, 0), "3.10.2", "3.6.8-0", "v1.14.2"),
)
_NEWEST = _ROWS[-1][0][0]
_OLD_REGISTRY, _REGISTRY = "k8s.gcr.io", "registry.k8s.io"
# The patch of each minor that first pulled from the new registry.
_MOVED = {22: 17, 23: 15, 24: 9}
# CoreDNS got a folder of its own in 1.21.
_NESTED = 21


def images(version: str, registry: str = "") -> Sequence[tuple[Reference, bool]]:
    """Return what kubeadm pulls, each with whether that is sure.

    Args:
        version: of Kubernetes, such as v1.30.2; without a patch, its first.
        registry: kubeadm's `imageRepository`, or "" for its default.

    Raises:
        UsageError: it is no version, or one that nothing here knows.
    """
    match = _VERSION.fullmatch(version)
    if not match:
        raise UsageError(f"{version!r:.80} is no version of Kubernetes such as v1.30.2")
    minor, patch = int(match[1]), int(match[2] or 0)
    exact = f"v1.{minor}.{patch}{match[3] or ''}"
    if listed := _listed(exact, registry):
        return listed
    if (minor, patch) < _ROWS[0][0]:
        raise UsageError(f"{exact} is older than lreg's table: put its kubeadm on the PATH")
    _, pause, etcd, coredns = max(row for row in _ROWS if row[0] <= (minor, patch))
    dns = "coredns" if minor < _NESTED or registry else "coredns/coredns"
    parts = [*(f"{part}:{exact}" for part in _PARTS), f"{dns}:{coredns}"]
    parts += [f"pause:{pause}", f"etcd:{etcd}"]
    where = registry or _registry(minor, patch)
    return [(Reference.parse(f"{where}/{part}"), minor <= _NEWEST) for part in parts]


def _registry(minor: int, patch: int) -> str:
    return _REGISTRY if minor > max(_MOVED) or patch >= _MOVED.get(minor, 1000) else _OLD_REGISTRY


def _listed(version: str, registry: str) -> list[tuple[Reference, bool]]:
    """Return what a kubeadm here says; nothing where there is none, or it can't say."""
    if not (kubeadm := program("kubeadm")):
        return []
    argv = [kubeadm, "config", "images", "list", "--kubernetes-version", version]
    argv += ["--image-repository", registry] if registry else []
    try:
        return [(Reference.parse(line), True) for line in output_of(argv).split()]
    except LregError:
        return []
