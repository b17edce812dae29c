"""Real nodes that bring an image: from an archive, through registries, from a slow upstream.

``python -m bench.nodes FOLDER QUICK`` prints figures as JSON. It is a program of its own because it
moves to the network that the nodes are on, where the registries have an address of their own
(``$BENCH_HOST``) and everything else in it listens too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.nodes.runtimes import Containerd2, Cri, Crio
from tests.support.cluster import Node, Outside, enter

from bench.content import MIB, REPOSITORY, TAG
from bench.copiers import Crane
from bench.internet import Internet
from bench.layered import archive, make_layered
from bench.servers import Distribution3, Lreg
from bench.wire import HOST, LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


LAYERS, LAYER_SIZE = 10, 60 * MIB
TURNS, CROWD_TURNS, CROWD = 5, 3, 8
RATE, LATENCY = 20_000_000, 0.06
ARCHIVE, INTERNET = "local archive", "slow upstream"


class OpenLreg(Lreg):
    """An lreg to which anybody may push, as to the others."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--allow-anonymous-push"]


@dataclass(slots=True)
class Found:
    """Seconds until the image was usable.

    Attributes:
        alone: of one node, by runtime and way.
        crowd: of the last of many nodes at once, through an lreg that had nothing.
        versions: of the runtimes.
    """

    alone: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    crowd: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


class Nodes:
    """Nodes with a runtime each, on a disk.

    Args:
        outside: what they are connected to.
        folder: on the disk.
    """

    def __init__(self, outside: Outside, folder: Path) -> None:
        self._outside = outside
        self._folder = folder
        self._count = 1

    @contextlib.contextmanager
    def one(self, kind: type[Cri]) -> Iterator[Cri]:
        """Give a node with such a runtime."""
        self._count += 1
        home = self._folder / f"node-{self._count}"
        disk = self._folder / f"disk-{self._count}"
        disk.mkdir()
        node = Node(self._outside, self._count, home, kind.binaries(), disk)
        runtime = kind(node)
        try:
            yield runtime
        finally:
            runtime.stop()
            node.close()
            shutil.rmtree(disk, ignore_errors=True)


def told(runtime: Cri, port: int) -> str:
    """Have a runtime trust the registry at a port; return the image's name there."""
    options = ("--reload", f"--registry=http://{HOST}:{port}", "--upstream=docker.io")
    said = runtime.lreg("apply", *options, f"--for-version={runtime.version}")
    if said.code:
        raise LoadFailed(said.err)
    return f"{HOST}:{port}/{REPOSITORY}:{TAG}"


def timed(runtime: Cri, bring: Callable[[], object]) -> float:
    """Return how many seconds it takes to bring an image that the node does not hold."""
    runtime.forget()
    os.sync()
    began = time.perf_counter()
    bring()
    return time.perf_counter() - began


def import_command(kind: type[Cri], file: Path) -> tuple[str, ...]:
    """Return the command that brings the image from an archive on the node itself."""
    if kind is Containerd2:
        return ("ctr", "--namespace=k8s.io", "images", "import", str(file))
    target = f"containers-storage:localhost/{REPOSITORY}:{TAG}"
    return ("skopeo", "--insecure-policy", "copy", "--quiet", f"oci-archive:{file}", target)


def alone(runtime: Cri, file: Path, ports: dict[str, int], turns: int) -> dict[str, list[float]]:
    """Return the figures of one node by way; the ways take turns."""
    kind = type(runtime)
    figures: dict[str, list[float]] = {way: [] for way in (ARCHIVE, *ports)}
    for _ in range(turns):
        for way, took in figures.items():
            bring: Callable[[], object]
            if way == ARCHIVE:
                bring = partial(runtime.node, *import_command(kind, file))
            else:
                bring = partial(runtime.pull, told(runtime, ports[way]))
            took.append(timed(runtime, bring))
            sys.stderr.write(f"    {kind.title}, {way}: {took[-1]:.2f} s\n")
    return figures


def crowd(nodes: Nodes, port: int) -> float:
    """Return the seconds of the last of many nodes that pull at once."""
    with contextlib.ExitStack() as stack:
        runtimes = [stack.enter_context(nodes.one(Containerd2)) for _ in range(CROWD)]
        names = [told(runtime, port) for runtime in runtimes]
        failed: list[BaseException] = []

        def pull(runtime: Cri, name: str) -> None:
            try:
                runtime.pull(name)
            except AssertionError as error:
                failed.append(error)

        threads = [
            threading.Thread(target=pull, args=each) for each in zip(runtimes, names, strict=True)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise LoadFailed(str(failed[0]))
        return time.perf_counter() - began


def measure(folder: Path, outside: Outside, *, quick: bool) -> Found:
    """Measure all of it below a folder on a disk; ``quick``: small, one turn."""
    found = Found()
    image = make_layered(folder / "image", LAYERS, LAYER_SIZE // (16 if quick else 1))
    file = archive(folder / "image.tar", image)
    nodes = Nodes(outside, folder)
    with contextlib.ExitStack() as stack:
        quickly = stack.enter_context(Internet(folder / "quick", image, None))
        slowly = stack.enter_context(Internet(folder / "slow", image, RATE, LATENCY))
        ports = {INTERNET: slowly.port}
        for server in (OpenLreg(folder / "lreg"), Distribution3(folder / "distribution")):
            server.start()
            stack.callback(server.stop)
            _push(quickly.port, server.target.port)
            ports[server.name] = server.target.port
        for kind in (Containerd2, Crio):
            with nodes.one(kind) as runtime:
                found.versions[kind.title] = runtime.version
                found.alone[kind.title] = alone(runtime, file, ports, 1 if quick else TURNS)
        for _ in range(1 if quick else CROWD_TURNS):
            found.crowd.append(_cold_crowd(nodes, folder / "cold", slowly.url))
    return found


def _push(source: int, target: int) -> None:
    names = [f"{HOST}:{port}/{REPOSITORY}:{TAG}" for port in (source, target)]
    subprocess.run(Crane.command(*names), check=True, capture_output=True)


def _cold_crowd(nodes: Nodes, home: Path, upstream: str) -> float:
    server = OpenLreg(home, upstream=upstream)
    server.start()
    try:
        took = crowd(nodes, server.target.port)
        sys.stderr.write(f"    {CROWD} nodes, cold: {took:.2f} s\n")
        return took
    finally:
        server.stop()
        shutil.rmtree(home)


def main(arguments: Sequence[str]) -> int:
    """Move to the nodes' network, measure, print."""
    folder = Path(arguments[0])
    outside = Outside(folder / "outside")
    try:
        enter(outside.network)
        found = measure(folder, outside, quick=arguments[1] == "True")
    finally:
        outside.close()
    sys.stdout.write(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
