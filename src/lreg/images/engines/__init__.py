"""The container engines of this machine: their images out as archives, and archives in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.images.engines.docker import DockerDaemon
from lreg.images.engines.programs import Containerd, Podman

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lreg.images.engines.engine import Engine

# In the order in which they are asked for an image.
ENGINES: Mapping[str, Callable[[], Engine]] = {
    "docker": DockerDaemon,
    "podman": Podman,
    "containerd": Containerd,
}


def engine(name: str) -> Engine:
    """Return one of ENGINES; raise LregError where it can't be asked here."""
    made = ENGINES[name]()
    if why := made.lacks():
        raise LregError(f"{name} can't be asked: {why}")
    return made


def find_engine(image: str) -> Engine:
    """Return the first engine that holds an image of this name; raise LregError."""
    asked = []
    for make in ENGINES.values():
        candidate = make()
        if why := candidate.lacks():
            asked.append(f"{candidate.name}: {why}")
        elif candidate.has(image):
            return candidate
        else:
            asked.append(f"{candidate.name}: not there")
    raise LregError(f"no engine here has an image {image} ({'; '.join(asked)})")
