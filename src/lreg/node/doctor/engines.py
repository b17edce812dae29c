"""The runtimes that can be asked to pull an image, and how they are found on this node."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lreg.errors import LregError, UsageError
from lreg.node.doctor.cri import Cri
from lreg.node.installed import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_K3S_SOCKET = "/run/k3s/containerd/containerd.sock"
# By CRI's socket, the likeliest first: a node of Kubernetes may have Docker as well.
_SOCKETS: Mapping[str, str] = {
    "rke2": _K3S_SOCKET,
    "k3s": _K3S_SOCKET,
    "microk8s": "/var/snap/microk8s/common/run/containerd.sock",
    "crio": "/run/crio/crio.sock",
    "containerd": "/run/containerd/containerd.sock",
}
_TOOLS = ("docker", "podman", "buildah", "skopeo")
NAMES = (*_SOCKETS, *_TOOLS)
_RKE2_DATA = "/var/lib/rancher/rke2"
_DOCKER_SOCKET = "/run/docker.sock"
_QUICK = 20.0
# Of what a tool prints the end says why; so many characters of it are enough.
_MOST_WORDS = 400


class PullFailed(LregError):
    """The runtime could not pull the image."""


class Engine(Protocol):
    """A runtime that pulls images; every method raises LregError with its words."""

    def version(self) -> str:
        """Return the version of what pulls, such as 1.6.20."""

    def pull(self, image: str, seconds: float) -> None:
        """Pull an image within so many seconds."""

    def remove(self, image: str) -> None:
        """Remove it again."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of the command line that pulls by itself."""

    name: str
    removal: tuple[str, ...]

    def version(self) -> str:
        """Return its version."""
        return _version_of(self.name)

    def pull(self, image: str, seconds: float) -> None:
        """Pull by its own command."""
        _run([self.name, "pull", "--quiet", image], seconds)

    def remove(self, image: str) -> None:
        """Remove by its own command."""
        _run([self.name, *self.removal, image], _QUICK)


@dataclass(frozen=True, slots=True)
class Docker:
    """Docker's daemon, by its client; `address` is what its client calls it, "" its default."""

    address: str

    def version(self) -> str:
        """Return the daemon's version, whichever the client's is."""
        return self._run("version", "--format", "{{.Server.Version}}").strip()

    def pull(self, image: str, seconds: float) -> None:
        """Pull by its own command."""
        self._run("pull", "--quiet", image, seconds=seconds)

    def remove(self, image: str) -> None:
        """Remove by its own command."""
        self._run("image", "rm", image)

    def _run(self, *words: str, seconds: float = _QUICK) -> str:
        host = ("--host", self.address) if self.address else ()
        return _run(["docker", *host, *words], seconds)


class Skopeo:
    """skopeo, which keeps no images."""

    def version(self) -> str:
        """Return its version."""
        return _version_of("skopeo")

    def pull(self, image: str, seconds: float) -> None:
        """Copy into a folder, which goes at once."""
        with tempfile.TemporaryDirectory(prefix="lreg-doctor-") as folder:
            copy = ["skopeo", "copy", "--quiet", f"docker://{image}", f"dir:{folder}"]
            _run(copy, seconds)

    def remove(self, image: str) -> None:
        """Do nothing: nothing was kept."""


def detect() -> str:
    """Return the name of the runtime of this node; raise UsageError where there is none."""
    for name, path in _SOCKETS.items():
        if name == "containerd" and os.path.exists(_DOCKER_SOCKET) and shutil.which("docker"):
            return "docker"
        if os.path.exists(path) and (name != "rke2" or os.path.isdir(_RKE2_DATA)):
            return name
    for name in _TOOLS:
        if shutil.which(name) and (name != "docker" or os.path.exists(_DOCKER_SOCKET)):
            return name
    raise UsageError(f"no runtime is found on this node: name it, one of {', '.join(NAMES)}")


def engine_of(name: str, socket: str = "") -> Engine:
    """Return what pulls for a runtime.

    Args:
        name: one of `NAMES`.
        socket: the path of its socket; "": where it usually is.

    Raises:
        UsageError: it is none of them.
    """
    if name in _SOCKETS:
        return Cri(socket or _SOCKETS[name])
    match name:
        case "docker":
            return Docker(f"unix://{socket}" if socket else "")
        case "podman":
            return Tool(name, ("image", "rm"))
        case "buildah":
            return Tool(name, ("rmi",))
        case "skopeo":
            return Skopeo()
    raise UsageError(f"{name!r} can't be asked to pull on this node: use {', '.join(NAMES)}")


def _version_of(program: str) -> str:
    if version := installed_version(program):
        return version
    raise PullFailed(f"there is no program {program!r} here that tells its version")


def _run(argv: Sequence[str], seconds: float) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
        )
    except FileNotFoundError:
        raise PullFailed(f"there is no program {argv[0]!r} here") from None
    except subprocess.TimeoutExpired:
        raise PullFailed(f"no answer in {seconds:g} seconds") from None
    if done.returncode:
        raise PullFailed(" ".join(done.stderr.split())[-_MOST_WORDS:])
    return done.stdout
