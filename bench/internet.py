"""An upstream for registries that cache: an image behind nginx, and a line of a given speed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench import content as contents
from bench.content import MANIFEST_TYPE, REPOSITORY, TAG, blob_path
from bench.programs import installed
from bench.servers import START_SECONDS
from bench.wire import HOST, LoadFailed, Target, ask

if TYPE_CHECKING:
    from pathlib import Path

    from bench.content import Blob

_PIECE = 64 << 10


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one platform.

    Attributes:
        manifest: its bytes.
        digest: the manifest's.
        config: its configuration.
        layers: its layers.
    """

    manifest: bytes
    digest: str
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def size(self) -> int:
        """The bytes of its layers."""
        return sum(layer.size for layer in self.layers)


def make_image(folder: Path, layers: int, size: int) -> Image:
    """Write the blobs of an image of so many layers of ``size`` bytes each; return the image."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    config = contents.write(folder / "config", [raw])
    blobs = tuple(contents.gzipped(folder / f"layer-{i}", size) for i in range(layers))
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": contents.descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [
                contents.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)
                for layer in blobs
            ],
        }
    ).encode()
    return Image(manifest, contents.digest_of(manifest), config, blobs)


class Internet:
    """A context manager: the image at a port, and how many bytes of its layers were taken.

    Args:
        folder: for its files.
        image: what it serves.
        rate: bytes a second for all who come through its line together, or None for no limit.
        latency: how many seconds an answer takes to arrive through that line.
    """

    def __init__(self, folder: Path, image: Image, rate: int | None, latency: float = 0) -> None:
        self._folder = folder
        self._image = image
        self._rate = rate
        self._latency = latency
        self._log = folder / "access.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._read = 0
        self.port = 0

    @property
    def url(self) -> str:
        """What a registry is told to dial."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._lay_out(self._folder / "root")
        (self._folder / "nginx.conf").write_text(self._config(self.port))
        program = installed("nginx", "apt-get install nginx-light")
        self._run([program, "-c", str(self._folder / "nginx.conf")])
        _await_answer(self.port)
        if self._rate is not None:
            behind, self.port = self.port, _free_port()
            line = [sys.executable, "-m", "bench.internet"]
            self._run([*line, *map(str, (self.port, behind, self._rate, self._latency))])
            _await_answer(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(timeout=10)

    def sent(self) -> int:
        """Return how many bytes of layers went out since this was asked last."""
        # nginx writes a line when the request is over.
        time.sleep(0.1)
        lines = self._log.read_text().splitlines()
        new, self._read = lines[self._read :], len(lines)
        layers = {layer.digest for layer in self._image.layers}
        return sum(
            int(size)
            for path, size in (line.split() for line in new)
            if path.rpartition("/")[2] in layers
        )

    def _run(self, command: list[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _lay_out(self, root: Path) -> None:
        for blob in (self._image.config, *self._image.layers):
            place = root / blob_path(blob).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                os.link(blob.path, place)
        for name in (TAG, self._image.digest):
            place = root / f"v2/{REPOSITORY}/manifests/{name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self._image.manifest)

    def _config(self, port: int) -> str:
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{name}_temp_path {self._folder}/bodies;"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""daemon off; {user} worker_processes auto;
pid {self._folder}/pid; error_log {self._folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format taken "$uri $body_bytes_sent"; access_log {self._log} taken;
  sendfile on; tcp_nopush on; keepalive_requests 1000000000; {temporary}
  server {{
    listen {HOST}:{port};
    root {self._folder}/root;
    default_type application/octet-stream;
    location = /v2/ {{ return 200 "{{}}"; }}
    location /v2/{REPOSITORY}/manifests/ {{
      default_type {MANIFEST_TYPE};
      add_header Docker-Content-Digest {self._image.digest};
    }}
  }}
}}
"""


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def _await_answer(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with Target(port).connect() as sock:
                if ask(sock, "GET", "/v2/").status == 200:
                    return
        except (OSError, LoadFailed):
            time.sleep(0.01)
    raise LoadFailed("the upstream did not start")


class Line:
    """A line of so many bytes a second, for all who use it together."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free = time.monotonic()

    def take(self, count: int) -> None:
        """Return when ``count`` bytes have gone through."""
        with self._lock:
            now = time.monotonic()
            self._free = max(now, self._free) + count / self._rate
            wait = self._free - now
        time.sleep(wait)


def relay(port: int, behind: int, rate: int, latency: float) -> None:
    """Pass bytes between clients and the server behind.

    Args:
        port: where clients come.
        behind: where the server is.
        rate: bytes a second down to all clients together.
        latency: seconds until what the server sends arrives, and until a connection is there.
    """
    line = Line(rate)
    with socket.create_server((HOST, port), backlog=256) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(
                target=_serve, args=(client, behind, line, latency), daemon=True
            ).start()


def _serve(client: socket.socket, behind: int, line: Line, latency: float) -> None:
    time.sleep(latency)
    server = socket.create_connection((HOST, behind))
    threading.Thread(target=_pass, args=(client, server), daemon=True).start()
    # As much as is on its way when the line is full, and no more.
    under_way: queue.Queue[tuple[float, bytes]] = queue.Queue(64)
    threading.Thread(target=_take, args=(server, under_way, latency), daemon=True).start()
    with contextlib.suppress(OSError):
        while (arrival := under_way.get())[1]:
            time.sleep(max(0, arrival[0] - time.monotonic()))
            line.take(len(arrival[1]))
            client.sendall(arrival[1])
    _shut(client, server)


def _take(
    server: socket.socket, under_way: queue.Queue[tuple[float, bytes]], latency: float
) -> None:
    data = b"-"
    while data:
        data = b""
        with contextlib.suppress(OSError):
            data = server.recv(_PIECE)
        under_way.put((time.monotonic() + latency, data))


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    _shut(source, target)


def _shut(*sockets: socket.socket) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    relay(*map(int, sys.argv[1:4]), *map(float, sys.argv[4:]))
