"""Which version of a runtime this machine has."""

from __future__ import annotations

import re
import subprocess

# The daemon's own program, which tells its version whether it runs or not.
_PROGRAMS = {
    "containerd": "containerd",
    "nerdctl": "containerd",
    "docker": "dockerd",
    "crio": "crio",
    "podman": "podman",
    "buildah": "buildah",
    "skopeo": "skopeo",
    "buildkit": "buildkitd",
    "k3s": "k3s",
    "rke2": "rke2",
}
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")
_PATIENCE = 20.0


def installed_version(runtime: str) -> str:
    """Return the version of a runtime that is installed here, such as 1.6.20; "" if none is known.

    Args:
        runtime: its name, of `lreg.node.runtimes.RUNTIMES`.
    """
    if runtime not in _PROGRAMS:
        return ""
    try:
        said = subprocess.run(
            [_PROGRAMS[runtime], "--version"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _VERSION.search(said)
    return match[0] if match else ""
