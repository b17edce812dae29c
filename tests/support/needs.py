"""Which real clients this machine has, and what to say about those it has not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.tools import ToolUnavailable, build, cache_folder

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = cache_folder() / "linux/vmlinuz"
"""The kernel of a VM, brought by tests/vm/get-kernel; its modules are beside it."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a test that is marked with a client's name needs.

    Attributes:
        programs: all of them must be found in PATH.
        package: what Debian calls it.
        root: whether root's rights are needed as well.
        tools: programs of tests/tools, which are built where they are not there yet.
        files: what else has to be there; tests/install-clients brings it.
    """

    programs: tuple[str, ...]
    package: str
    root: bool = False
    tools: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def lacks(self) -> str:
        """Return what is missing, in words; empty where nothing is."""
        if missing := [each for each in self.programs if not shutil.which(each)]:
            return f"no {', '.join(missing)} here (Debian: apt install {self.package})"
        if absent := [str(each) for each in self.files if not each.exists()]:
            return f"no {', '.join(absent)} here (Debian: tests/install-clients)"
        if self.root and os.geteuid():
            return "needs root"
        try:
            for each in self.tools:
                build(each)
        except ToolUnavailable as error:
            return str(error)
        return ""


NEEDS = {
    "skopeo": Need(("skopeo",), "skopeo"),
    "docker": Need(("docker", "dockerd", "unshare", "mount"), "docker.io", root=True),
    "Docker 29": Need(
        ("runc", "unshare", "mount"),
        "runc",
        root=True,
        tools=("docker", "dockerd", "containerd"),
    ),
    "podman": Need(("podman",), "podman", root=True),
    "buildah": Need(("buildah",), "buildah", root=True),
    "containerd": Need(("containerd", "ctr", "curl", "unshare"), "containerd curl", root=True),
    "curl": Need(("curl",), "curl"),
    "openssl": Need(("openssl",), "openssl"),
    "patch": Need(("patch",), "patch"),
    "helm": Need((), "", tools=("helm",)),
    "kind": Need((), "", tools=("kind",)),
    "kubectl": Need(("kubectl",), "kubernetes-client"),
    "umoci": Need(("umoci",), "umoci"),
    "zsh": Need(("zsh",), "zsh"),
    "fish": Need(("fish",), "fish"),
    "systemd": Need(("systemd-analyze",), "systemd"),
    "docker-registry": Need(("docker-registry",), "docker-registry"),
    "distribution 3": Need((), "", tools=("distribution",)),
    "crane": Need((), "", tools=("crane",)),
    "zot": Need((), "", tools=("zot",)),
    "busybox": Need(("busybox",), "busybox-static"),
    "qemu": Need(
        ("qemu-system-x86_64", "genisoimage", "busybox"),
        "qemu-system-x86 genisoimage busybox-static",
        root=True,
        tools=("crictl",),
        files=(KERNEL,),
    ),
    "namespaces": Need(
        ("unshare", "nsenter", "setpriv", "ip", "mount"), "util-linux iproute2", root=True
    ),
    "containerd 1.6": Need(("containerd",), "containerd", root=True, tools=("crictl",)),
    "containerd 2.3": Need((), "", root=True, tools=("containerd", "crictl")),
    "CRI-O": Need(("crun", "conmon"), "crun conmon", root=True, tools=("crio", "crictl")),
    "BuildKit": Need(("runc",), "runc", root=True, tools=("buildkitd", "buildctl")),
}
