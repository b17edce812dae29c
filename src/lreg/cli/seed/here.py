"""What the commands of `images` share: lreg's commands, names in the registry here, overlays."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from lreg import cli
from lreg.cli.registries.target import local_registry
from lreg.errors import LregError
from lreg.images.finding import overlays
from lreg.oci.reference import is_host

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 30.0


def lreg(*arguments: str) -> int:
    """Run a command of lreg; return its exit code."""
    return cli.run(list(arguments))


def local(image: str) -> str:
    """Return how an lreg command is told that an image of the registry here is meant.

    A name with a host is one that the registry keeps under that name: not the host is asked.
    """
    own = local_registry().host
    image = image.strip("\"'")
    first, _, rest = image.partition("/")
    return f"{own}/{image}" if rest and first != own and is_host(first) else image


def look(command: str, image: str, *options: str) -> int:
    """Run a command of lreg that looks into an image; return its exit code.

    Where only Docker has the image, Docker's is meant: what `mkimage` makes without --upload.
    """
    name = image.strip("\"'")
    if lreg("has", name) and in_docker(name):
        return lreg(command, "--from=docker", *options, name)
    return lreg(command, *options, local(name))


def in_docker(image: str) -> bool:
    """Return whether a Docker daemon is here and has an image."""
    from lreg.images.engines.docker import DockerDaemon  # noqa: PLC0415 -- few commands need it

    docker = DockerDaemon()
    return not docker.lacks() and docker.has(image)


def locate(name: str) -> Path:
    """Return the folder or overlay of a name; raise UsageError."""
    return overlays.locate(name, os.environ)


def pause_image() -> str:
    """Return the image that every pod of xcluster's CRI-O needs, "" where nothing tells it.

    Its overlay does: `crio.sh pause_image`.
    """
    try:
        script = locate("crio") / "crio.sh"
        said = subprocess.run(
            [str(script), "pause_image"], capture_output=True, timeout=_PATIENCE, check=True
        )
    except (LregError, OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.decode(errors="replace").strip()
