"""One run: the peers that are here, what they hold, and their turns."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import TYPE_CHECKING, TypeVar

from bench import content as contents
from bench.stock import fill
from lreg.certificates import ensure_ca

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bench.copiers import Copier
    from bench.servers import Server

T = TypeVar("T")
P = TypeVar("P")


class Run:
    """What every load is given.

    Args:
        folder: on a real disk; everything that is made lies below it.
        peers: the servers to measure.
        copiers: the programs that copy images to measure.
        quick: small blobs and single short turns: to see that it works, not to publish.
    """

    def __init__(
        self,
        folder: Path,
        peers: Iterable[type[Server]],
        copiers: Iterable[type[Copier]],
        *,
        quick: bool,
    ) -> None:
        self.folder = folder
        self.peers = tuple(peers)
        self.copiers = tuple(copiers)
        self.quick = quick
        self.columns: dict[str, str] = {}  # what a load measures besides, and in which version
        self.seconds = 0.5 if quick else 1.5
        self.content = contents.make(folder / "content", scale=16 if quick else 1)
        self._stocked: set[type[Server]] = set()

    def times(self, full: int) -> int:
        """Return how many turns to take where a full run takes ``full``."""
        return 1 if self.quick else full

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        sys.stderr.write(f"  {text}\n")

    def server(self, peer: type[Server], *, tls: bool = False) -> Server:
        """Return a peer that is not started, on the store that ``serving`` fills."""
        home = self.folder / peer.name.replace(" ", "-")
        if not tls:
            return peer(home)
        ca = ensure_ca(self.folder / "ca")
        cert, key = ca.issue(["127.0.0.1"])
        return peer(home / "tls", (cert, key, ca.path), home / "store")

    @contextlib.contextmanager
    def serving(
        self, peers: Iterable[type[Server]] | None = None, *, tls: bool = False
    ) -> Iterator[list[Server]]:
        """Run the peers (all of them unless named), filled and frozen; give them."""
        chosen = self.peers if peers is None else tuple(peers)
        for peer in chosen:
            self._stock(peer)
        servers = [self.server(peer, tls=tls) for peer in chosen]
        try:
            for server in servers:
                server.start()
                server.pause()
            yield servers
        finally:
            for server in servers:
                server.stop()

    def turns(
        self,
        servers: Iterable[Server],
        plans: Iterable[P],
        measure: Callable[[Server, P], T],
        times: int,
    ) -> Iterator[tuple[P, dict[str, list[T]]]]:
        """Measure every plan with every server in turn, ``times`` turns; give figures by name."""
        for plan in plans:
            self.say(f"{plan}")
            figures: dict[str, list[T]] = {}
            for _ in range(times):
                for server in servers:
                    server.resume()
                    figures.setdefault(server.name, []).append(measure(server, plan))
                    server.pause()
            yield plan, figures

    def _stock(self, peer: type[Server]) -> None:
        if peer in self._stocked:
            return
        self.say(f"filling {peer.name}")
        server = self.server(peer)
        try:
            server.start()
            fill(server, self.content)
        finally:
            server.stop()
        self._stocked.add(peer)

    def discard(self, folder: Path) -> None:
        """Remove a folder that a load made."""
        shutil.rmtree(folder, ignore_errors=True)
