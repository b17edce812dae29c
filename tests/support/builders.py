"""`lreg build` beside another builder, both pushing to one registry."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.support.clients import buildah, trust
from tests.support.dockerfiles import write_base, write_case
from tests.support.flattened import Flat, flattened
from tests.support.processes import clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.buildkit import BuildKit
    from tests.support.daemons import Docker
    from tests.support.registries import Running


class Builder(Protocol):
    """Something that builds Dockerfiles.

    Attributes:
        name: what `lreg build --builder` calls it.
        environment: in which lreg finds it.
    """

    name: str
    environment: dict[str, str]

    def push(self, context: Path, image: str, registry: Running) -> None:
        """Build a context and push the image."""


class DockersOwn:
    """The builder in dockerd, older than BuildKit."""

    name = "docker"

    def __init__(self, docker: Docker) -> None:
        self.environment = {"DOCKER_HOST": docker.host, "DOCKER_BUILDKIT": "0"}
        self._cli = docker.cli.with_environment(DOCKER_BUILDKIT="0")

    def push(self, context: Path, image: str, registry: Running) -> None:
        """See Builder."""
        assert registry.ca is None
        self._cli("build", "--tag", image, str(context))
        self._cli("push", "--quiet", image)


class Buildah:
    """buildah, with images of its own."""

    name = "buildah"

    def __init__(self, home: Path) -> None:
        self._client = buildah(home)
        storage = home / "storage.conf"
        roots = f'runroot = "{home}/run"\ngraphroot = "{home}/root"\n'
        storage.write_text(f'[storage]\ndriver = "vfs"\n{roots}')
        self.environment = {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(storage),
            "STORAGE_DRIVER": "vfs",
        }

    def push(self, context: Path, image: str, registry: Running) -> None:
        """See Builder."""
        trusted = trust(registry)
        options = ["--format=docker", "--isolation=chroot", *trusted, "--tag", image]
        self._client("bud", *options, str(context))
        self._client("push", *trusted, image)


class BuildKits:
    """BuildKit, the reference."""

    name = "buildkit"

    def __init__(self, daemon: BuildKit) -> None:
        path = f"{daemon.programs}:{os.environ['PATH']}"
        self.environment = {"BUILDKIT_HOST": daemon.address, "PATH": path}
        self._cli = daemon.cli

    def push(self, context: Path, image: str, registry: Running) -> None:
        """See Builder."""
        assert registry.ca is None
        frontend = ("build", "--progress=plain", "--frontend=dockerfile.v0")
        places = ("--local", f"context={context}", "--local", f"dockerfile={context}")
        self._cli(*frontend, *places, "--output", f"type=image,name={image},push=true")


@dataclass(frozen=True)
class Beside:
    """Lreg beside another builder.

    Attributes:
        registry: where both push to; it has the base, built by the other.
        other: the other.
        home: for whatever is written.
    """

    registry: Running
    other: Builder
    home: Path

    @classmethod
    def prepared(cls, registry: Running, other: Builder, home: Path) -> Beside:
        """Return both, with the base in the registry."""
        made = cls(registry, other, home)
        other.push(write_base(home / "base"), made.name("base"), registry)
        return made

    def name(self, image: str) -> str:
        """What an image of the tests is called."""
        return f"{self.registry.host}/t/{image}:1"

    def context(self, folder: Path, case: str) -> Path:
        """Write the context of a case."""
        return write_case(folder, case, self.name("base"))

    def ours(self, context: Path, *options: str, **more: str) -> Flat:
        """Return what lreg makes of a context."""
        env = clean_environment(self.home, LOCAL_REGISTRY=self.registry.host) | more
        argv = ["build", "--quiet", "--push", "--tag", "t/lreg:1", *options, str(context)]
        run(sys.executable, "-m", "lreg", *argv, env=env, cwd=self.home)
        return self._pushed("lreg")

    def theirs(self, context: Path) -> Flat:
        """Return what the other makes of it."""
        self.other.push(context, self.name("other"), self.registry)
        return self._pushed("other")

    def compare(self, folder: Path, case: str) -> None:
        """Hold lreg to what the other makes of a case."""
        context = self.context(folder, case)
        ours, theirs = self.ours(context), self.theirs(context)
        assert ours.files == theirs.files
        assert ours.said() == theirs.said()

    def hand_over(self, folder: Path) -> None:
        """Hold lreg to having the other build, and pushing what that made."""
        context = self.context(folder, "files")
        own = self.ours(context)
        options = ("--builder", self.other.name, "--label", "by=other")
        theirs = self.ours(context, *options, **self.other.environment)
        assert theirs.files == own.files
        assert theirs.said()["Labels"]["by"] == "other"

    def _pushed(self, image: str) -> Flat:
        with self.registry.wire() as wire:
            return flattened(wire, f"t/{image}", "1")
