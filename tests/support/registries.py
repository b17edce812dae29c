"""Registries as processes: lreg itself, and Debian's docker-registry beside it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.processes import Program, clean_environment, free_port, listens, run
from tests.support.wire import UNMARKED, Marks, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Running:
    """A registry that answers.

    Attributes:
        url: `http://127.0.0.1:5000`, say.
        store: its storage root.
        ca: the CA of its certificate in a folder of its own, as clients want it; None: plain HTTP.
        process: the server.
    """

    url: str
    store: Path
    ca: Path | None
    process: Program

    @property
    def host(self) -> str:
        """What an image reference begins with: `127.0.0.1:5000`."""
        return self.url.partition("://")[2]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def wire(self, marks: Marks = UNMARKED) -> Wire:
        """Return a new connection to it, on which requests are marked so."""
        return Wire(self.url, self.ca, marks=marks)

    def stop(self) -> None:
        """End it as its user would; see `ended`."""
        self.process.terminate()
        self.ended()

    def ended(self) -> None:
        """Wait until it has ended; hold it to what it promises: exit 0, no traceback."""
        code = self.process.wait()
        log = self.process.log
        if code or "Traceback" in log:
            told = [line for line in log.splitlines() if "Traceback" in line] or [log[-4000:]]
            raise AssertionError("\n".join([f"exit code {code}", *told]))


def start_lreg(
    folder: Path,
    *options: str,
    store: Path | None = None,
    tls: bool = False,
    network: Namespace | None = None,
    inside: Sequence[str] = (),
    port: int = 0,
) -> Running:
    """Start `lreg serve` on a free port and return once it answers.

    Args:
        folder: where its log goes, and its store unless `store` says another place.
        options: more of `lreg serve`.
        store: the storage root.
        tls: whether to speak TLS, by `--tls auto`.
        network: where to listen, on an address that is not loopback; None: on 127.0.0.1.
        inside: what to put before the command, such as `unshare …`.
        port: where to listen; 0: on a free port.
    """
    port = port or free_port()
    address = network.address if network else "127.0.0.1"
    inside = network.prefix if network else inside
    store = store or folder / "store"
    env = clean_environment(folder)
    mode = ("--tls", "auto") if tls else ()
    argv = [*inside, sys.executable, "-m", "lreg", "serve", "--store", str(store)]
    argv += ["--listen", f"{address}:{port}", *mode, *options]
    process = Program(argv, folder / "lreg.log", env, folder)
    url = f"{'https' if tls else 'http'}://{address}:{port}"
    process.wait_until(lambda: f"listening on {url}\n" in process.log)
    return Running(url, store, _ca_of(store, folder) if tls else None, process)


def _ca_of(store: Path, folder: Path) -> Path:
    env = clean_environment(folder)
    said = run(sys.executable, "-m", "lreg", "ca", "--store", str(store), env=env, cwd=folder)
    (folder / "certs").mkdir(exist_ok=True)
    file = folder / "certs" / "ca.crt"
    file.write_text(said.out)
    return file


def docker_registry_config(folder: Path, store: Path, port: int) -> Path:
    """Write docker-registry's configuration for that store and return the file."""
    config = {
        "version": "0.1",
        "log": {"accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(store)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "docker-registry.yml"
    file.write_text(json.dumps(config))  # YAML is a superset of JSON
    return file


def start_docker_registry(folder: Path, store: Path) -> Running:
    """Start Debian's docker-registry (distribution 2.8) on a store that may hold something."""
    port = free_port()
    config = docker_registry_config(folder, store, port)
    argv = ["docker-registry", "serve", str(config)]
    process = Program(argv, folder / "docker-registry.log", clean_environment(folder), folder)
    process.wait_until(lambda: listens(port))
    return Running(f"http://127.0.0.1:{port}", store, None, process)


def collect_garbage(folder: Path, store: Path, *options: str) -> str:
    """Run docker-registry's garbage collector on a store and return what it said."""
    config = docker_registry_config(folder, store, free_port())
    argv = ["docker-registry", "garbage-collect", *options, str(config)]
    said = run(*argv, env=clean_environment(folder), cwd=folder)
    return said.out + said.err


class Namespace:
    """A network of its own with an address that is not loopback, and nothing beyond it."""

    address = "198.51.100.1"  # TEST-NET-2 (RFC 5737)

    def __init__(self, folder: Path) -> None:
        self._log = folder / "namespace.log"
        script = (
            f"ip link set lo up && ip address add {self.address}/24 dev lo &&"
            " echo ready && exec sleep infinity"
        )
        argv = ["unshare", "--net", "sh", "-c", script]
        self._holder = Program(argv, self._log, clean_environment(folder))
        self._holder.wait_until(lambda: "ready" in self._holder.log)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command that is to run in it."""
        return ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--")

    def close(self) -> None:
        """Let it go."""
        self._holder.kill()
