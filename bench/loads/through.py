"""Cold pulls of an image through registries that cache an upstream."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import machine
from bench.content import MANIFEST_TYPE, MIB, REPOSITORY, TAG, blob_path
from bench.crowd import crowd_beside
from bench.internet import Internet, make_image
from bench.result import Bar, Row
from bench.wire import Target, ask, compose, drain, expect, pull, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.internet import Image
    from bench.run import Run
    from bench.servers import Server

TURNS = 3
LAYERS, LAYER_SIZE = 8, 64 * MIB
# As many layers at a time as containerd and Docker take.
_AT_A_TIME = 3
_SPEED = 50_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """So many clients at once, on a line of so many bytes a second, or as quick as it goes."""

    clients: int
    rate: int | None

    def __str__(self) -> str:
        line = "as quick as it goes" if self.rate is None else f"at {self.rate / 1e6:g} MB/s"
        crowd = "1 client" if self.clients == 1 else f"{self.clients} clients"
        return f"cold image through the cache, {crowd}, upstream {line}"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a turn took.

    Attributes:
        first: seconds to the first byte of a layer, of the client that waited longest.
        last: seconds to the end of the last client.
        sent: bytes of layers that upstream sent, times those of the image.
        cpu: the server's processor seconds.
        memory: the server's highest resident memory, in MB.
    """

    first: float
    last: float
    sent: float
    cpu: float
    memory: float


def image_puller(target: Target, image: Image) -> Callable[[Callable[[], None]], float]:
    """Return a client that pulls the image; it returns the seconds to its first byte of a layer."""

    def client(ready: Callable[[], None]) -> float:
        with target.connect() as sock:
            ready()
            begin = time.perf_counter()
            path = f"/v2/{REPOSITORY}/manifests/"
            accept = {"Accept": MANIFEST_TYPE}
            expect(ask(sock, "GET", path + TAG, headers=accept), 200, "manifest")
            pull(sock, blob_path(image.config))
        waiting, firsts, failed = list(image.layers), [], []

        def layers() -> None:
            try:
                with target.connect() as sock:
                    while waiting:
                        layer = blob_path(waiting.pop(0))
                        sock.sendall(compose("GET", layer))
                        answer = expect(read_head(sock), 200, f"GET {layer}")
                        firsts.append(time.perf_counter() - begin)
                        drain(sock, answer, layer)
            except Exception as error:  # noqa: BLE001 (raised again below)
                failed.append(error)

        threads = [threading.Thread(target=layers) for _ in range(_AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return min(firsts)

    return client


def measure(run: Run) -> Iterator[Row]:
    """One client and eight, of an image of 8 layers of 64 MiB; each turn with an empty cache."""
    image = make_image(run.folder / "image", LAYERS, LAYER_SIZE // (16 if run.quick else 1))
    peers = [peer for peer in run.peers if peer.caches]
    for rate in (None, _SPEED // (16 if run.quick else 1)):
        with Internet(run.folder / f"internet-{rate}", image, rate) as internet:
            for clients in (1, 8):
                plan = Plan(clients, rate)
                run.say(f"{plan}")
                direct: list[float] = []
                figures: dict[str, list[Pulled]] = {}
                for _ in range(run.times(TURNS)):
                    alone = crowd_beside([image_puller(Target(internet.port), image)], _nothing)[0]
                    internet.sent()
                    direct.append(alone.seconds)
                    for peer in peers:
                        home = run.folder / f"through-{peer.name.replace(' ', '-')}"
                        server = peer(home, upstream=internet.url)
                        figures.setdefault(peer.name, []).append(
                            _pulled(server, image, plan, internet)
                        )
                        shutil.rmtree(home)
                yield from _rows(plan, figures, direct)


def _nothing(ready: Callable[[], None], more: Callable[[], bool]) -> None:
    del more
    ready()


def _pulled(server: Server, image: Image, plan: Plan, internet: Internet) -> Pulled:
    server.start()
    try:
        pid = server.pid
        before = machine.cpu_seconds(pid)
        clients = [image_puller(server.target, image)] * plan.clients
        together, memory = crowd_beside(clients, machine.highest_mb(pid))
        cpu = machine.cpu_seconds(pid) - before
    finally:
        server.stop()
    sent = internet.sent() / image.size
    return Pulled(max(together.results), together.seconds, sent, cpu, memory)


def _rows(plan: Plan, figures: dict[str, list[Pulled]], direct: list[float]) -> Iterator[Row]:
    def row(name: str, unit: str, figure: Callable[[Pulled], float], *bars: Bar) -> Row:
        values = {server: [figure(one) for one in many] for server, many in figures.items()}
        return Row("through", f"{plan}{name}", unit, values, bars)

    # Not slower than distribution's proxy; where followers share a download, twice as quick.
    limit = 1.0 if plan.clients == 1 else 0.5
    bars = (Bar(limit, "distribution 3", at_most=True),) if plan.rate is None else ()
    yield row("", "s", lambda one: one.last, *bars)
    if plan.rate is not None:
        ratios = {
            server: [one.last / alone for one, alone in zip(many, direct, strict=True)]
            for server, many in figures.items()
        }
        bar = Bar(1.05, at_most=True)
        yield Row("through", f"{plan}, to a direct download", "times", ratios, (bar,))
    yield row(", first byte", "s", lambda one: one.first)
    yield row(", sent by upstream", "images", lambda one: one.sent, Bar(1.0, at_most=True))
    yield row(", processor time", "s", lambda one: one.cpu)
    yield row(", highest memory", "MB", lambda one: one.memory)
