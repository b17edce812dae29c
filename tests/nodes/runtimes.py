"""The runtimes of the matrix, each installed on a node as its users have it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from tests.support.images import sha256
from tests.tools import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.cluster import Daemon, Node
    from tests.support.processes import Said

# So long Go programs believe what they read in /etc/hosts (net/hosts.go, cacheMaxAge), and some.
_GO_HOSTS_SECONDS = 5.5
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


class Installed:
    """A runtime on a node.

    Args:
        node: the node.

    Attributes:
        title: what it is called in the matrix.
        client: the mark of tests that need it, see NEEDS.
        name: what lreg's commands call it.
        programs: those of tests/tools that it needs.
    """

    title: ClassVar[str]
    client: ClassVar[str]
    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, node: Node) -> None:
        self.node = node
        self._daemon: Daemon | None = None
        self._install()
        self.restart()

    @classmethod
    def binaries(cls) -> list[Path]:
        """Return the programs that are to be in the node's PATH."""
        return [build(name) for name in cls.programs]

    def _install(self) -> None:
        """Write the files that a distribution or a user would have written."""

    @property
    def version(self) -> str:
        """Its version."""
        raise NotImplementedError

    def pull(self, image: str) -> str:
        """Pull an image that it does not hold, and return the digest of its manifest."""
        raise NotImplementedError

    def forget(self) -> None:
        """Hold no image any more."""

    def lreg(self, command: str, *options: str) -> Said:
        """Run `lreg node COMMAND` for it, whatever comes; and what that has systemd do."""
        argv = (sys.executable, "-m", "lreg", "node", command, self.name, *options)
        said = self.node.attempt(*argv)
        for verb in self.node.told_systemd():
            if verb == "restart":
                self.restart()
            elif self._daemon:
                self._daemon.signal(signal.SIGHUP)
                time.sleep(_GO_HOSTS_SECONDS)
        return said

    def restart(self) -> None:
        """Start it, again where it runs; nothing to do where it is no daemon."""

    def stop(self) -> None:
        """End it where it runs."""
        if self._daemon and not self._daemon.has_ended:
            self._daemon.stop()

    def _start(self, answers: Sequence[str], *command: str) -> None:
        """Start its daemon and return once the command `answers` succeeds."""
        self.stop()
        self._daemon = self.node.start(*command)
        self._daemon.wait_until(lambda: self.node.attempt(*answers).code == 0)

    def _said_version(self, *command: str) -> str:
        match = _VERSION.search(self.node(*command).out)
        assert match
        return match[0]


class Cri(Installed):
    """What a kubelet asks for images; here crictl asks in its place."""

    socket: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ("crictl",)

    def _ask(self, *arguments: str) -> tuple[str, ...]:
        at = f"unix://{self.socket}"
        # By itself it gives up after two seconds.
        options = (f"--runtime-endpoint={at}", f"--image-endpoint={at}", "--timeout=60s")
        return ("crictl", *options, *arguments)

    def _install(self) -> None:
        self.node.write("etc/crictl.yaml", f"runtime-endpoint: unix://{self.socket}\n")

    def pull(self, image: str) -> str:
        """See Installed."""
        identity = self.node(*self._ask("pull", image)).out.split()[-1]
        told = json.loads(self.node(*self._ask("inspecti", "--output=json", identity)).out)
        return str(told["status"]["repoDigests"][0].partition("@")[2])

    def forget(self) -> None:
        """See Installed."""
        self.node(*self._ask("rmi", "--all"))


class Containerd1(Cri):
    """Debian's, with Debian's file."""

    title, client, name = "containerd 1.6", "containerd 1.6", "containerd"
    socket = "/run/containerd/containerd.sock"

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("containerd", "--version")

    def restart(self) -> None:
        """See Installed."""
        self._start(self._ask("version"), "containerd")


class Containerd2(Containerd1):
    """The one of tests/tools, with the file that `containerd config default` prints."""

    title, client = "containerd 2.3", "containerd 2.3"
    programs = ("crictl", "containerd")

    def _install(self) -> None:
        super()._install()
        self.node.write(
            "etc/containerd/config.toml", self.node("containerd", "config", "default").out
        )


