"""What kubeadm pulls for a version of Kubernetes, as `kubeadm config images list` prints it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from shutil import which
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.finding.programs import output_of
from lreg.images.finding.trees import mapping_at, text_at
from lreg.oci.reference import Reference, Tag

if TYPE_CHECKING:
    from lreg.images.finding.found import Findings, Place
    from lreg.images.finding.trees import Tree

_VERSION = re.compile(r"v?1\.(\d{1,3})(?:\.(\d{1,3}))?([-+][\w.+-]{1,40})?")
_PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# From which version on: pause, etcd, CoreDNS (minikube's table of what each kubeadm lists; from
# 1.34 on kubeadm's own constants).
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
    ((37, 0), "3.10.2", "3.7.0-0", "v1.14.6"),
)
_NEWEST = _ROWS[-1][0][0]
_OLD_REGISTRY, _REGISTRY = "k8s.gcr.io", "registry.k8s.io"
# The patch of each minor that first pulled from the new registry.
_MOVED = {22: 17, 23: 15, 24: 9}
# In Kubernetes' own registries CoreDNS got a folder of its own in 1.21.
_NESTED = 21


def find(
    version: str, place: Place, findings: Findings, fields: dict[str, Tree] | None = None
) -> None:
    """Add what kubeadm pulls; where only a guess is possible, also that this is so.

    Args:
        version: of Kubernetes, such as v1.30.2; without a patch, its first.
        place: where it is asked for.
        findings: where to put it.
        fields: of a ClusterConfiguration (kubeadm-config.v1beta4), which may name other registries
            and tags, or do without a part.

    Raises:
        UsageError: it is no version, or one that nothing here knows.
    """
    own = fields or {}
    minor, patch, exact = _parsed(version)
    registry = text_at(own, "imageRepository")
    newest, parts = _listed(exact, registry) or (_NEWEST, _tabled(minor, patch, exact, registry))
    is_known = minor <= newest
    for reference in parts:
        if used := _configured(reference, own):
            is_own = _name(reference) in _PARTS
            findings.add(used, place, sure=is_known or is_own)
    if not is_known:
        why = (
            f"{exact} is newer than what is known here, up to 1.{newest}: its pause, etcd and "
            "CoreDNS are guessed; its own kubeadm on the PATH knows them"
        )
        findings.fail(place, why)


def _parsed(version: str) -> tuple[int, int, str]:
    """Return minor, patch and the whole of a version; raise UsageError."""
    match = _VERSION.fullmatch(version)
    if not match:
        raise UsageError(f"{version!r:.80} is no version of Kubernetes such as v1.30.2")
    minor, patch = int(match[1]), int(match[2] or 0)
    return minor, patch, f"v1.{minor}.{patch}{match[3] or ''}"


def _tabled(minor: int, patch: int, exact: str, registry: str) -> list[Reference]:
    """Return what the table says; raise UsageError."""
    if (minor, patch) < _ROWS[0][0]:
        raise UsageError(f"{exact} is older than lreg's table: put its kubeadm on the PATH")
    _, pause, etcd, coredns = max(row for row in _ROWS if row[0] <= (minor, patch))
    where = registry or _registry(minor, patch)
    is_nested = minor >= _NESTED and where in (_OLD_REGISTRY, _REGISTRY)
    dns = "coredns/coredns" if is_nested else "coredns"
    # What a version is called with a build of its own (semver, 10) is no tag as it stands.
    parts = [f"{part}:{exact.replace('+', '_')}" for part in _PARTS]
    parts += [f"{dns}:{coredns}", f"pause:{pause}", f"etcd:{etcd}"]
    return [Reference.parse(f"{where}/{part}") for part in parts]


def _name(reference: Reference) -> str:
    return str(reference.repository).rpartition("/")[2]


def _configured(reference: Reference, fields: dict[str, Tree]) -> Reference | None:
    """Return what a configuration makes of an image of kubeadm's; None: it does without."""
    name = _name(reference)
    match name:
        case "kube-proxy":
            given = mapping_at(fields, "proxy")
        case "coredns":
            given = mapping_at(fields, "dns")
        case "etcd":
            etcd = mapping_at(fields, "etcd")
            if "external" in etcd:
                return None
            given = mapping_at(etcd, "local")
        case _:
            return reference
    if text_at(given, "disabled") == "true":
        return None
    registry, tag = text_at(given, "imageRepository"), text_at(given, "imageTag")
    made = replace(reference, tag=Tag.parse(tag)) if tag else reference
    return Reference.parse(f"{registry}/{name}:{made.tag}") if registry else made


def _registry(minor: int, patch: int) -> str:
    return _REGISTRY if minor > max(_MOVED) or patch >= _MOVED.get(minor, 1000) else _OLD_REGISTRY


def _listed(version: str, registry: str) -> tuple[int, list[Reference]] | None:
    """Return what a kubeadm here says, and the newest minor that it knows.

    None where there is none, or it can't say. Of versions newer than itself it lists what goes with
    its own.
    """
    if not (kubeadm := which("kubeadm")):
        return None
    argv = [kubeadm, "config", "images", "list", "--kubernetes-version", version]
    argv += ["--image-repository", registry] if registry else []
    try:
        listed = [Reference.parse(line) for line in output_of(argv).split()]
        own = _VERSION.fullmatch(output_of([kubeadm, "version", "--output=short"]).strip())
    except LregError:
        return None
    # One that was built by hand may not tell its version.
    return int(own[1]) if own else sys.maxsize, listed
