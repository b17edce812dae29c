"""Registries that are neither lreg nor Debian's, as processes: pinned, and built where need be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.processes import Program, clean_environment, free_port, listens
from tests.support.registries import Running, docker_registry_config, start_docker_registry
from tests.tools import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def start_distribution3(folder: Path, store: Path) -> Running:
    """Start distribution 3 on a store that may hold something."""
    port = free_port()
    config = docker_registry_config(folder, store, port)
    return _started(folder, store, port, str(build("distribution")), "serve", str(config))


def start_zot(folder: Path, store: Path) -> Running:
    """Start zot, which takes OCI's kinds of manifests only."""
    port = free_port()
    config = {
        "distSpecVersion": "1.0.1",
        "storage": {"rootDirectory": str(store), "commit": True},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    file = folder / "zot.json"
    file.write_text(json.dumps(config))
    return _started(folder, store, port, str(build("zot")), "serve", str(file))


def start_crane(folder: Path, store: Path) -> Running:
    """Start go-containerregistry's registry, whose blobs are in a folder, the rest in memory."""
    port = free_port()
    store.mkdir()
    options = (f"--address=127.0.0.1:{port}", f"--disk={store}")
    return _started(folder, store, port, str(build("crane")), "registry", "serve", *options)


def _started(folder: Path, store: Path, port: int, *argv: str) -> Running:
    process = Program([*argv], folder / "registry.log", clean_environment(folder), folder)
    process.wait_until(lambda: listens(port))
    return Running(f"http://127.0.0.1:{port}", store, None, process)


STARTS: dict[str, Callable[[Path, Path], Running]] = {
    "docker-registry": start_docker_registry,
    "distribution 3": start_distribution3,
    "crane": start_crane,
    "zot": start_zot,
}
"""By the clients that tests are marked with."""