class Crio(Cri):
    """CRI-O, with a file for what Debian has in other places."""

    title, client, name = "CRI-O 1.36", "CRI-O", "crio"
    socket = "/run/crio/crio.sock"
    programs = ("crictl", "crio")

    def _install(self) -> None:
        super()._install()
        # Only containers that run need pinns, a C program that lreg's tests have no use for.
        self.node.write(
            "etc/crio/crio.conf.d/10-debian.conf",
            """\
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
pinns_path = "/bin/true"
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = "/usr/bin/crun"
monitor_path = "/usr/bin/conmon"
monitor_cgroup = "pod"
""",
        )

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("crio", "--version")

    def restart(self) -> None:
        """See Installed."""
        self._start(self._ask("version"), "crio")


class Docker(Installed):
    """Debian's dockerd.

    Attributes:
        flags: with which it is started besides.
    """

    title, client, name = "Docker 20.10", "docker", "docker"
    flags: tuple[str, ...] = ("--bridge=none", "--iptables=false")

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("dockerd", "--version")

    def restart(self) -> None:
        """See Installed."""
        self._start(("docker", "version"), "dockerd", *self.flags)

    def pull(self, image: str) -> str:
        """See Installed."""
        self.node("docker", "pull", "--quiet", image)
        told = json.loads(self.node("docker", "image", "inspect", image).out)
        return str(told[0]["RepoDigests"][0].partition("@")[2])

    def forget(self) -> None:
        """See Installed."""
        if images := self.node("docker", "image", "ls", "--quiet").out.split():
            self.node("docker", "image", "rm", "--force", *set(images))


class Docker29(Docker):
    """The one of tests/tools, client and daemon, with the containerd image store."""

    title, client = "Docker 29", "Docker 29"
    programs = ("docker", "dockerd", "containerd")
    _without = ("--ip6tables=false", "--userland-proxy=false")


class Podman(Installed):
    """Debian's podman; it has no daemon and reads its files each time."""

    title, client, name = "podman 4.3", "podman", "podman"
    _options = ("--cgroup-manager=cgroupfs", "--events-backend=file")

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("podman", "--version")

    def pull(self, image: str) -> str:
        """See Installed."""
        identity = self.node("podman", *self._options, "pull", "--quiet", image).out.strip()
        told = ("image", "inspect", "--format={{.Digest}}", identity)
        return self.node("podman", *self._options, *told).out.strip()

    def forget(self) -> None:
        """See Installed."""
        self.node("podman", *self._options, "image", "rm", "--all", "--force")


class Skopeo(Installed):
    """Debian's skopeo, which only copies."""

    title, client, name = "skopeo 1.9", "skopeo", "skopeo"

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("skopeo", "--version")

    def pull(self, image: str) -> str:
        """See Installed."""
        target = self.node.file("run/pulled")
        self.node("skopeo", "copy", f"docker://{image}", "dir:/run/pulled")
        digest = sha256((target / "manifest.json").read_bytes())
        shutil.rmtree(target)
        return digest


class BuildKit(Installed):
    """buildkitd and buildctl of tests/tools: an image is what a Dockerfile is FROM."""

    title, client, name = "BuildKit 0.32", "BuildKit", "buildkit"
    programs = ("buildkitd", "buildctl")
    _resolved = re.compile(r"FROM \S+@(sha256:[0-9a-f]{64})")

    @property
    def version(self) -> str:
        """See Installed."""
        return self._said_version("buildkitd", "--version")

    def restart(self) -> None:
        """See Installed."""
        self._start(("buildctl", "debug", "workers"), "buildkitd", "--oci-worker-net=host")

    def pull(self, image: str) -> str:
        """See Installed."""
        self.node.write("run/context/Dockerfile", f"FROM {image}\n")
        here = ("--local=context=/run/context", "--local=dockerfile=/run/context")
        command = ("build", "--progress=plain", "--frontend=dockerfile.v0", *here)
        said = self.node("buildctl", *command, "--output=type=oci,dest=/run/built.tar")
        match = self._resolved.search(said.err)
        assert match, said.err
        return match[1]

    def forget(self) -> None:
        """See Installed."""
        self.node("buildctl", "prune", "--all")


RUNTIMES: tuple[type[Installed], ...] = (
    Containerd1,
    Containerd2,
    Crio,
    Docker,
    Docker29,
    Podman,
    Skopeo,
    BuildKit,
)
"""In the order of the matrix's rows."""
