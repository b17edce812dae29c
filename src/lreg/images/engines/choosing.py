"""Which engine is asked: the one that is named, or the first that holds an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.images.engines import NAMES
from lreg.images.engines.docker import DockerDaemon
from lreg.images.engines.programs import Containerd, Podman

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lreg.images.engines.engine import Engine

_ENGINES: Mapping[str, Callable[[], Engine]] = {
    "docker": DockerDaemon,
    "podman": Podman,
    "containerd": Containerd,
}


def engine(name: str) -> Engine:
    """Return the engine of one of NAMES; raise LregError where it can't be asked here."""
    made = _ENGINES[name]()
    if why := made.lacks():
        raise LregError(f"{name} can't be asked: {why}")
    return made


def find_engine(image: str) -> Engine:
    """Return the first engine that holds an image of this name; raise LregError."""
    asked = []
    for name in NAMES:
        candidate = _ENGINES[name]()
        if why := candidate.lacks():
            asked.append(f"{name}: {why}")
        elif candidate.has(image):
            return candidate
        else:
            asked.append(f"{name} has none")
    raise LregError(
        f"no engine here has an image {image} ({'; '.join(asked)}), and there is no such file"
    )
