"""dockerd and containerd, each on its own socket, with its own data, in no one's way."""

from __future__ import annotations

import json
import os
import shlex
import signal
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.clients import Client
from tests.support.images import write_layout
from tests.support.processes import Program, clean_environment, eventually, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.images import Image
    from tests.support.registries import Running


class Docker:
    """A dockerd and its client.

    Attributes:
        cli: its client.
        host: where it listens, as `DOCKER_HOST` says it.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        inside: Sequence[str] = (),
        programs: Sequence[Path] = (),
    ) -> None:
        """Start it in a mount namespace where /etc/docker is its own.

        Args:
            folder: for its data, logs and sockets.
            options: more of dockerd's.
            inside: what to put before the command, such as `nsenter …`.
            programs: what is first in its PATH: another dockerd than this machine's, say.
        """
        folder.mkdir(parents=True)
        self._folder = folder
        # The path of a socket may have no more than 107 characters, and it puts some in there.
        self._run = tempfile.TemporaryDirectory(prefix="lreg-", ignore_cleanup_errors=True)
        # An overlay over /etc: dockerd looks for CAs only in /etc/docker/certs.d.
        etc = shlex.quote(str(folder / "etc"))
        overlay = f"lowerdir=/etc,upperdir={etc}/upper,workdir={etc}/work"
        daemon = [
            "dockerd",
            f"--host=unix://{folder}/docker.sock",
            f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data",
            f"--exec-root={self._run.name}",
            f"--pidfile={folder}/dockerd.pid",
            "--bridge=none",
            "--iptables=false",
            *options,
        ]
        script = (
            f"mkdir {etc} && mount -t tmpfs tmpfs {etc} && mkdir {etc}/upper {etc}/work &&"
            f" mount -t overlay overlay -o {overlay} /etc && mkdir -p /etc/docker/certs.d &&"
            f" exec {shlex.join(daemon)}"
        )
        (folder / "daemon.json").write_text("{}")
        argv = [*inside, "unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        path = ":".join([*(str(each.parent) for each in programs), os.environ["PATH"]])
        self._daemon = Program(argv, folder / "dockerd.log", clean_environment(folder, PATH=path))
        home = folder / "home"
        self.host = f"unix://{folder}/docker.sock"
        self.cli = Client(home, "docker", DOCKER_HOST=self.host, PATH=path)
        self._daemon.wait_until(lambda: self.cli.attempt("version").code == 0)

    def trust(self, registry: Running) -> None:
        """Make it trust the CA of a registry."""
        if registry.ca:
            own_root = Path(f"/proc/{self._daemon.pid}/root")
            place = own_root / "etc/docker/certs.d" / registry.host
            place.mkdir(exist_ok=True)
            (place / "ca.crt").write_bytes(registry.ca.read_bytes())

    def use_mirrors(self, *urls: str) -> None:
        """Make it pull docker.io's images from there first; none: from nowhere else."""
        config = {"registry-mirrors": list(urls)}
        (self._folder / "daemon.json").write_text(json.dumps(config))
        # It reads the file again, and takes an empty list for a change, a missing one for none.
        os.kill(self._daemon.pid, signal.SIGHUP)
        told = ("info", "--format={{json .RegistryConfig.Mirrors}}")
        wanted = [f"{url}/" for url in urls]
        eventually(lambda: (json.loads(self.cli(*told).out) or []) == wanted)

    def image_id(self, image: str) -> str:
        """Return the id of an image that it holds."""
        return str(json.loads(self.cli("image", "inspect", image).out)[0]["Id"])

    def close(self) -> None:
        """End it, and its own containerd with it."""
        self._daemon.stop()
        self._run.cleanup()


class Containerd:
    """A containerd, with `ctr` and a CRI client.

    Attributes:
        ctr: its client.
        hosts: the folder with a hosts.toml for every registry that it trusts.
    """

    namespace = "k8s.io"  # where CRI keeps its images

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._socket = folder / "containerd.sock"
        self.hosts = folder / "certs.d"
        config = folder / "config.toml"
        config.write_text(
            f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{self._socket}"
[ttrpc]
  address = "{self._socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.hosts}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""
        )
        # In a mount namespace: whatever it mounts goes with it.
        argv = ["unshare", "--mount", "--propagation", "private"]
        argv += ["containerd", "--config", str(config)]
        self._daemon = Program(argv, folder / "containerd.log", clean_environment(folder))
        self._folder = folder
        self.ctr = self.ctr_inside(())
        self._daemon.wait_until(lambda: self.ctr.attempt("version").code == 0)

    @property
    def address(self) -> str:
        """Its socket."""
        return str(self._socket)

    def ctr_inside(self, inside: Sequence[str]) -> Client:
        """Return a `ctr` that runs with `inside` before its command, such as `nsenter …`."""
        options = ["--address", str(self._socket), "--namespace", self.namespace]
        return Client(self._folder / "home", "ctr", *options, inside=inside)

    def trust(self, registry: Running) -> None:
        """Write the hosts.toml by which a registry is reached."""
        place = self.hosts / registry.host
        place.mkdir(parents=True, exist_ok=True)
        ca = f'  ca = "{registry.ca}"\n' if registry.ca else ""
        (place / "hosts.toml").write_text(
            f'server = "{registry.url}"\n[host."{registry.url}"]\n'
            f'  capabilities = ["pull", "resolve", "push"]\n{ca}'
        )

    def use_mirror(self, registry: Running, host: str) -> None:
        """Write the hosts.toml by which a host's images come from a registry, and only there."""
        place = self.hosts / host
        place.mkdir(parents=True, exist_ok=True)
        (place / "hosts.toml").write_text(
            f'server = "{registry.url}"\n[host."{registry.url}"]\n'
            '  capabilities = ["pull", "resolve"]\n'
        )

    def hold(self, image: Image, name: str) -> None:
        """Make it hold an image under a name, as `ctr images import` does."""
        layout = write_layout(self._folder / "import" / image.manifest.digest, {name: image})
        archive = layout.with_suffix(".tar")
        with tarfile.open(archive, "w") as opened:
            opened.add(layout, ".")
        self.ctr("images", "import", str(archive))

    def cri_pull(self, image: str) -> str:
        """Pull as a kubelet does (CRI's ImageService.PullImage) and return the image's id.

        One unary gRPC call over HTTP/2 on the socket, which curl can make.
        """
        body = _field(1, _field(1, image.encode()))
        request = self._folder / "request"
        request.write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
        trailers = self._folder / "trailers"
        argv = ["curl", "--silent", "--show-error", "--http2-prior-knowledge"]
        argv += ["--unix-socket", str(self._socket), "--dump-header", str(trailers)]
        argv += ["--header", "content-type: application/grpc", "--header", "te: trailers"]
        argv += ["--data-binary", f"@{request}"]
        argv.append("http://localhost/runtime.v1.ImageService/PullImage")
        said = run(*argv, env=clean_environment(self._folder))
        status = trailers.read_text()
        assert "grpc-status: 0" in status, status
        # Flag, length, then PullImageResponse{image_ref = 1}: a key, a length, the text.
        return said.out[7:]

    def remove_images(self) -> None:
        """Forget every image and its content."""
        names = self.ctr("images", "list", "--quiet").out.split()
        if names:
            self.ctr("images", "remove", "--sync", *names)

    def close(self) -> None:
        """End it."""
        self._daemon.stop()


def _field(number: int, value: bytes) -> bytes:
    """Encode a protobuf field of bytes shorter than 128."""
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value
