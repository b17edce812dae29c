"""Real clients, each with a home of its own and no say from this machine's configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.processes import Said, attempt, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.registries import Running


class Client:
    """A command-line client: call it with arguments, get what it said.

    Attributes:
        home: its home folder.
    """

    def __init__(self, home: Path, *argv: str, inside: Sequence[str] = (), **env: str) -> None:
        """Make one.

        Args:
            home: its home folder.
            argv: the program and the options it always gets.
            inside: what to put before the command, such as `nsenter …`.
            env: more environment variables.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._argv = (*inside, *argv)
        logins = home / "auth.json"
        if not logins.exists():
            logins.write_text("{}")
        self._env = clean_environment(home, REGISTRY_AUTH_FILE=str(logins)) | env

    def with_environment(self, **more: str) -> Client:
        """Return the same client with more environment variables."""
        return Client(self.home, *self._argv, **(self._env | more))

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Said:
        """Run it; it has to succeed."""
        return run(*self._argv, *arguments, env=self._env, stdin=stdin, cwd=self.home)

    def attempt(self, *arguments: str, stdin: bytes = b"") -> Said:
        """Run it, whatever comes."""
        return attempt(*self._argv, *arguments, env=self._env, stdin=stdin, cwd=self.home)


def skopeo(home: Path, inside: Sequence[str] = ()) -> Client:
    """Return a skopeo."""
    return Client(home, "skopeo", "--insecure-policy", inside=inside)


def podman(home: Path, inside: Sequence[str] = ()) -> Client:
    """Return a podman with its own images."""
    places = [f"--root={home}/root", f"--runroot={home}/run", f"--tmpdir={home}/tmp"]
    policy = home / "config/containers/policy.json"
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    options = ["--cgroup-manager=cgroupfs", "--events-backend=file", "--storage-driver=vfs"]
    return Client(home, "podman", *places, *options, inside=inside)


def buildah(home: Path) -> Client:
    """Return a buildah with its own images."""
    places = [f"--root={home}/root", f"--runroot={home}/run", "--storage-driver=vfs"]
    return Client(home, "buildah", *places)


def curl(registry: Running, home: Path, inside: Sequence[str] = ()) -> Client:
    """Return a curl that trusts this registry's CA."""
    trust = ("--cacert", str(registry.ca)) if registry.ca else ()
    return Client(home, "curl", "--silent", "--show-error", *trust, inside=inside)


def trust(registry: Running, side: str = "") -> list[str]:
    """Return the options by which skopeo, podman and buildah reach this registry.

    Args:
        registry: the registry.
        side: `src-` or `dest-` for `skopeo copy`, else nothing.
    """
    if registry.ca:
        return [f"--{side}cert-dir={registry.ca.parent}"]
    return [f"--{side}tls-verify=false"]
