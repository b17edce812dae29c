"""Builders that run what a Dockerfile says, for those that lreg itself does not build."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lreg.oci.platform import Platform

_BUILDKIT_SOCKET = "/run/buildkit/buildkitd.sock"


class Builder(StrEnum):
    """Who builds, in the order in which they are looked for."""

    LREG = "lreg"
    BUILDAH = "buildah"
    BUILDKIT = "buildkit"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Order:
    """What a builder is to build.

    Attributes:
        dockerfile: the Dockerfile.
        context: the folder that it copies from.
        target: the stage; "" is the last.
        arguments: values for ARGs.
        labels: to be added to the config.
        platform: what for; None: this machine.
    """

    dockerfile: Path
    context: Path
    target: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    platform: Platform | None


def builder_here() -> Builder | None:
    """Return the first builder that this machine has, besides lreg; None where it has none."""
    if shutil.which("buildah"):
        return Builder.BUILDAH
    if shutil.which("buildctl") and (
        os.environ.get("BUILDKIT_HOST") or os.path.exists(_BUILDKIT_SOCKET)
    ):
        return Builder.BUILDKIT
    return Builder.DOCKER if shutil.which("docker") else None


@contextmanager
def built_by(builder: Builder, order: Order) -> Iterator[Path]:
    """Have a builder build, and give the archive with its image; it is gone after.

    Raises:
        UsageError: it is not there.
        LregError: it failed; what it said went to stderr.
    """
    with tempfile.TemporaryDirectory(prefix="lreg-") as folder:
        archive = Path(folder) / "image.tar"
        _BUILDERS[builder](order, archive)
        yield archive


def _buildah(order: Order, archive: Path) -> None:
    named = archive.with_name("id")
    platform = ["--platform", str(order.platform)] if order.platform else []
    _run("buildah", "build", "--iidfile", str(named), *platform, *_options(order))
    image = named.read_text().strip()
    try:
        _run("buildah", "push", "--quiet", image, f"oci-archive:{archive}")
    finally:
        _run("buildah", "rmi", image)


def _buildkit(order: Order, archive: Path) -> None:
    folder, name = order.dockerfile.parent, order.dockerfile.name
    options = [f"filename={name}", f"target={order.target}" if order.target else ""]
    options += [f"platform={order.platform}" if order.platform else ""]
    options += [f"build-arg:{key}={value}" for key, value in order.arguments.items()]
    options += [f"label:{key}={value}" for key, value in order.labels.items()]
    given = [part for option in options if option for part in ("--opt", option)]
    places = ["--local", f"context={order.context}", "--local", f"dockerfile={folder}"]
    output = ["--output", f"type=oci,dest={archive}"]
    _run("buildctl", "build", "--frontend", "dockerfile.v0", *places, *given, *output)


def _docker(order: Order, archive: Path) -> None:
    named = archive.with_name("id")
    platform = ["--platform", str(order.platform)] if order.platform else []
    _run("docker", "build", "--iidfile", str(named), *platform, *_options(order))
    image = named.read_text().strip()
    _run("docker", "save", "--output", str(archive), image)


def _options(order: Order) -> Sequence[str]:
    """Return what buildah and docker call the same."""
    target = ["--target", order.target] if order.target else []
    pairs = [("--build-arg", order.arguments), ("--label", order.labels)]
    given = [
        part
        for option, values in pairs
        for key, value in values.items()
        for part in (option, f"{key}={value}")
    ]
    return ["--file", str(order.dockerfile), *target, *given, str(order.context)]


_BUILDERS: Mapping[Builder, Callable[[Order, Path], None]] = {
    Builder.BUILDAH: _buildah,
    Builder.BUILDKIT: _buildkit,
    Builder.DOCKER: _docker,
}


def _run(*command: str) -> None:
    try:
        # Its stdout is ours for the tag.
        done = subprocess.run(command, stdout=2, check=False)
    except FileNotFoundError as error:
        raise UsageError(f"there is no {command[0]} here: install it, or take another") from error
    if done.returncode:
        raise LregError(f"{' '.join(command[:2])} failed: exit code {done.returncode}")
