"""Which real clients this machine has, and what to say about those it has not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """What a test that is marked with a client's name needs.

    Attributes:
        programs: all of them must be found in PATH.
        root: whether root's rights are needed as well.
        package: what Debian calls it.
    """

    programs: tuple[str, ...]
    package: str
    root: bool = False

    def lacks(self) -> str:
        """Return what is missing, in words; empty where nothing is."""
        if missing := [each for each in self.programs if not shutil.which(each)]:
            return f"no {', '.join(missing)} here (Debian: apt install {self.package})"
        return "needs root" if self.root and os.geteuid() else ""


NEEDS = {
    "skopeo": Need(("skopeo",), "skopeo"),
    "docker": Need(("docker", "dockerd", "unshare", "mount"), "docker.io", root=True),
    "podman": Need(("podman",), "podman", root=True),
    "buildah": Need(("buildah",), "buildah", root=True),
    "containerd": Need(("containerd", "ctr", "curl", "unshare"), "containerd curl", root=True),
    "curl": Need(("curl",), "curl"),
    "umoci": Need(("umoci",), "umoci"),
    "systemd": Need(("systemd-analyze",), "systemd"),
    "docker-registry": Need(("docker-registry",), "docker-registry"),
    "namespaces": Need(("unshare", "nsenter", "ip", "mount"), "util-linux iproute2", root=True),
}
