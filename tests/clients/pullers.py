"""Four real clients, told to pull from a lreg what they call docker.io and quay.io."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Protocol

from tests.support import clients

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.clients import Client
    from tests.support.daemons import Containerd, Docker
    from tests.support.registries import Running

# A path says which registry is meant; "blocked": from the mirror only, never from the internet.
_REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
"""
_MIRROR = """\
[[registry]]
prefix = "{host}"
location = "{host}"
blocked = true
[[registry.mirror]]
location = "{mirror}/{host}"
insecure = true
"""


def registries_conf(folder: Path, mirror: Running) -> Path:
    """Write what podman, skopeo and their kin read, and return the file."""
    file = folder / "registries.conf"
    hosts = ("docker.io", "quay.io")
    tables = (_MIRROR.format(host=host, mirror=mirror.host) for host in hosts)
    file.write_text(_REGISTRIES + "".join(tables))
    return file


class Puller(Protocol):
    """A client that pulls through a mirror."""

    def pull(self, image: str) -> str:
        """Pull an image that it does not hold and return the digest of its config; forget it."""


class PullByContainerd:
    """As a kubelet pulls; with `ns`."""

    def __init__(self, containerd: Containerd, mirror: Running) -> None:
        for host in ("docker.io", "quay.io"):
            containerd.use_mirror(mirror, host)
        self._containerd = containerd

    def pull(self, image: str) -> str:
        """See Puller."""
        self._containerd.remove_images()
        return self._containerd.cri_pull(image)


class PullByDocker:
    """With `registry-mirrors`, which know docker.io only and say nothing of it."""

    def __init__(self, docker: Docker, mirror: Running) -> None:
        docker.use_mirrors(mirror.url)
        self._docker = docker

    def pull(self, image: str) -> str:
        """See Puller."""
        self._docker.cli("pull", image)
        identity = self._docker.image_id(image)
        self._docker.cli("image", "rm", image)
        return identity


class PullByPodman:
    """With a registries.conf whose mirrors have a path."""

    def __init__(self, podman: Client, mirror: Running) -> None:
        file = registries_conf(podman.home, mirror)
        self._podman = podman.with_environment(CONTAINERS_REGISTRIES_CONF=str(file))

    def pull(self, image: str) -> str:
        """See Puller."""
        self._podman("pull", image)
        identity = self._podman("image", "inspect", "--format={{.Id}}", image).out.strip()
        self._podman("image", "rm", image)
        return f"sha256:{identity}"


class PullBySkopeo:
    """With the same file."""

    def __init__(self, home: Path, mirror: Running) -> None:
        self._skopeo = clients.skopeo(home)
        self._file = registries_conf(home, mirror)
        self._target = home / "pulled"

    def pull(self, image: str) -> str:
        """See Puller."""
        options = ("--registries-conf", str(self._file))
        self._skopeo(*options, "copy", f"docker://{image}", f"dir:{self._target}")
        manifest = json.loads((self._target / "manifest.json").read_text())
        shutil.rmtree(self._target)
        return str(manifest["config"]["digest"])
